//! Misbehaves: panics while it is being started.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    guests::done(body)
}

/// A component calls the export of this name when it is instantiated.
#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    panic!("this step dies before it lives");
}

guests::step!(handle);
