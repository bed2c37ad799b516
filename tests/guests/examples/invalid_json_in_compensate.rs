//! Misbehaves: answers its compensation with what is no JSON.

use guests::{Context, Outcome};

fn handle(_: Context, body: String) -> Outcome {
    guests::done(body)
}

fn compensate(_: Context, _: String, _: Option<String>) -> Outcome {
    guests::done("undone!")
}

guests::step!(handle, compensate);
