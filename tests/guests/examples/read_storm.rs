//! Misbehaves: reads one key after the other without end.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    let own = guests::own_bucket();
    own.set("left-over", b"1").expect("writes");
    for number in 0..1_000_000u32 {
        own.get(&number.to_string()).expect("reads");
    }
    guests::done(body)
}

guests::step!(handle);
