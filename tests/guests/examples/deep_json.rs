//! Misbehaves: answers with a hundred thousand lists inside each other.

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    guests::done(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))
}

guests::step!(handle);
