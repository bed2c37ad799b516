//! Misbehaves: emits a body of eight megabytes.

use guests::events::emit;

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    emit("orders.placed", &guests::quoted(&"x".repeat(8 << 20))).expect("a giant event is taken");
    guests::done(body)
}

guests::step!(handle);
