//! Misbehaves: ends the process it thinks it is, and says that all is well.

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    std::process::exit(0)
}

guests::step!(handle);
