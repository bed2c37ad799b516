//! Misbehaves: never answers a handle.

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    spin_for_ever()
}

#[inline(never)]
fn spin_for_ever() -> guests::Outcome {
    let mut turns = 0u64;
    loop {
        turns = guests::used(turns.wrapping_add(1));
    }
}

guests::step!(handle);
