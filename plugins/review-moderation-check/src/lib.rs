//! `review.moderation.check`: moderates a review, and fails on demand in each way a step can fail. Marks in the text:
//! `[flaky]` fails twice and then passes, `[broken]` fails for ever, `[spam]` is refused, `[stuck]` passes here, is
//! refused by the step behind, and then cannot be undone.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on to the next step untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Review {
    review_id: Id,
    text: String,
}

/// The attempt at which `[flaky]` passes.
const FLAKY_PASSES_AT: u32 = 3;

fn key(ctx: &Context, review: &Review) -> String {
    format!("verdict/{}/{}", review.review_id, ctx.global_id)
}

fn handle(ctx: &Context, review: Review) -> StepResult {
    if review.text.contains("[spam]") {
        reject!("spam", "review {} is spam", review.review_id);
    }
    // A technical failure is no refusal: the message comes again, with growing pauses, until it passes or the budget
    // of the manifest is used up. Then it is a dead letter that `errors` shows with this reason.
    if review.text.contains("[broken]") {
        return retry("the moderation service does not answer").into();
    }
    if review.text.contains("[flaky]") && ctx.attempt < FLAKY_PASSES_AT {
        return retry(format!("the moderation service is busy (attempt {})", ctx.attempt)).into();
    }
    keyvalue::own()?.set_json(&key(ctx, &review), "approved")?;
    Ok(unchanged())
}

fn compensate(ctx: &Context, review: Review, _log: Option<()>) -> StepResult {
    // An undo can fail as well. It is retried like any other call; then the saga stands as `compensation-failed`, and
    // the steps before wait for a person.
    if review.text.contains("[stuck]") {
        return retry("the moderation archive does not answer").into();
    }
    keyvalue::own()?.delete(&key(ctx, &review))?;
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::TestHost;

    use super::{compensate, handle};

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR"))
    }

    fn review(text: &str) -> String {
        format!(r#"{{"review-id":"r-1","author":"ann","text":"{text}","stars":4.50}}"#)
    }

    fn refusal() -> Failure {
        Failure::rejected("review.reviews.publish", "withdrawn", "withdrawn")
    }

    #[test]
    fn a_review_passes_and_the_verdict_is_kept_and_withdrawn() {
        let mut host = host();
        let run = host.handle(review("a good book"));
        assert_eq!(run.body(), review("a good book"));
        assert_eq!(host.value("verdict/r-1/test-saga"), Some("approved".to_owned()));
        host.undo(&run, refusal()).done();
        assert!(host.bucket("").is_empty());
    }

    #[test]
    fn flaky_passes_at_the_third_attempt() {
        let mut host = host();
        for attempt in [1, 2] {
            host.context().attempt = attempt;
            assert!(host.handle(review("[flaky]")).retry().reason.contains("busy"));
        }
        host.context().attempt = 3;
        host.handle(review("[flaky]")).done();
    }

    #[test]
    fn broken_never_passes() {
        let mut host = host();
        host.context().attempt = 99;
        assert_eq!(host.handle(review("[broken]")).retry().reason, "the moderation service does not answer");
    }

    #[test]
    fn spam_is_refused() {
        assert_eq!(host().handle(review("[spam]")).rejected().code, "spam");
    }

    #[test]
    fn stuck_passes_and_cannot_be_undone() {
        let mut host = host();
        let run = host.handle(review("[stuck]"));
        host.context().attempt = 99;
        assert_eq!(host.undo(&run, refusal()).retry().reason, "the moderation archive does not answer");
        assert_eq!(host.value("verdict/r-1/test-saga"), Some("approved".to_owned()));
    }
}
