//! Misbehaves: asks for a retry each time, at once.

use guests::{Outcome, Retry};

fn handle(_: guests::Context, _: String) -> Outcome {
    Outcome::Retry(Retry { reason: "the moon is not full".to_owned(), after_ms: Some(0) })
}

guests::step!(handle);
