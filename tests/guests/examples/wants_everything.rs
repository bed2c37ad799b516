//! Misbehaves: asks for everything that a manifest can grant.

use guests::{config, events, own_bucket};

fn handle(_: guests::Context, body: String) -> guests::Outcome {
    own_bucket().set("k", b"1").expect("writes");
    events::signal("k").expect("signals");
    config::get("k").expect("reads");
    guests::done(body)
}

guests::step!(handle);
