//! Moderation fails in every way a step can fail. Goal: no review stays pending without a reason that `errors` shows.
//! Method: the marks of the example step make it fail for a while, for ever, in its compensation; an operator mends it.

use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use serde_json::{Value, json};

fn review(text: &str) -> Value {
    json!({"review-id": "r-1", "author": "ann", "text": text})
}

#[test]
fn a_review_that_moderation_fails_for_a_while_is_published_in_the_end() {
    let host = Host::start(Installation::with_examples(&["review"]));
    let ended = host.api.run("review", &review("[flaky] a good book"));
    assert_eq!(ended["status"], "completed", "{ended}");
    let saga = host.api.saga(ended["global-id"].as_str().expect("an id"));
    assert_eq!(check::call(&saga, 1, "handle")["attempts"], 3, "{saga:#}");
}

#[test]
fn a_refused_review_is_rejected_with_the_reason() {
    let host = Host::start(Installation::with_examples(&["review"]));
    let ended = host.api.run("review", &review("[spam] buy this"));
    assert_eq!(ended["status"], "compensated", "{ended}");
    let id = ended["global-id"].as_str().expect("an id");
    assert_eq!(check::path(&host.api.saga(id)), "create done, check rejected | create done");
    let reviews = check::bucket(&host, "review.reviews.create", Some("reviews"));
    let row = &reviews[&format!("r-1/{id}")];
    assert_eq!(row["status"], "rejected", "{row}");
    assert_eq!(row["reason"], "review r-1 is spam", "{row}");
}

#[test]
fn a_review_that_moderation_fails_for_ever_stands_in_errors_until_it_is_put_right() {
    let host = Host::start(Installation::with_examples(&["review"]));
    let id = host.api.start("review", &review("[broken] a good book"));
    let saga = check::status(&host.api, &id, "failed");
    assert_eq!(saga["failure"]["kind"], "retry-exhausted", "{saga:#}");
    assert_eq!(check::call(&saga, 1, "handle")["attempts"], 4, "the budget of the manifest: {saga:#}");

    let group = check::error_of(&host.api, &id);
    assert_eq!(group["use-case"], "review", "{group}");
    assert_eq!(group["step"], "review.moderation.check", "{group}");
    assert_eq!(group["reason"], "the moderation service does not answer", "{group}");
    let dead = check::until("the dead letter", || host.api.topic("review.moderation.check.error"));
    assert_eq!(dead["messages"], 1, "{dead}");

    // Not mended: a retry gives it a fresh budget and it stands again.
    host.api.act(&id, "retry", "maybe it is back");
    let again = check::until("it stands again", || {
        let saga = host.api.saga(&id);
        (saga["status"] == "failed" && saga["actions"].as_array().is_some_and(|acts| acts.len() == 1)).then_some(saga)
    });
    assert_eq!(again["actions"][0]["verb"], "retry");

    host.api.act(&id, "compensate", "give up on it");
    let saga = check::status(&host.api, &id, "compensated");
    assert_eq!(saga["steps"][0]["compensate"]["state"], "done", "{saga:#}");
    check::until("the group is gone", || host.api.errors().is_empty().then_some(()));
}

#[test]
fn an_undo_that_cannot_be_done_stops_the_ones_behind_it_until_it_is_skipped() {
    let host = Host::start(Installation::with_examples(&["review"]));
    let id = host.api.start("review", &review("[stuck] a good book"));
    let saga = check::status(&host.api, &id, "compensation-failed");
    assert_eq!(check::path(&saga), "create done, check done, publish rejected | check failed");
    assert_eq!(check::call(&saga, 1, "compensate")["attempts"], 6, "longer than a handle: {saga:#}");
    let group = check::error_of(&host.api, &id);
    assert_eq!(group["direction"], "compensate", "{group}");
    assert_eq!(group["reason"], "the moderation archive does not answer", "{group}");

    host.api.act(&id, "skip", "undone by hand");
    let saga = check::status(&host.api, &id, "compensated");
    assert_eq!(check::path(&saga), "create done, check done, publish rejected | check skipped, create done");
    let reviews = check::bucket(&host, "review.reviews.create", Some("reviews"));
    assert_eq!(reviews[&format!("r-1/{id}")]["status"], "rejected", "{reviews:?}");
}
