//! Behaves: logs a line of each level, and prints.

use guests::logging::{Level, log};

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    log(Level::Trace, "a", "trace");
    log(Level::Debug, "a", "debug");
    log(Level::Info, "a::b", "two\nlines");
    log(Level::Warn, "", "warn");
    log(Level::Error, "a", "error");
    log(Level::Critical, "a", "critical");
    println!("printed");
    eprintln!("complained");
    guests::done(body)
}

guests::step!(handle);
