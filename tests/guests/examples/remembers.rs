//! Behaves: counts the calls that its own memory has seen. Shows whether an instance is fresh.

use std::sync::atomic::{AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    if body == "\"panic\"" {
        panic!("after {calls} calls");
    }
    guests::done(calls.to_string())
}

guests::step!(handle);
