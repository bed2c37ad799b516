//! Misbehaves: calls a function that there is not.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    let wild = guests::used(0x00ff_fff0_usize) as *const ();
    // SAFETY: none; it is what this program is for. The sandbox must end it.
    let call: fn(u64) -> u64 = unsafe { core::mem::transmute(wild) };
    guests::done(format!("{}{body}", call(1)))
}

guests::step!(handle);
