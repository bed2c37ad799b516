//! What a person can do to a saga. Goal: each act does what its page says, is recorded with who and why, and is refused
//! where it makes no sense. Method: the instrument is brought to stand, wait and run, then acted upon.

use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use serde_json::{Value, json};

/// A saga that stands at step two with `two` failing technically until it is told otherwise.
fn standing(host: &Host) -> String {
    let id = host.api.start("play", &json!({"two": {"retry-until": 1_000}}));
    check::status(&host.api, &id, "failed");
    id
}

fn host() -> Host {
    Host::start(Installation::with_instruments(&["one", "two", "three"]))
}

#[test]
fn skip_goes_on_without_the_effects_of_the_step() {
    let host = host();
    let id = standing(&host);
    host.api.act(&id, "skip", "done by hand");
    let saga = check::status(&host.api, &id, "completed");
    assert_eq!(check::path(&saga), "one done, two skipped, three done");
    let act = &saga["actions"][0];
    assert_eq!((&act["verb"], &act["who"], &act["reason"]), (&json!("skip"), &json!("tester"), &json!("done by hand")));
    assert!(check::instrument_bucket(&host, "test.instrument.two").is_empty());
}

#[test]
fn retry_goes_on_once_the_cause_is_mended() {
    let host = host();
    let id = host.api.start("play", &json!({"two": {"retry-while-mark": "first"}}));
    check::status(&host.api, &id, "failed");
    let address = instrument_address("two");
    host.installation.manifest(&address, &check::manifest_with_mark("second"));
    check::until("the mended setting is read", || {
        let told = host.api.run("play", &json!({"two": {"tell": "mark"}}));
        (told["body"]["two-told"] == "second").then_some(())
    });
    host.api.act(&id, "retry", "the setting was wrong");
    let saga = check::status(&host.api, &id, "completed");
    assert_eq!(check::path(&saga), "one done, two done, three done");
    assert_eq!(saga["actions"][0]["reason"], "the setting was wrong", "{saga:#}");
    assert_eq!(check::instrument_bucket(&host, &address)[&format!("handled/{id}")], 1);
}

#[test]
fn compensate_undoes_what_was_done_and_nothing_else() {
    let host = host();
    let id = standing(&host);
    host.api.act(&id, "compensate", "give up");
    let saga = check::status(&host.api, &id, "compensated");
    assert_eq!(check::path(&saga), "one done, two rejected | one done");
    assert_eq!(saga["failure"]["kind"], "operator", "{saga:#}");
}

#[test]
fn close_ends_the_saga_as_it_is() {
    let host = host();
    let id = standing(&host);
    host.api.act(&id, "close", "nobody wants it any more");
    let saga = check::status(&host.api, &id, "closed");
    assert!(saga["steps"][0]["compensate"].is_null(), "nothing was undone: {saga:#}");
    let late = host.api.try_act(&id, "retry", "after all");
    assert_eq!((late.status, late.body["code"].as_str()), (409, Some("wrong-status")), "{}", late.body);
}

#[test]
fn a_waiting_saga_can_be_turned_round() {
    let host = host();
    let id = host.api.start("play", &json!({"two": {"wait": "never"}}));
    check::status(&host.api, &id, "waiting");
    host.api.act(&id, "compensate", "it will not come");
    let saga = check::status(&host.api, &id, "compensated");
    assert_eq!(saga["steps"][0]["compensate"]["state"], "done", "{saga:#}");
    host.api.signal("never");
    assert_eq!(host.api.saga(&id)["status"], "compensated");
}

#[test]
fn an_act_on_a_saga_whose_message_is_out_meets_it_next() {
    let host = host();
    let id = host.api.start("play", &json!({"one": {"spin-ms": 1_500}, "two": {"wait": "never"}}));
    check::until("the call is under way", || {
        (host.api.topic("test.instrument.one.in")?["in-flight"] == 1).then_some(())
    });
    host.api.act(&id, "compensate", "stop it");
    let saga = check::status(&host.api, &id, "compensated");
    assert_eq!(check::path(&saga), "one done, two rejected | one done", "its answer was applied, then it turned round");
}

#[test]
fn acts_that_make_no_sense_are_refused_with_a_code() {
    let host = host();
    let done = host.api.run("play", &json!({}));
    let id = done["global-id"].as_str().expect("an id");
    for verb in ["retry", "compensate", "skip", "close"] {
        let refused = host.api.try_act(id, verb, "why not");
        assert_eq!((refused.status, refused.body["code"].as_str()), (409, Some("wrong-status")), "{}", refused.body);
    }
    let unknown = host.api.try_act("nobody", "retry", "why not");
    assert_eq!((unknown.status, unknown.body["code"].as_str()), (404, Some("unknown-saga")), "{}", unknown.body);
}

#[test]
fn a_dry_run_changes_nothing() {
    let host = host();
    let id = standing(&host);
    let path = format!("/v1/sagas/{id}/compensate");
    let answer = host.api.post(&path, &[], r#"{"dry-run":true}"#).expect("the host is up");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let saga = host.api.saga(&id);
    assert_eq!((&saga["status"], &saga["actions"]), (&json!("failed"), &json!([])), "{saga:#}");
}

#[test]
fn a_group_is_retried_as_one_when_its_cause_is_mended() {
    let host = host();
    let ids: Vec<String> = (0..5)
        .map(|_| host.api.start("play", &json!({"two": {"reject": "x"}, "one-undo": {"panic": "no archive"}})))
        .collect();
    for id in &ids {
        check::status(&host.api, id, "compensation-failed");
    }
    let group = check::until("one group of five", || host.api.errors().into_iter().find(|group| group["count"] == 5));
    assert_eq!(group["kind"], "trap", "{group}");
    assert!(
        group["reason"].as_str().is_some_and(|reason| reason.contains("no archive")),
        "the plugin's own words: {group}"
    );
    let act = |verb: &str, dry: bool| -> Value {
        let path = format!("/v1/errors/{}/{verb}", group["group"].as_str().expect("a group has an id"));
        let body = json!({"who": "tester", "reason": "mended", "dry-run": dry});
        let answer = host.api.post(&path, &[], &body.to_string()).expect("the host is up");
        assert!((200..300).contains(&answer.status), "{}", answer.body);
        answer.body
    };
    assert_eq!(act("retry", true)["matched"], 5);
    assert_eq!(act("retry", false)["accepted"], 5);
    for id in &ids {
        check::until("it was retried and stands again", || {
            let saga = host.api.saga(id);
            (saga["status"] == "compensation-failed" && saga["actions"][0]["verb"] == "retry").then_some(())
        });
    }
}
