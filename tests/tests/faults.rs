//! Plugins, limits and time go wrong. Goal: every fault ends as an error of that message, in words that help, and
//! deadlines and pivots do what the use case says. Method: the instrument is told to panic, hang and be slow.

use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::{INSTRUMENT_MANIFEST, Installation, instrument_address};
use serde_json::json;

#[test]
fn a_panic_stands_with_the_plugins_own_words() {
    let host = Host::start(Installation::with_instruments(&["one", "two"]));
    let id = host.api.start("play", &json!({"two": {"panic": "the drawer is stuck"}}));
    let saga = check::status(&host.api, &id, "failed");
    assert_eq!(saga["failure"]["kind"], "trap", "{saga:#}");
    assert!(
        saga["failure"]["reason"].as_str().is_some_and(|reason| reason.contains("the drawer is stuck")),
        "{saga:#}"
    );
    assert_eq!(check::call(&saga, 1, "handle")["attempts"], 2, "the budget for faults: {saga:#}");
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed", "the next saga is well");
}

#[test]
fn an_endless_loop_is_cut_at_its_time() {
    let installation = Installation::with_instruments(&["one"]);
    let manifest = INSTRUMENT_MANIFEST.replace("time = \"5s\"", "time = \"200ms\"");
    installation.manifest(&instrument_address("one"), &manifest);
    let host = Host::start(installation);
    let id = host.api.start("play", &json!({"one": {"hang": true}}));
    let saga = check::status(&host.api, &id, "failed");
    assert_eq!(saga["failure"]["kind"], "time-limit", "{saga:#}");
}

#[test]
fn an_exhausted_budget_compensates_if_the_use_case_says_so() {
    let installation = Installation::with_instruments(&["one", "two"]);
    installation.use_case("play", &["one", "two"], "on-exhausted = \"compensate\"");
    let host = Host::start(installation);
    let ended = host.api.run("play", &json!({"two": {"retry-until": 1_000}}));
    assert_eq!(ended["status"], "compensated", "{ended}");
    assert_eq!(ended["failure"]["kind"], "retry-exhausted", "{ended}");
}

#[test]
fn compensations_go_on_past_a_failed_one_if_the_use_case_says_so() {
    let installation = Installation::with_instruments(&["one", "two", "three"]);
    installation.use_case("play", &["one", "two", "three"], "on-compensation-failure = \"continue\"");
    let host = Host::start(installation);
    let id = host.api.start("play", &json!({"three": {"reject": "no"}, "two-undo": {"reject": "cannot"}}));
    let saga = check::until("it has ended", || {
        let saga = host.api.saga(&id);
        (saga["ended"] == true).then_some(saga)
    });
    assert_eq!(saga["status"], "compensation-failed", "{saga:#}");
    assert_eq!(check::path(&saga), "one done, two done, three rejected | two failed, one done");
}

#[test]
fn past_the_pivot_a_refusal_is_put_before_a_person_instead_of_undoing() {
    let installation = Installation::with_instruments(&["one", "two", "three"]);
    installation.use_case("play", &["one", "two", "three"], &format!("pivot = \"{}\"", instrument_address("two")));
    let host = Host::start(installation);
    let id = host.api.start("play", &json!({"three": {"reject": "too-late"}}));
    let saga = check::status(&host.api, &id, "failed");
    assert!(saga["steps"][1]["compensate"].is_null(), "{saga:#}");
    let turned = host.api.run("play", &json!({"two": {"reject": "no"}}));
    assert_eq!(turned["status"], "compensated", "the pivot itself may refuse: {turned}");
}

#[test]
fn a_deadline_turns_the_saga_round_wherever_its_message_lies() {
    let installation = Installation::with_instruments(&["one", "two"]);
    installation.use_case("play", &["one", "two"], "deadline = \"700ms\"");
    installation.use_case_of(
        "unserved",
        &[instrument_address("one"), "far.away.service".to_owned()],
        "deadline = \"700ms\"",
    );
    let host = Host::start(installation);
    let sagas = [
        ("waiting", host.api.start("play", &json!({"two": {"wait": "never"}}))),
        ("delayed", host.api.start("play", &json!({"one": {"spin-ms": 1_200}}))),
        ("unserved", host.api.start("unserved", &json!({}))),
    ];
    for (what, id) in sagas {
        let saga = check::status(&host.api, &id, "compensated");
        assert_eq!(saga["failure"]["kind"], "deadline", "{what}: {saga:#}");
        assert_eq!(saga["steps"][0]["compensate"]["state"], "done", "{what}: {saga:#}");
    }
}

#[test]
fn starts_are_refused_while_too_much_waits_and_taken_again_afterwards() {
    let installation = Installation::with_instruments(&[]);
    installation.use_case("play", &["absent"], "");
    installation.config("[limits]\nbacklog = 20\n");
    let host = Host::start(installation);
    let mut accepted = Vec::new();
    let refused = check::until("a start is refused", || {
        let answer = host.api.post("/v1/use-cases/play/sagas", &[], "{}").expect("the host is up");
        if answer.status == 202 {
            accepted.push(answer.body["global-id"].as_str().expect("an id").to_owned());
            return None;
        }
        Some(answer)
    });
    assert!(matches!(refused.status, 429 | 503), "{} {}", refused.status, refused.body);
    assert_eq!(refused.body["code"], "busy", "{}", refused.body);
    assert!(accepted.len() > 20, "only {} were accepted", accepted.len());

    host.installation.serve_instrument("absent");
    for id in &accepted {
        check::status(&host.api, id, "completed");
    }
    check::until("starts are taken again", || {
        let answer = host.api.post("/v1/use-cases/play/sagas", &[], "{}").expect("the host is up");
        (answer.status == 202).then_some(())
    });
}

/// Idle steps once held the permits of the host: with more of them than permits, nothing moved any more.
#[test]
fn many_idle_steps_do_not_starve_the_busy_one() {
    let names: Vec<String> = (0..12).map(|number| format!("s{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let installation = Installation::with_instruments(&names);
    installation.config("[limits]\nin-flight = 4\n");
    let host = Host::start(installation);
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
}

#[test]
fn an_emitted_event_leaves_once_and_only_with_a_done() {
    let host = Host::start(Installation::with_instruments(&["one", "two"]));
    host.api.run("play", &json!({"one": {"emit": "test.events"}}));
    let failed = host.api.start("play", &json!({"one": {"emit": "test.elsewhere"}}));
    check::status(&host.api, &failed, "failed");
    let topic = check::until("the event", || host.api.topic("test.events"));
    assert_eq!(topic["messages"], 1, "{topic}");
    assert!(host.api.topic("test.elsewhere").is_none_or(|topic| topic["messages"] == 0));
}

#[test]
fn oversize_and_malformed_starts_are_refused_with_a_code() {
    let host = Host::start(Installation::with_instruments(&["one"]));
    let post = |path: &str, body: &str| host.api.post(path, &[], body).expect("the host is up");
    let big = format!("{{\"x\":\"{}\"}}", "y".repeat(2 << 20));
    for (path, body, status, code) in [
        ("/v1/use-cases/play/sagas", "{", 400, "invalid-json"),
        ("/v1/use-cases/play/sagas", big.as_str(), 413, "too-large"),
        ("/v1/use-cases/nothing/sagas", "{}", 404, "unknown-use-case"),
        ("/v1/nothing", "{}", 404, "unknown-path"),
    ] {
        let answer = post(path, body);
        assert_eq!((answer.status, answer.body["code"].as_str()), (status, Some(code)), "{path}: {}", answer.body);
    }
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
}
