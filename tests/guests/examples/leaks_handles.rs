//! Misbehaves: takes handles of the host and gives none of them back.

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    let mut kept = Vec::new();
    for _ in 0..1_000_000 {
        kept.push(guests::own_bucket());
    }
    guests::done(kept.len().to_string())
}

guests::step!(handle);
