//! `review.reviews.create`: writes a new review as pending. Undone, it is rejected with the reason.
//! The row and the message to moderation commit together: no review is pending that moderation was never told about.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on to the next step untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Review {
    review_id: Id,
    author: String,
    text: String,
}

/// A review as it is kept. The bucket is shared with `review.reviews.publish`.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Row {
    status: String,
    author: String,
    text: String,
    reason: Option<String>,
}

/// Each saga keeps a row of its own: a review that was rejected may come again.
fn key(ctx: &Context, review: &Review) -> String {
    format!("{}/{}", review.review_id, ctx.global_id)
}

fn handle(ctx: &Context, review: Review) -> StepResult {
    if review.text.trim().is_empty() {
        reject!("empty-review", "a review must say something");
    }
    let key = key(ctx, &review);
    let row = Row { status: "pending".into(), author: review.author, text: review.text, reason: None };
    keyvalue::shared("reviews")?.set_json(&key, &row)?;
    Ok(unchanged())
}

fn compensate(ctx: &Context, review: Review, _log: Option<()>) -> StepResult {
    let reviews = keyvalue::shared("reviews")?;
    let key = key(ctx, &review);
    let Some(mut row) = reviews.get_json::<Row>(&key)? else {
        reject!("unknown-review", "there is no review {key} to reject");
    };
    row.status = "rejected".into();
    row.reason = ctx.failure.as_ref().map(|failure| failure.reason.clone());
    reviews.set_json(&key, &row)?;
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::{TestHost, json};

    use super::{Row, compensate, handle};

    const KEY: &str = "r-1/test-saga";
    const REVIEW: &str = r#"{"review-id":"r-1","author":"ann","text":"a good book","stars":4.50}"#;

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn a_review_begins_as_pending() {
        let mut host = host();
        assert_eq!(host.handle(REVIEW).body(), REVIEW);
        let row = Row { status: "pending".into(), author: "ann".into(), text: "a good book".into(), reason: None };
        assert_eq!(host.shared_value("reviews", KEY), Some(row));
    }

    #[test]
    fn undone_it_is_rejected_with_the_reason() {
        let mut host = host();
        let run = host.handle(REVIEW);
        host.undo(&run, Failure::rejected("review.moderation.check", "spam", "it is spam")).done();
        let row: Row = host.shared_value("reviews", KEY).expect("the row stays");
        assert_eq!((row.status.as_str(), row.reason.as_deref()), ("rejected", Some("it is spam")));
    }

    #[test]
    fn a_review_that_says_nothing_is_refused() {
        let run = host().handle(json!({"review-id": 1, "author": "ann", "text": " "}));
        assert_eq!(run.rejected().code, "empty-review");
    }
}
