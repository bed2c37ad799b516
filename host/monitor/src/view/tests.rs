//! The shapes against the contract's section 8, key by key.

use std::sync::Arc;
use std::time::Duration;

use host_broker::{ConsumerState, TopicState};
use host_core::envelope::UseCaseRef;
use host_core::failure::FailureKind;
use host_core::id::{Digest, Direction, Position};
use host_core::record::{EndStatus, Event, Verb};
use host_core::saga;
use host_core::use_case::{Policy, UseCase};
use serde_json::{Value, json};

use super::*;
use crate::door::{self, PluginState, ServingState};
use crate::samples;

fn value(shape: &impl Serialize) -> Value {
    serde_json::to_value(shape).expect("a shape is JSON")
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn failure() -> Failure {
    Failure {
        position: Position(1),
        address: samples::step("two"),
        direction: Direction::Handle,
        kind: FailureKind::RetryExhausted,
        code: "retry-exhausted".to_owned(),
        reason: "no answer".to_owned(),
        at: Timestamp::from_ms(1_795_000_000_123),
    }
}

#[test]
fn a_saga_has_the_contracts_keys_in_the_contracts_order() {
    let wait = Event::Waiting {
        key: WaitKey::try_new("customer-42").expect("a key"),
        reason: "not registered".to_owned(),
        until: Timestamp::from_ms(1_795_000_060_000),
    };
    let acted = Event::Acted { verb: Verb::Retry, who: "ana".to_owned(), reason: Some("now".to_owned()) };
    let mut done = samples::done("order-1", 0, "{\"amount\":1.10}");
    done.digest = Some(Digest([7; 32]));
    let records =
        [samples::started("order-1"), done, samples::record("order-1", 1, acted), samples::record("order-1", 1, wait)];
    let saga = saga::Saga::fold(&records).expect("records");
    let value = value(&view(&saga));
    let expected = [
        "global-id",
        "use-case",
        "use-case-version",
        "status",
        "ended",
        "started-at",
        "updated-at",
        "deadline",
        "steps",
        "failure",
        "waiting",
        "retry-at",
        "actions",
        "body",
    ];
    assert_eq!(keys(&value), expected);
    assert_eq!(value["use-case"], "shop");
    assert_eq!(value["status"], "waiting");
    assert_eq!(value["started-at"], "2026-11-18T11:06:40.000Z");
    let call = ["state", "attempts", "digest", "started-at", "ended-at", "code", "reason"];
    assert_eq!(keys(&value["steps"][0]), ["position", "address", "handle", "compensate"]);
    assert_eq!(keys(&value["steps"][0]["handle"]), call);
    assert_eq!(value["steps"][0]["handle"]["state"], "done");
    assert_eq!(value["steps"][0]["handle"]["digest"], Digest([7; 32]).to_string());
    assert_eq!(value["steps"][0]["compensate"], Value::Null);
    assert_eq!(value["steps"][2]["handle"]["state"], "not-reached");
    assert_eq!(keys(&value["waiting"]), ["key", "reason", "since", "until"]);
    assert_eq!(keys(&value["actions"][0]), ["verb", "who", "reason", "at"]);
    let text = serde_json::to_string(&view(&saga)).expect("a shape is JSON");
    assert!(text.ends_with("\"body\":{\"amount\":1.10}}"), "the body is passed through to the byte: {text}");
}

fn view(saga: &saga::Saga) -> Saga<'_> {
    Saga::from(saga)
}

#[test]
fn a_failure_reads_the_same_everywhere() {
    let outcome = waiters::Outcome {
        global_id: GlobalId::try_new("order-1").expect("an id"),
        status: saga::Status::Compensated,
        body: samples::json("{}"),
        failure: Some(failure()),
    };
    let expected = json!({
        "global-id": "order-1",
        "status": "compensated",
        "body": {},
        "failure": {
            "position": 1, "address": "shop.test.two", "direction": "handle", "kind": "retry-exhausted",
            "code": "retry-exhausted", "reason": "no answer", "at": "2026-11-18T11:06:40.123Z",
        },
    });
    assert_eq!(value(&Outcome::from(&outcome)), expected);
}

#[test]
fn a_record_has_the_contracts_keys_in_the_contracts_order() {
    let rejected = samples::record("order-1", 1, Event::Rejected { failure: failure(), details: None });
    let mut text = Vec::new();
    Record::from(&rejected).write_into(&mut text);
    let expected = "{\"global-id\":\"order-1\",\"message-id\":\"order-1/handle/1\",\"position\":1,\
        \"address\":\"shop.test.two\",\"direction\":\"handle\",\"event\":\"rejected\",\
        \"at\":\"2026-11-18T11:06:40.000Z\",\"digest\":null,\"attempt\":1,\"code\":\"retry-exhausted\",\
        \"reason\":\"no answer\",\"use-case\":\"shop\"}";
    assert_eq!(String::from_utf8(text).expect("UTF-8"), expected);
    let ended = samples::record("order-1", 1, Event::Ended { status: EndStatus::Closed });
    assert_eq!(value(&Record::from(&ended))["event"], "ended");
}

#[test]
fn a_group_has_the_contracts_keys_in_the_contracts_order() {
    let group = ErrorGroup {
        group: host_store::GroupId::new("00c0ffee00c0ffee"),
        use_case: None,
        step: samples::step("one"),
        direction: Direction::Compensate,
        kind: "trap".to_owned(),
        code: "trap".to_owned(),
        reason: "it broke".to_owned(),
        count: 3,
        first_at: Timestamp::MIN,
        last_at: Timestamp::MIN,
        examples: vec![GlobalId::try_new("order-1").expect("an id")],
    };
    let value = value(&Errors::from(&Page { items: vec![group], next_cursor: Some("c".to_owned()) }));
    assert_eq!(keys(&value), ["groups", "next-cursor"]);
    let expected = [
        "group",
        "use-case",
        "step",
        "direction",
        "kind",
        "code",
        "reason",
        "count",
        "first-at",
        "last-at",
        "examples",
    ];
    assert_eq!(keys(&value["groups"][0]), expected);
    assert_eq!(value["groups"][0]["direction"], "compensate");
}

fn plugin(step: &str, state: ServingState) -> PluginState {
    PluginState {
        address: samples::step(step).to_string(),
        digest: None,
        state,
        since: Timestamp::MIN,
        grants: vec!["keyvalue".to_owned()],
        reason: None,
        in_flight_count: 2,
        wasm_bytes: 10,
        compile_time: Some(Duration::from_millis(7)),
        workers: None,
    }
}

fn shop() -> door::UseCases {
    let definition = UseCase {
        name: UseCaseName::try_new("shop").expect("a name"),
        version: 3,
        owner: "team".to_owned(),
        description: String::new(),
        steps: Arc::from(["one", "two"].map(samples::step)),
        policy: Policy { pivot: Some(Position(1)), ..Policy::default() },
        deadline: Some(Duration::from_secs(30)),
        trigger_topic: Some(TopicName::try_new("orders").expect("a name")),
        body_schema: None,
    };
    assert_eq!(definition.reference(), UseCaseRef { name: definition.name.clone(), version: 3 });
    door::UseCases { definitions: vec![Arc::new(definition)], problems: vec!["x.toml: broken".to_owned()] }
}

#[test]
fn plugins_have_the_contracts_keys_and_stand_in_order() {
    let plugins = vec![plugin("two", ServingState::Draining), plugin("one", ServingState::Serving)];
    let value = value(&Plugins::from(plugins));
    let first = &value["plugins"][0];
    assert_eq!(first["address"], "shop.test.one");
    assert_eq!(keys(first)[..6], ["address", "digest", "state", "since", "grants", "reason"]);
    assert_eq!((&first["state"], &value["plugins"][1]["state"]), (&json!("serving"), &json!("draining")));
}

#[test]
fn a_definition_tells_which_of_its_steps_nobody_serves_here() {
    let plugins = [plugin("one", ServingState::Serving), plugin("two", ServingState::Rejected)];
    let value = value(&UseCases::new(&shop(), &plugins));
    let expected = json!({
        "use-cases": [{
            "name": "shop", "version": 3, "owner": "team", "description": "",
            "steps": ["shop.test.one", "shop.test.two"], "pivot": "shop.test.two", "deadline": "30s",
            "on-exhausted": "error", "on-compensation-failure": "stop", "trigger-topic": "orders",
            "body-schema": null, "not-served-here": ["shop.test.two"],
        }],
        "problems": ["x.toml: broken"],
    });
    assert_eq!(value, expected);
}

#[test]
fn topics_show_dangling_steps_lag_and_dead_letters() {
    let state = |topic: &str, message_count, consumers| TopicState {
        topic: TopicName::try_new(topic).expect("a name"),
        message_count,
        delayed_count: 1,
        consumers,
        oldest_at: None,
    };
    let consumers = vec![ConsumerState { group: "step".to_owned(), in_flight_count: 4, lag: 9 }];
    let states = vec![
        state("shop.test.one.in", 9, consumers),
        state("shop.test.two.in", 5, Vec::new()),
        state("shop.test.two.error", 2, Vec::new()),
        state("news", 8, Vec::new()),
    ];
    let value = value(&Topics::new(states, &shop(), &[plugin("one", ServingState::Serving)]));
    let topic = |name: &str| {
        let all = value["topics"].as_array().expect("topics");
        all.iter().find(|topic| topic["topic"] == name).unwrap_or_else(|| panic!("{name} is missing")).clone()
    };
    let one = topic("shop.test.one.in");
    assert_eq!((&one["served-here"], &one["lag"], &one["in-flight"]), (&json!(true), &json!(9), &json!(4)));
    assert_eq!(one["use-cases"], json!(["shop"]));
    let two = topic("shop.test.two.in");
    assert_eq!((&two["served-here"], &two["lag"], &two["dead-letters"]), (&json!(false), &json!(5), &json!(2)));
    assert_eq!(topic("shop.test.two.compensate")["served-here"], false, "nothing was ever published there");
    let news = topic("news");
    assert_eq!((&news["step"], &news["served-here"], &news["lag"]), (&Value::Null, &Value::Null, &json!(0)));
    assert_eq!(topic("orders")["use-cases"], json!(["shop"]), "the topic that triggers it");
    assert_eq!(value["topics"].as_array().map(Vec::len), Some(7));
}
