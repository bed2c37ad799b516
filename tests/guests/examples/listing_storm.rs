//! Misbehaves: fills its bucket and lists it without end.

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    let own = guests::own_bucket();
    for number in 0..1000 {
        own.set(&format!("left-over-{number}"), b"1").expect("writes");
    }
    loop {
        guests::used(own.list_keys(None).expect("lists"));
    }
}

guests::step!(handle);
