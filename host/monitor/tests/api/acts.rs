//! What a person does, to one saga and to a group.

use host_core::record::Verb;
use host_monitor::door::Refusal;
use serde_json::json;

use crate::host::Host;
use crate::records::{dead_lettered, id, started};

#[tokio::test]
async fn each_verb_reaches_the_door_with_who_and_why() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let body = b"{\"reason\":\"the bank is back\",\"who\":\"ana\"}";
    for verb in [Verb::Retry, Verb::Compensate, Verb::Skip, Verb::Close] {
        let reply = client.request("POST", &format!("/v1/sagas/a/{}", verb.as_str()), &[], body).await;
        let acted = reply.expect(202, "acted");
        assert_eq!(acted, json!({"global-id": "a", "verb": verb.as_str(), "dry-run": false}));
        let act = host.door.acts.lock().unwrap().pop().unwrap();
        assert_eq!((act.global_id, act.verb, act.dry_run), (id("a"), verb, false));
        assert_eq!((act.who.as_str(), act.reason.as_deref()), ("ana", Some("the bank is back")));
    }
}

#[tokio::test]
async fn every_field_of_an_act_may_be_absent() {
    let host = Host::start().await;
    for body in ["", "  \n", "{}", "{\"reason\":null,\"who\":null}", "{\"who\":\" \",\"reason\":\"\"}"] {
        host.post("/v1/sagas/a/retry", body).await.expect(202, "acted");
        let act = host.door.acts.lock().unwrap().pop().unwrap();
        assert_eq!((act.who.as_str(), act.reason), ("api", None), "{body:?}");
    }
}

#[tokio::test]
async fn a_dry_run_is_said_to_be_one() {
    let host = Host::start().await;
    let acted = host.post("/v1/sagas/a/close", "{\"dry-run\":true}").await.expect(200, "acted");
    assert_eq!(acted["dry-run"], true);
    assert!(host.door.acts.lock().unwrap()[0].dry_run);
}

#[tokio::test]
async fn an_act_that_cannot_be_read_or_done_is_refused() {
    let host = Host::start().await;
    for body in ["{\"why\":\"x\"}", "[]", "{\"dry-run\":\"yes\"}", "{"] {
        host.post("/v1/sagas/a/retry", body).await.problem(400, "invalid-json");
    }
    let long = format!("{{\"who\":\"{}\"}}", "x".repeat(300));
    host.post("/v1/sagas/a/retry", &long).await.problem(400, "invalid-parameter");
    host.post("/v1/sagas/%00/retry", "").await.problem(400, "invalid-parameter");
    host.post("/v1/sagas/a/retry", &format!("\"{}\"", "x".repeat(40_000))).await.problem(413, "too-large");
    host.post("/v1/sagas/a/explode", "").await.problem(404, "unknown-path");
    assert!(host.door.acts.lock().unwrap().is_empty());
    let refusals = [
        (Refusal::UnknownSaga(id("a")), 404, "unknown-saga"),
        (
            Refusal::WrongStatus { global_id: id("a"), status: "completed", verb: "retry", possible: "failed sagas" },
            409,
            "wrong-status",
        ),
    ];
    for (refusal, status, code) in refusals {
        *host.door.refusal.lock().unwrap() = Some(refusal);
        host.post("/v1/sagas/a/retry", "").await.problem(status, code);
    }
}

async fn group(host: &Host) -> String {
    let errors = host.get("/v1/errors").await.expect(200, "errors");
    errors["groups"][0]["group"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_group_is_acted_on_as_it_is_now_and_tells_who_would_not() {
    let host = Host::start().await;
    for name in ["a", "b", "c"] {
        host.commit(vec![started(name, "1"), dead_lettered(name, 0, "no answer")]).await;
    }
    let gone = Refusal::WrongStatus { global_id: id("b"), status: "running", verb: "retry", possible: "failed sagas" };
    host.door.act_refusals.lock().unwrap().push_back((id("b"), gone.clone()));
    let path = format!("/v1/errors/{}/retry", group(&host).await);
    let acted = host.post(&path, "{\"who\":\"ana\",\"reason\":\"cured\"}").await.expect(200, "group-acted");
    assert_eq!((&acted["matched"], &acted["accepted"], &acted["more"]), (&json!(3), &json!(2), &json!(false)));
    let refused = json!([{"global-id": "b", "code": "wrong-status", "reason": gone.to_string()}]);
    assert_eq!(acted["refused"], refused);
    let acts = host.door.acts.lock().unwrap();
    assert!(acts.iter().all(|act| act.verb == Verb::Retry && act.who == "ana" && !act.dry_run));
    let mut touched: Vec<_> = acts.iter().map(|act| act.global_id.to_string()).collect();
    touched.sort();
    assert_eq!(touched, ["a", "c"]);
}

#[tokio::test]
async fn every_verb_works_on_a_group_and_a_dry_run_reaches_each_member() {
    let host = Host::start().await;
    host.commit(vec![started("a", "1"), dead_lettered("a", 0, "no answer")]).await;
    let group = group(&host).await;
    for verb in ["retry", "compensate", "skip", "close"] {
        let reply = host.post(&format!("/v1/errors/{group}/{verb}"), "{\"dry-run\":true}").await;
        let acted = reply.expect(200, "group-acted");
        assert_eq!((&acted["accepted"], &acted["dry-run"]), (&json!(1), &json!(true)), "{verb}");
        let act = host.door.acts.lock().unwrap().pop().unwrap();
        assert_eq!((act.verb.as_str(), act.dry_run), (verb, true));
    }
}

#[tokio::test]
async fn a_group_in_which_nobody_stands_is_not_found() {
    let host = Host::start().await;
    for group in ["00c0ffee00c0ffee", "nonsense", "%2e%2e"] {
        host.post(&format!("/v1/errors/{group}/retry"), "").await.problem(404, "unknown-group");
    }
}
