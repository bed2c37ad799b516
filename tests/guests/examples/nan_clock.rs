//! Misbehaves: computes a time that is not a number, and takes it for a span.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let span = Duration::from_secs_f64(guests::used(now * f64::NAN));
    guests::done(span.as_millis().to_string())
}

guests::step!(handle);
