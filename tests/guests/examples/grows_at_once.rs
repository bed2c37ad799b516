//! Misbehaves: asks for all the memory that there can be, in one go.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    guests::used(core::arch::wasm32::memory_grow(0, 60_000));
    guests::done(body)
}

guests::step!(handle);
