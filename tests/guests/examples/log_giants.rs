//! Misbehaves: logs lines of eight megabytes, then answers well.

use guests::logging::{Level, log};

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    let line = "giant ".repeat((8 << 20) / 6);
    for _ in 0..8 {
        log(Level::Info, "flood", &line);
    }
    guests::done(body)
}

guests::step!(handle);
