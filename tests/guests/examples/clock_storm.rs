//! Misbehaves: asks what time it is without end.

use std::time::SystemTime;

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    loop {
        guests::used(SystemTime::now());
    }
}

guests::step!(handle);
