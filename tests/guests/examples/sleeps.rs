//! Misbehaves: sleeps an hour, inside the host.

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    std::thread::sleep(std::time::Duration::from_secs(3600));
    guests::done(body)
}

guests::step!(handle);
