//! Misbehaves: ends the process it thinks it is.

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    std::process::exit(7)
}

guests::step!(handle);
