//! Misbehaves: writes where it has no memory.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    let wild = guests::used(0x7fff_0000_usize) as *mut u8;
    // SAFETY: none; it is what this program is for. The sandbox must end it.
    unsafe { wild.write_volatile(1) };
    guests::done(body)
}

guests::step!(handle);
