//! Misbehaves: can be done and not be undone; what its compensation wrote before must not remain.

use guests::{Context, Outcome};

fn handle(_: Context, body: String) -> Outcome {
    guests::own_bucket().set("booked", b"1").expect("writes");
    guests::done(body)
}

fn compensate(_: Context, _: String, _: Option<String>) -> Outcome {
    guests::own_bucket().set("left-over", b"1").expect("writes");
    panic!("the booking is not found any more")
}

guests::step!(handle, compensate);
