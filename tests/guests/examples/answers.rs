//! Behaves: gives the answer that the body names, with and without its optional parts.

use guests::{Context, Outcome, Rejected, Retry, Wait};

fn handle(_: Context, body: String) -> Outcome {
    match body.trim_matches('"') {
        "rejected" => Outcome::Rejected(Rejected {
            code: "out-of-stock".to_owned(),
            reason: "none left".to_owned(),
            details: Some(r#"{"left":0}"#.to_owned()),
        }),
        "retry" => Outcome::Retry(Retry { reason: "not now".to_owned(), after_ms: Some(1500) }),
        "retry-soon" => Outcome::Retry(Retry { reason: "not now".to_owned(), after_ms: None }),
        "wait" => Outcome::Wait(Wait {
            key: "customer/42".to_owned(),
            reason: "customer 42 is not registered".to_owned(),
            timeout_ms: Some(60_000),
        }),
        "bad-key" => Outcome::Wait(Wait { key: "two\nlines".to_owned(), reason: String::new(), timeout_ms: None }),
        "empty-code" => Outcome::Rejected(Rejected { code: " ".to_owned(), reason: String::new(), details: None }),
        "long-code" => Outcome::Rejected(Rejected { code: "x".repeat(1000), reason: String::new(), details: None }),
        "long-reason" => Outcome::Retry(Retry { reason: "é".repeat(100_000), after_ms: None }),
        other => panic!("no such answer: {other}"),
    }
}

guests::step!(handle);
