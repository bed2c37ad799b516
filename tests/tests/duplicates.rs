//! The same thing said twice is done once. Goal: repeated starts and repeated messages change nothing. Method: start
//! with the same id and key, at once and one after the other; publish the same foreign message many times; count the
//! effects.

use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use serde_json::json;

const START: &str = "/v1/use-cases/play/sagas";

fn host() -> Host {
    Host::start(Installation::with_instruments(&["one", "two"]))
}

#[test]
fn a_start_that_is_repeated_with_its_id_or_key_is_the_same_saga() {
    let host = host();
    for (header, id) in [("global-id", "order-1"), ("idempotency-key", "order-2")] {
        for _ in 0..3 {
            let answer = host.api.post(START, &[(header, id), ("prefer", "wait=30")], "{}").expect("the host is up");
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert_eq!(answer.body["global-id"], id);
            assert_eq!(answer.body["status"], "completed");
        }
    }
    let counts = check::instrument_bucket(&host, &instrument_address("two"));
    assert_eq!((&counts["handled/order-1"], &counts["handled/order-2"]), (&json!(1), &json!(1)));
}

#[test]
fn many_starts_with_one_key_at_the_same_time_are_one_saga() {
    let host = host();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let answer = host.api.post(START, &[("idempotency-key", "same")], "{}").expect("the host is up");
                assert_eq!((answer.status, answer.body["global-id"].as_str()), (202, Some("same")), "{}", answer.body);
            });
        }
    });
    check::status(&host.api, "same", "completed");
    assert_eq!(check::instrument_bucket(&host, &instrument_address("one"))["handled/same"], 1);
}

#[test]
fn a_key_that_belongs_to_another_use_case_is_refused() {
    let host = host();
    host.installation.use_case("other", &["one"], "");
    check::until("the use case is in force", || {
        host.api.ask("/v1/use-cases").to_string().contains("other").then_some(())
    });
    host.api.post(START, &[("global-id", "mine")], "{}").expect("the host is up");
    let answer = host.api.post("/v1/use-cases/other/sagas", &[("global-id", "mine")], "{}").expect("the host is up");
    assert_eq!((answer.status, answer.body["code"].as_str()), (409, Some("global-id-taken")), "{}", answer.body);
}

#[test]
fn a_foreign_message_that_is_delivered_many_times_is_worked_on_once() {
    let host = host();
    let (one, two) = (instrument_address("one"), instrument_address("two"));
    let message = json!({"meta": {"global-id": "f-1", "steps": [one, two]}, "body": {}}).to_string();
    for _ in 0..5 {
        host.api.publish(&format!("{one}.in"), &message);
    }
    check::status(&host.api, "f-1", "completed");
    host.api.publish(&format!("{one}.in"), &message);
    let late = json!({"meta": {"global-id": "f-1", "steps": [one, two], "position": 1}, "body": {}}).to_string();
    host.api.publish(&format!("{two}.in"), &late);
    // A message behind them on both topics: when it is through, so are the copies.
    let last = json!({"meta": {"global-id": "f-2", "steps": [one, two]}, "body": {}}).to_string();
    host.api.publish(&format!("{one}.in"), &last);
    check::status(&host.api, "f-2", "completed");
    check::until("every copy was looked at", || {
        let empty = |topic: &str| host.api.topic(topic).is_none_or(|topic| topic["messages"] == 0);
        (empty(&format!("{one}.in")) && empty(&format!("{two}.in"))).then_some(())
    });
    for address in [&one, &two] {
        assert_eq!(check::instrument_bucket(&host, address)["handled/f-1"], 1, "{address}");
    }
    assert_eq!(host.api.saga("f-1")["status"], "completed");
}

#[test]
fn a_repeated_message_to_a_saga_that_waits_does_not_free_it() {
    let host = host();
    let one = instrument_address("one");
    let message = json!({"meta": {"global-id": "w-1", "steps": [one]}, "body": {"one": {"wait": "go"}}}).to_string();
    host.api.publish(&format!("{one}.in"), &message);
    check::status(&host.api, "w-1", "waiting");
    host.api.publish(&format!("{one}.in"), &message);
    let done = host.api.run("play", &json!({}));
    assert_eq!(done["status"], "completed", "a message behind the copy went through");
    assert_eq!(host.api.saga("w-1")["status"], "waiting");
    host.api.signal("go");
    check::status(&host.api, "w-1", "completed");
    assert_eq!(check::instrument_bucket(&host, &one)["handled/w-1"], 1);
}
