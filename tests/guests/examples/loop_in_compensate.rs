//! Misbehaves: never answers a compensate; its handle is well.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    guests::done(body)
}

fn compensate(_: guests::Context, _: String, _: Option<String>) -> guests::Outcome {
    let mut turns = 0u64;
    loop {
        turns = guests::used(turns.wrapping_add(1));
    }
}

guests::step!(handle, compensate);
