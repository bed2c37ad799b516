//! Misbehaves: takes memory until there is none.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    let mut taken = Vec::new();
    loop {
        taken.push(guests::used(vec![1u8; 1 << 20]));
        if taken.len() > 1 << 20 {
            return guests::done(body);
        }
    }
}

guests::step!(handle);
