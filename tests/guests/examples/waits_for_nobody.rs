//! Misbehaves: waits for what nobody will ever signal.

use guests::{Outcome, Wait};

fn handle(_: guests::Context, _: String) -> Outcome {
    Outcome::Wait(Wait { key: "godot".to_owned(), reason: "he said he would come".to_owned(), timeout_ms: Some(1) })
}

guests::step!(handle);
