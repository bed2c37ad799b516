//! Misbehaves: writes under a key of a megabyte.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    guests::own_bucket().set(&"k".repeat(1 << 20), b"1").expect("a giant key is taken");
    guests::done(body)
}

guests::step!(handle);
