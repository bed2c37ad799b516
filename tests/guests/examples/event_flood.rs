//! Misbehaves: emits and signals without end; says how often it could.

use guests::events::{emit, signal};

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    let mut count = 0u32;
    while emit("orders.placed", "1").is_ok() && signal("customer/42").is_ok() {
        count += 2;
    }
    guests::done(count.to_string())
}

guests::step!(handle);
