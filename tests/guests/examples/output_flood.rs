//! Misbehaves: answers with far more than any limit; the body names the part that is too large.

use guests::{Context, Done, Outcome, Rejected};

fn handle(_: Context, body: String) -> Outcome {
    let flood = || guests::quoted(&"x".repeat(8 << 20));
    match body.trim_matches('"') {
        "body" => guests::done(flood()),
        "compensation" => Outcome::Done(Done { body, compensation: Some(flood()) }),
        "details" => {
            Outcome::Rejected(Rejected { code: "no".to_owned(), reason: String::new(), details: Some(flood()) })
        }
        other => panic!("no such part: {other}"),
    }
}

guests::step!(handle);
