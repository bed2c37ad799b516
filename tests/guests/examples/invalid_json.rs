//! Misbehaves: answers what is no JSON; the body names the part.

use guests::{Context, Done, Outcome, Rejected};

fn handle(_: Context, body: String) -> Outcome {
    let bad = || "{'single': quotes}".to_owned();
    match body.trim_matches('"') {
        "body" => guests::done(bad()),
        "empty" => guests::done(""),
        "two" => guests::done("1 2"),
        "compensation" => Outcome::Done(Done { body, compensation: Some(bad()) }),
        "details" => Outcome::Rejected(Rejected { code: "no".to_owned(), reason: String::new(), details: Some(bad()) }),
        other => panic!("no such part: {other}"),
    }
}

guests::step!(handle);
