//! Behaves: emits and signals, and says what was refused.

use guests::events::{Error, emit, signal};
use guests::{Context, Outcome};

fn handle(_: Context, body: String) -> Outcome {
    emit("orders.placed", &body).expect("the topic is allowed");
    signal("customer/42").expect("a good key");
    let refused = [
        emit("not.allowed", "1").map_or_else(text, |()| "taken".to_owned()),
        emit("no topic name", "1").map_or_else(text, |()| "taken".to_owned()),
        emit("orders.placed", "{").map_or_else(text, |()| "taken".to_owned()),
        emit("orders.placed", &guests::quoted(&"x".repeat(8 << 20))).map_or_else(text, |()| "taken".to_owned()),
        signal("").map_or_else(text, |()| "taken".to_owned()),
    ];
    guests::done(format!("{refused:?}"))
}

fn text(error: Error) -> String {
    match error {
        Error::TopicRefused(text) => format!("topic-refused {text}"),
        Error::Limit(text) => format!("limit {text}"),
    }
    .replace('"', "'")
}

guests::step!(handle);
