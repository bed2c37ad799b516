//! Misbehaves: logs and prints without measure, then answers well.

use guests::logging::{Level, log};

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    for line in 0..100_000 {
        log(Level::Info, "flood", &format!("line {line}"));
    }
    for _ in 0..1000 {
        println!("{}", "printed ".repeat(100));
    }
    guests::done(body)
}

guests::step!(handle);
