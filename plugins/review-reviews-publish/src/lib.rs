//! `review.reviews.publish`: publishes a review that passed moderation.
//! It refuses texts with the mark `[stuck]`, so that the undo of the step before, which then fails, can be watched.
#![forbid(unsafe_code)]

use saga_step::prelude::*;
use saga_step::serde_json::{Map, Value};

/// What of the body this step reads. Keys it doesn't name go on untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Review {
    review_id: Id,
    text: String,
}

/// A review as it is kept. This step reads and writes one member of it and leaves the others alone.
type Row = Map<String, Value>;

fn handle(ctx: &Context, review: Review) -> StepResult {
    if review.text.contains("[stuck]") {
        reject!("withdrawn", "the author has withdrawn review {}", review.review_id);
    }
    set_status(ctx, &review, "published")?;
    Ok(unchanged())
}

/// Only a person can turn a saga round after its last step. The review is then pending again, until
/// `review.reviews.create` rejects it.
fn compensate(ctx: &Context, review: Review, _log: Option<()>) -> StepResult {
    set_status(ctx, &review, "pending")?;
    Ok(unchanged())
}

fn set_status(ctx: &Context, review: &Review, status: &str) -> Result<(), Stop> {
    let reviews = keyvalue::shared("reviews")?;
    let key = format!("{}/{}", review.review_id, ctx.global_id);
    let mut row: Row = reviews.get_json(&key)?.ok_or_else(|| {
        rejected("unknown-review", format!("there is no review {key}; review.reviews.create writes it"))
    })?;
    row.insert("status".into(), status.into());
    reviews.set_json(&key, &row)?;
    Ok(())
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
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR")).with(
            "reviews",
            KEY,
            json!({"status": "pending", "author": "ann"}),
        )
    }

    fn row(host: &TestHost) -> Option<saga_step::serde_json::Value> {
        host.shared_value::<Row>("reviews", KEY).map(Into::into)
    }

    #[test]
    fn a_review_is_published_and_its_other_members_stay() {
        let mut host = host();
        assert_eq!(host.handle(REVIEW).body(), REVIEW);
        assert_eq!(row(&host), Some(json!({"status": "published", "author": "ann"})));
    }

    #[test]
    fn stuck_is_refused() {
        let mut host = host();
        assert_eq!(host.handle(REVIEW.replace("good", "[stuck]")).rejected().code, "withdrawn");
        assert_eq!(row(&host), Some(json!({"status": "pending", "author": "ann"})));
    }

    #[test]
    fn undone_the_review_is_pending_again() {
        let mut host = host();
        let run = host.handle(REVIEW);
        host.undo(&run, Failure::rejected("review.reviews.publish", "operator", "a mistake")).done();
        assert_eq!(row(&host), Some(json!({"status": "pending", "author": "ann"})));
    }

    #[test]
    fn a_review_that_nobody_wrote_is_refused() {
        assert_eq!(host().handle(REVIEW.replace("r-1", "r-2")).rejected().code, "unknown-review");
    }
}
