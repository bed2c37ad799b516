//! Misbehaves: writes a value of twenty megabytes.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    guests::own_bucket().set("k", &vec![1; 20 << 20]).expect("a giant value is taken");
    guests::done(body)
}

guests::step!(handle);
