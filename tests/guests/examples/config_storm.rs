//! Misbehaves: asks for its configuration without end.

use guests::config;

fn handle(_: guests::Context, _: String) -> guests::Outcome {
    loop {
        guests::used(config::get_all().expect("reads"));
    }
}

guests::step!(handle);
