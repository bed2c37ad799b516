//! Services that are not ours take part with nothing but the envelope. Goal: minimal messages start sagas, unknown next
//! steps get their messages, what cannot be read is put aside and nothing else stops. Method: publish by hand.

use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use serde_json::{Value, json};

fn host() -> Host {
    Host::start(Installation::with_instruments(&["one", "two", "three"]))
}

#[test]
fn the_minimal_message_starts_a_saga_and_its_own_fields_travel_along() {
    let host = host();
    let (one, two) = (instrument_address("one"), instrument_address("two"));
    let message = format!(
        r#"{{"meta":{{"trace":{{"b":1,"a":1.50}},"global-id":"gsm-1","steps":["{one}","{two}","far.away.service"]}},"body":{{"n":1.10}}}}"#
    );
    host.api.publish(&format!("{one}.in"), &message);
    let saga = check::until("it has come to the foreign step", || {
        let answer = host.api.get("/v1/sagas/gsm-1").ok().filter(|answer| answer.status == 200)?.body;
        (answer["steps"][1]["handle"]["state"] == "done").then_some(answer)
    });
    assert_eq!(saga["status"], "running", "{saga:#}");
    assert!(saga["use-case"].is_null(), "{saga:#}");
    let topic = check::until("the foreign step's topic", || host.api.topic("far.away.service.in"));
    assert_eq!((&topic["messages"], &topic["served-here"]), (&json!(1), &json!(false)), "{topic}");
}

#[test]
fn a_foreign_step_in_the_middle_hands_the_saga_back() {
    let host = host();
    let (one, three) = (instrument_address("one"), instrument_address("three"));
    let steps = json!([one, "far.away.service", three]);
    let start = json!({"meta": {"global-id": "mid-1", "steps": steps}, "body": {}}).to_string();
    host.api.publish(&format!("{one}.in"), &start);
    check::until("its message waits for the foreign service", || host.api.topic("far.away.service.in"));
    // The foreign service knows two fields and writes the message for the next stop.
    let handed_on = json!({"meta": {"global-id": "mid-1", "steps": steps}, "body": {}}).to_string();
    host.api.publish(&format!("{three}.in"), &handed_on);
    let saga = check::status(&host.api, "mid-1", "completed");
    assert_eq!(check::path(&saga), "one done, service done, three done");
}

#[test]
fn a_refusal_behind_a_foreign_step_asks_it_to_compensate_and_takes_its_answer() {
    let host = host();
    let (one, three) = (instrument_address("one"), instrument_address("three"));
    let steps = json!([one, "far.away.service", three]);
    let body = json!({"three": {"reject": "no"}});
    host.api.publish(
        &format!("{one}.in"),
        &json!({"meta": {"global-id": "b-1", "steps": steps}, "body": body}).to_string(),
    );
    check::until("its message waits for the foreign service", || host.api.topic("far.away.service.in"));
    host.api.publish(
        &format!("{three}.in"),
        &json!({"meta": {"global-id": "b-1", "steps": steps}, "body": body}).to_string(),
    );
    let topic = check::until("it is asked to compensate", || host.api.topic("far.away.service.compensate"));
    assert_eq!(topic["messages"], 1, "{topic}");
    let back = json!([three, "far.away.service", one]);
    host.api.publish(
        &format!("{one}.compensate"),
        &json!({"meta": {"global-id": "b-1", "steps": back}, "body": body}).to_string(),
    );
    let saga = check::status(&host.api, "b-1", "compensated");
    assert_eq!(saga["steps"][0]["compensate"]["state"], "done", "{saga:#}");
    assert_eq!(check::instrument_bucket(&host, &one)["undone/b-1"], 1);
}

#[test]
fn what_cannot_be_read_is_put_aside_with_its_reason_and_stops_nobody() {
    let host = host();
    let one = instrument_address("one");
    let other = instrument_address("two");
    let empty = host.api.try_publish(&format!("{one}.in"), "", b"");
    assert_eq!((empty.status, &empty.body["code"]), (400, &json!("invalid-json")), "nothing is no message");
    let broken = [
        " ".to_owned(),
        "not json".to_owned(),
        "{\"meta\":{}}".to_owned(),
        "[1,2,3]".to_owned(),
        json!({"meta": {"global-id": "", "steps": [one]}, "body": {}}).to_string(),
        json!({"meta": {"global-id": "x", "steps": []}, "body": {}}).to_string(),
        json!({"meta": {"global-id": "x", "steps": [other]}, "body": {}}).to_string(),
        json!({"meta": {"global-id": "x", "steps": [one], "position": 7}, "body": {}}).to_string(),
        json!({"meta": {"global-id": "x", "steps": [one, other, one]}, "body": {}}).to_string(),
        format!("{{\"meta\":{{\"global-id\":\"x\",\"steps\":[\"{one}\"]}},\"body\":{}", "[".repeat(5_000)),
    ];
    for message in &broken {
        host.api.publish(&format!("{one}.in"), message);
    }
    let ended = host.api.run("play", &json!({}));
    assert_eq!(ended["status"], "completed", "a message behind them: {ended}");
    let count = broken.len();
    let topic = check::until("all are on the error topic", || {
        host.api.topic(&format!("{one}.error")).filter(|topic| topic["messages"] == count)
    });
    assert_eq!(topic["dead-letters"], count, "{topic}");
    let undecodable = |group: &&Value| group["kind"] == "undecodable";
    // Groups follow the journal at a short distance.
    let groups = check::until("all are in the error groups", || {
        let groups = host.api.errors();
        let counts = groups.iter().filter(undecodable).filter_map(|group| group["count"].as_u64());
        let total: u64 = counts.sum();
        (usize::try_from(total) == Ok(count)).then_some(groups)
    });
    assert!(
        groups.iter().all(|group| group["reason"].as_str().is_some_and(|reason| !reason.is_empty())),
        "{groups:#?}"
    );
}

#[test]
fn a_step_that_comes_twice_is_told_apart_by_its_position() {
    let host = host();
    host.installation.use_case("twice", &["one", "two", "one"], "");
    check::until("the use case is in force", || {
        host.api.ask("/v1/use-cases").to_string().contains("twice").then_some(())
    });
    let ended = host.api.run("twice", &json!({}));
    assert_eq!(ended["status"], "completed", "{ended}");
    let id = ended["global-id"].as_str().expect("an id");
    assert_eq!(check::instrument_bucket(&host, &instrument_address("one"))[&format!("handled/{id}")], 2);
}

#[test]
fn a_trigger_topic_starts_sagas() {
    let installation = Installation::with_instruments(&["one"]);
    installation.use_case("triggered", &["one"], "trigger-topic = \"orders.placed\"");
    let host = Host::start(installation);
    host.api.publish("orders.placed", "{\"n\":1}");
    host.api.publish("orders.placed", "{\"n\":2}");
    check::until("two sagas have completed", || {
        (host.api.list("use-case=triggered&status=completed").len() == 2).then_some(())
    });
}
