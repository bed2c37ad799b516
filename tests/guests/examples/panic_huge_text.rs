//! Misbehaves: panics with eight megabytes of text.

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    panic!("begins {} ends", "x".repeat(8 << 20))
}

guests::step!(handle);
