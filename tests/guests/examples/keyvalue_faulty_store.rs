//! Behaves: asks for a retry when the store behind its bucket fails.

use guests::keyvalue::Error;
use guests::{Context, Outcome, Retry, own_bucket};

fn handle(_: Context, body: String) -> Outcome {
    match own_bucket().get("k") {
        Err(Error::Other(reason)) => Outcome::Retry(Retry { reason, after_ms: None }),
        Err(_) | Ok(_) => guests::done(body),
    }
}

guests::step!(handle);
