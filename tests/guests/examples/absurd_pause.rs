//! Misbehaves: asks to be tried again in seven weeks.

use guests::{Outcome, Retry};

fn handle(_: guests::Context, _: String) -> Outcome {
    Outcome::Retry(Retry { reason: "come back in spring".to_owned(), after_ms: Some(u32::MAX) })
}

guests::step!(handle);
