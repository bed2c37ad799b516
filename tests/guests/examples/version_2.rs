//! Behaves: says that it is version 2, going forward and back. For replacing one version by another.

use guests::{Context, Outcome};

fn handle(_: Context, _: String) -> Outcome {
    guests::done("2")
}

fn compensate(_: Context, _: String, _: Option<String>) -> Outcome {
    guests::done("-2")
}

guests::step!(handle, compensate);
