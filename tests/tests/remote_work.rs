//! Remote steps in a whole host. Goal: a step that workers run is a step like any other: order, refusal, waiting,
//! compensation, and once per saga whatever dies. Method: one remote step between two components, and workers that
//! are nothing but requests.

use std::time::Duration;

use saga_tests::api::{Answer, Api};
use saga_tests::check::{self, until};
use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use serde_json::{Value, json};

const ADDRESS: &str = "test.remote.pay";
const TOKEN: &str = "the-token-of-the-workers";
/// Of the token, as `sha256sum` prints it.
const HASH: &str = "6c34d314c792926b6be32979dd6cb0438cd9e227b24f95974d19b21f8baccae4";

fn host(lease: &str) -> Host {
    let installation = Installation::with_instruments(&["one", "two"]);
    let manifest = format!(
        "grants = [\"events\"]\n[events]\ntopics = [\"test.paid\"]\n[retry]\ninitial = \"10ms\"\n\
         [remote]\ntoken-sha256 = \"{HASH}\"\nlease = \"{lease}\"\n"
    );
    installation.manifest(ADDRESS, &manifest);
    let steps = [instrument_address("one"), ADDRESS.to_owned(), instrument_address("two")];
    installation.use_case_of("buy", &steps, "");
    Host::start(installation)
}

fn ask(api: &Api, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {TOKEN}");
    let path = format!("/v1/steps/{ADDRESS}/work{path}");
    api.post(&path, &[("authorization", &bearer)], &body.to_string()).expect("the host answers")
}

/// The next call that is there for a worker of this name.
fn take(api: &Api, worker: &str) -> Value {
    until("there is work", || {
        let answer = ask(api, "", &json!({"worker": worker, "max": 1, "wait-ms": 1000}));
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["work"].as_array().expect("a list").first().cloned()
    })
}

fn answer(api: &Api, work: &Value, answer: &Value) -> Answer {
    ask(api, &format!("/{}", work["lease"].as_str().expect("a lease")), answer)
}

fn accepted(api: &Api, work: &Value, what: &Value) {
    let answer = answer(api, work, what);
    assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(true)), "{}", answer.body);
}

fn attempts(saga: &Value, direction: &str) -> Value {
    check::call(saga, 1, direction)["attempts"].clone()
}

#[test]
fn a_saga_goes_through_a_worker_there_and_back() {
    let host = host("30s");
    let api = &host.api;
    // Nobody asks: the message waits, and the host says whom it waits for.
    let id = api.start("buy", &json!({"amount": 1}));
    until("it waits for a worker", || {
        let topics = api.ask("/v1/topics");
        let of_step = |topic: &&Value| topic["topic"] == format!("{ADDRESS}.in");
        let topic = topics["topics"].as_array().expect("a list").iter().find(of_step)?.clone();
        (topic["lag"] == 1 && topic["served-here"] == true).then_some(())
    });
    let work = take(api, "w-1");
    let context = &work["context"];
    assert_eq!((&context["global-id"], &context["direction"]), (&json!(id), &json!("handle")));
    assert_eq!(context["idempotency-key"], format!("{id}/handle/1"));
    assert_eq!((&context["use-case"], &context["attempt"]), (&json!("buy"), &json!(1)));
    let plugins = api.ask("/v1/plugins");
    let plugin = plugins["plugins"].as_array().expect("a list").iter().find(|one| one["address"] == ADDRESS);
    let workers = &plugin.expect("it is listed")["workers"];
    assert_eq!((&workers[0]["name"], &workers[0]["in-flight"]), (&json!("w-1"), &json!(1)));
    accepted(api, &work, &json!({"done": {"body": {"amount": 1, "paid": true}, "compensation": {"charge": 7}}}));
    let saga = check::status(api, &id, "completed");
    assert_eq!(saga["body"], json!({"amount": 1, "paid": true}));
    let twice = answer(api, &work, &json!({"retry": {}}));
    assert_eq!((twice.status, &twice.body["code"]), (409, &json!("lease-over")));

    // The step behind it refuses: the worker undoes what it did, with what it left.
    let id = api.start("buy", &json!({"two": {"reject": "sold-out"}}));
    let work = take(api, "w-1");
    let body = work["body"].clone();
    accepted(api, &work, &json!({"done": {"body": body, "compensation": {"charge": 8}}}));
    let work = take(api, "w-2");
    assert_eq!(work["context"]["direction"], "compensate");
    assert_eq!(work["context"]["failure"]["code"], "sold-out");
    assert_eq!(work["compensation-log"], json!({"charge": 8}));
    accepted(api, &work, &json!({"done": {"body": work["body"]}}));
    check::status(api, &id, "compensated");
}

#[test]
fn a_worker_can_refuse_fail_and_wait() {
    let host = host("30s");
    let api = &host.api;
    let id = api.start("buy", &json!({}));
    let refusal = json!({"rejected": {"code": "no-money", "reason": "the card is empty", "details": {"left": 1.10}}});
    accepted(api, &take(api, "w"), &refusal);
    let saga = check::status(api, &id, "compensated");
    assert_eq!((&saga["failure"]["code"], &saga["failure"]["address"]), (&json!("no-money"), &json!(ADDRESS)));

    let id = api.start("buy", &json!({}));
    accepted(api, &take(api, "w"), &json!({"retry": {"reason": "the bank is away", "after-ms": 20}}));
    let again = take(api, "w");
    assert_eq!((&again["context"]["global-id"], &again["context"]["attempt"]), (&json!(id), &json!(2)));
    accepted(api, &again, &json!({"wait": {"key": "customer/42", "reason": "is not known yet"}}));
    check::status(api, &id, "waiting");
    api.post("/v1/signals/customer%2F42", &[], "").expect("the host answers");
    let released = take(api, "w");
    assert_eq!(released["context"]["signalled"], "customer/42");
    let wrong = answer(api, &released, &json!({"done": {"body": 1, "events": [{"topic": "test.lost", "body": 1}]}}));
    assert_eq!((wrong.status, &wrong.body["code"]), (422, &json!("answer-refused")));
    accepted(api, &released, &json!({"done": {"body": {}, "events": [{"topic": "test.paid", "body": 1}]}}));
    let saga = check::status(api, &id, "completed");
    assert_eq!(attempts(&saga, "handle"), 2);
}

#[test]
fn a_call_whose_worker_or_host_dies_is_made_again_and_done_once() {
    let mut host = host("1s");
    let id = host.api.start("buy", &json!({}));
    let lost = take(&host.api, "w-1");
    // It says nothing: its lease runs out.
    let again = take(&host.api, "w-2");
    assert_eq!(again["context"]["attempt"], 2);
    assert_eq!(again["context"]["idempotency-key"], lost["context"]["idempotency-key"]);
    let late = answer(&host.api, &lost, &json!({"done": {"body": {"late": true}}}));
    assert_eq!((late.status, &late.body["code"]), (409, &json!("lease-over")));
    // The second one renews, and the host dies.
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(600));
        let renewed = answer(&host.api, &again, &json!({"renew": true}));
        assert_eq!((renewed.status, &renewed.body["lease-ms"]), (200, &json!(1000)));
    }
    host.kill();
    host.start_again();
    let forgotten = answer(&host.api, &again, &json!({"done": {"body": {"late": true}}}));
    assert_eq!(forgotten.status, 409, "{}", forgotten.body);
    let third = take(&host.api, "w-2");
    assert_eq!(third["context"]["idempotency-key"], lost["context"]["idempotency-key"]);
    accepted(&host.api, &third, &json!({"done": {"body": {"paid": true}}}));
    let saga = check::status(&host.api, &id, "completed");
    assert_eq!(saga["body"], json!({"paid": true}));
    assert_eq!(check::path(&saga), "one done, pay done, two done");
}

#[test]
fn a_host_with_a_token_of_its_own_opens_work_to_the_steps_token_only() {
    let mut host = host("30s");
    host.terminate();
    host.set_environment(&[("SAGA_TOKEN", "the-token-of-the-host")]);
    host.start_again();
    let empty = ask(&host.api, "", &json!({}));
    assert_eq!((empty.status, &empty.body["work"]), (200, &json!([])));
    let path = format!("/v1/steps/{ADDRESS}/work");
    for bearer in ["Bearer the-token-of-the-host", "Bearer ", "Basic x"] {
        let answer = host.api.post(&path, &[("authorization", bearer)], "{}").expect("the host answers");
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("unauthorized")), "{bearer}");
    }
    let other = host.api.post("/v1/plugins", &[("authorization", &format!("Bearer {TOKEN}"))], "").expect("an answer");
    assert_eq!(other.status, 401, "the step's token opens nothing else");
    let unknown = host.api.post("/v1/steps/test.remote.other/work", &[], "{}").expect("the host answers");
    assert_eq!((unknown.status, &unknown.body["code"]), (404, &json!("unknown-step")));
}
