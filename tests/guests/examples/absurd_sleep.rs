//! Misbehaves: sleeps for longer than the universe will last.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    std::thread::sleep(std::time::Duration::MAX);
    guests::done(body)
}

guests::step!(handle);
