//! Misbehaves: never comes to life.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    guests::done(body)
}

/// A component calls the export of this name when it is instantiated.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    let mut turns = 0u64;
    loop {
        turns = guests::used(turns.wrapping_add(1));
    }
}

guests::step!(handle);
