//! Misbehaves: wants a hundred megabytes handed back to its compensation.

use guests::{Context, Done, Outcome};

fn handle(_: Context, body: String) -> Outcome {
    Outcome::Done(Done { body, compensation: Some(guests::quoted(&"x".repeat(100 << 20))) })
}

guests::step!(handle);
