//! Misbehaves: writes, emits and signals, then fails as the body says. Nothing of it may remain.

use guests::{Context, Outcome, Rejected, Retry, Wait};

fn handle(_: Context, body: String) -> Outcome {
    let bucket = guests::own_bucket();
    bucket.get("seen").expect("reads");
    bucket.set("left-over", b"1").expect("writes");
    guests::events::signal("left/over").expect("signals");
    match body.trim_matches('"') {
        "trap" => panic!("after the writes"),
        "rejected" => Outcome::Rejected(Rejected { code: "no".to_owned(), reason: String::new(), details: None }),
        "retry" => Outcome::Retry(Retry { reason: "later".to_owned(), after_ms: None }),
        "wait" => Outcome::Wait(Wait { key: "k".to_owned(), reason: String::new(), timeout_ms: None }),
        "invalid" => guests::done("{"),
        other => panic!("no such end: {other}"),
    }
}

guests::step!(handle);
