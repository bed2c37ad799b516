//! `POST /v1/use-cases/{name}/sagas`: what is started, what is answered, and that no end is missed.

use std::time::Duration;

use host_core::record::EndStatus;
use host_monitor::door::Refusal;
use serde_json::{Value, json};

use crate::host::{Host, LONG};
use crate::records::{completed, dead_lettered, done, ended, id, rejected, started, started_by};

const PATH: &str = "/v1/use-cases/shop/sagas";

#[tokio::test]
async fn a_start_is_accepted_with_the_id_under_which_it_can_be_asked_for() {
    let host = Host::start().await;
    let reply = host.post(PATH, "{\"order-id\":\"o-1\"}").await;
    let value = reply.expect(202, "started");
    assert_eq!(value["status"], "running");
    let global_id = value["global-id"].as_str().unwrap();
    assert_eq!(reply.headers["location"], format!("/v1/sagas/{global_id}"));
    assert_eq!(global_id.len(), 36, "a UUID: {global_id}");
    let saga = host.get(&reply.headers["location"]).await.expect(200, "saga");
    assert_eq!((&saga["status"], &saga["body"]["order-id"]), (&json!("running"), &json!("o-1")));
}

#[tokio::test]
async fn the_body_is_passed_on_to_the_byte_and_so_is_the_trace() {
    let host = Host::start().await;
    let body = "{\"b\":1.10, \"a\":9007199254740993}";
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let headers = [("traceparent", trace), ("tracestate", "vendor=1"), ("content-type", "application/json")];
    host.client().await.request("POST", PATH, &headers, format!(" {body}\n").as_bytes()).await.expect(202, "started");
    let start = host.door.starts.lock().unwrap()[0].clone();
    assert_eq!(start.body.as_str(), body);
    assert_eq!(start.traceparent.as_deref(), Some(trace));
    assert_eq!(start.tracestate.as_deref(), Some("vendor=1"));
    assert!(start.minted && start.global_id.is_some());
}

#[tokio::test]
async fn the_same_key_is_the_same_saga() {
    let host = Host::start().await;
    let mut client = host.client().await;
    for (name, value, expected) in [
        ("global-id", "order-1", "order-1"),
        ("Idempotency-Key", "order-1", "order-1"),
        ("idempotency-key", "\"order-1\"", "order-1"),
    ] {
        let reply = client.request("POST", PATH, &[(name, value)], b"{}").await;
        assert_eq!(reply.expect(202, "started")["global-id"], expected);
    }
    let starts = host.door.starts.lock().unwrap();
    assert!(starts.iter().all(|start| start.global_id == Some(id("order-1")) && !start.minted));
}

#[tokio::test]
async fn a_repeated_start_answers_what_became_of_the_saga() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.request("POST", PATH, &[("global-id", "a")], b"{}").await.expect(202, "started");
    host.commit(vec![done("a", 0, "1"), done("a", 1, "2"), done("a", 2, "3")]).await;
    host.commit(vec![ended("a", 2, EndStatus::Completed)]).await;
    let again = client.request("POST", PATH, &[("global-id", "a")], b"{}").await;
    assert_eq!(again.expect(202, "started")["status"], "completed");
    let waited = client.request("POST", PATH, &[("global-id", "a"), ("prefer", "wait=5")], b"{}").await;
    assert_eq!(waited.expect(200, "outcome")["body"], 3);
}

#[tokio::test]
async fn an_id_of_another_use_case_is_not_answered_with_its_saga() {
    let host = Host::start().await;
    host.client().await.request("POST", "/v1/use-cases/review/sagas", &[("global-id", "a")], b"{}").await;
    let reply = host.client().await.request("POST", PATH, &[("global-id", "a")], b"{}").await;
    let problem = reply.problem(409, "global-id-taken");
    assert!(problem["detail"].as_str().unwrap().contains("review"), "{problem}");
}

#[tokio::test]
async fn whoever_prefers_to_wait_gets_the_sagas_own_outcome() {
    let host = Host::start().await;
    host.door.after_start(|global_id| vec![completed(global_id.as_str(), "{\"paid\":true}").split_off(1)]);
    let reply = host.client().await.request("POST", PATH, &[("prefer", "wait=30")], b"{}").await;
    let outcome = reply.expect(200, "outcome");
    assert_eq!((&outcome["status"], &outcome["body"]), (&json!("completed"), &json!({"paid": true})));
    assert_eq!(outcome["failure"], Value::Null);
    assert_eq!(reply.headers["preference-applied"], "wait=30");
}

#[tokio::test]
async fn a_compensated_saga_is_an_outcome_with_its_failure() {
    let host = Host::start().await;
    host.door.after_start(|id| {
        let id = id.as_str();
        vec![vec![done(id, 0, "{\"at\":1}"), rejected(id, 1, "sold out")], vec![ended(id, 0, EndStatus::Compensated)]]
    });
    let reply = host.client().await.request("POST", PATH, &[("prefer", "wait=30")], b"{}").await;
    let outcome = reply.expect(200, "outcome");
    assert_eq!((&outcome["status"], &outcome["body"]), (&json!("compensated"), &json!({"at": 1})));
    assert_eq!(outcome["failure"]["reason"], "sold out");
    assert_eq!(outcome["failure"]["kind"], "rejected");
}

#[tokio::test]
async fn a_dead_letter_ends_the_wait() {
    let host = Host::start().await;
    host.door.after_start(|id| vec![vec![dead_lettered(id.as_str(), 0, "no answer")]]);
    let reply = host.client().await.request("POST", PATH, &[("prefer", "wait=30")], b"{\"n\":1}").await;
    let outcome = reply.expect(200, "outcome");
    assert_eq!((&outcome["status"], &outcome["body"]), (&json!("failed"), &json!({"n": 1})));
    assert_eq!(outcome["failure"]["code"], "retry-exhausted");
}

#[tokio::test]
async fn a_saga_that_does_not_end_in_time_is_accepted() {
    let host = Host::start().await;
    host.door.after_start(|id| vec![vec![done(id.as_str(), 0, "1")]]);
    let reply = host.client().await.request("POST", PATH, &[("prefer", "wait=0.02")], b"{}").await;
    assert_eq!(reply.expect(202, "started")["status"], "running");
    assert_eq!(reply.headers["preference-applied"], "wait=0.02");
}

#[tokio::test]
async fn no_wait_is_longer_than_the_bound() {
    let host = Host::limited(|limits| limits.wait_max = Duration::from_millis(20)).await;
    let reply = host.client().await.request("POST", PATH, &[("prefer", "wait=86400")], b"{}").await;
    reply.expect(202, "started");
    assert_eq!(reply.headers["preference-applied"], "wait=0.02");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_wait_at_once_each_gets_its_own_outcome() {
    const CLIENTS: usize = 64;
    const STARTS: usize = 8;
    let host = Host::start().await;
    // Every second saga ends with its start's own batch already behind it, every third in pieces.
    host.door.after_start(|id| {
        let rest = completed(id.as_str(), &format!("\"{id}\"")).split_off(1);
        if id.as_str().ends_with('3') { rest.into_iter().map(|record| vec![record]).collect() } else { vec![rest] }
    });
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let mut connection = host.client().await;
        clients.spawn(async move {
            for number in 0..STARTS {
                let named = format!("{client}-{number}");
                let mut headers = vec![("prefer", "wait=60")];
                if number % 2 == 0 {
                    headers.push(("global-id", &named));
                }
                let outcome = connection.request("POST", PATH, &headers, b"{}").await.expect(200, "outcome");
                assert_eq!(outcome["body"], outcome["global-id"], "its own body");
                assert_eq!(outcome["status"], "completed");
            }
        });
    }
    tokio::time::timeout(LONG, clients.join_all()).await.expect("no end is missed");
    let metrics = host.get("/metrics").await;
    assert!(metrics.text().contains("\nsaga_waiters 0\n"), "{}", metrics.text());
}

#[tokio::test]
async fn inside_the_process_one_can_wait_for_a_saga_that_is_old_new_or_unborn() {
    let host = Host::start().await;
    host.commit(completed("old", "1")).await;
    host.commit(vec![started("new", "{}")]).await;
    assert_eq!(host.handle.wait(&id("old"), LONG).await.unwrap().unwrap().body.as_str(), "1");
    assert_eq!(host.handle.wait(&id("new"), Duration::ZERO).await.unwrap(), None);
    let (new, unborn) = (id("new"), id("unborn"));
    let (new, unborn, ()) = tokio::join!(host.handle.wait(&new, LONG), host.handle.wait(&unborn, LONG), async {
        host.commit(completed("new", "2").split_off(1)).await;
        host.commit(completed("unborn", "3")).await;
    });
    assert_eq!(new.unwrap().unwrap().body.as_str(), "2");
    assert_eq!(unborn.unwrap().unwrap().body.as_str(), "3");
}

#[tokio::test]
async fn a_dead_letter_that_was_acted_on_is_waited_past() {
    let host = Host::start().await;
    host.commit(vec![started("a", "{}"), dead_lettered("a", 0, "no answer")]).await;
    assert_eq!(host.handle.wait(&id("a"), LONG).await.unwrap().unwrap().status.as_str(), "failed");
    let acted =
        host_core::record::Event::Acted { verb: host_core::record::Verb::Retry, who: "ana".to_owned(), reason: None };
    host.commit(vec![crate::records::record("a", 0, acted)]).await;
    assert_eq!(host.handle.wait(&id("a"), Duration::ZERO).await.unwrap(), None);
}

#[tokio::test]
async fn each_refusal_has_its_status_and_code() {
    let host = Host::start().await;
    let name = || host_core::id::UseCaseName::try_new("shop").unwrap();
    let refusals = [
        (Refusal::UnknownUseCase(name()), 404, "unknown-use-case"),
        (Refusal::BodyRefused { use_case: name(), problem: "no amount".to_owned() }, 422, "body-refused"),
        (Refusal::TooLarge { what: "body", bytes_max: 10 }, 413, "too-large"),
        (Refusal::Busy { backlog: 7 }, 503, "busy"),
    ];
    for (refusal, status, code) in refusals {
        let text = refusal.to_string();
        *host.door.refusal.lock().unwrap() = Some(refusal);
        let reply = host.client().await.request("POST", PATH, &[("prefer", "wait=60")], b"{}").await;
        assert_eq!(reply.problem(status, code)["detail"], text);
        assert_eq!(reply.headers.contains_key("retry-after"), status == 503, "{code}");
    }
}

#[tokio::test]
async fn why_the_host_is_not_ready_stays_inside() {
    let host = Host::start().await;
    *host.door.refusal.lock().unwrap() = Some(Refusal::NotReady("cannot write /var/lib/saga/journal".to_owned()));
    let problem = host.post(PATH, "{}").await.problem(503, "not-ready");
    assert!(!problem.to_string().contains("/var"), "{problem}");
}

#[tokio::test]
async fn what_is_no_start_is_refused_before_the_door() {
    let host = Host::start().await;
    let mut client = host.client().await;
    for body in ["", "{", "{} {}", "{'a':1}", "\u{feff}{}"] {
        client.request("POST", PATH, &[], body.as_bytes()).await.problem(400, "invalid-json");
    }
    client.request("POST", PATH, &[], b"\"\xff\"").await.problem(400, "invalid-json");
    client.request("POST", "/v1/use-cases/Shop/sagas", &[], b"{}").await.problem(400, "invalid-parameter");
    let headers = [("global-id", "a"), ("idempotency-key", "b")];
    client.request("POST", PATH, &headers, b"{}").await.problem(400, "invalid-parameter");
    client.request("POST", PATH, &[("global-id", &"x".repeat(129))], b"{}").await.problem(400, "invalid-parameter");
    for headers in [[("content-type", "application/xml")], [("content-encoding", "gzip")]] {
        client.request("POST", PATH, &headers, b"{}").await.problem(415, "unsupported-media-type");
    }
    assert!(host.door.starts.lock().unwrap().is_empty());
    for accepted in ["application/json; charset=utf-8", "application/x-www-form-urlencoded", "application/vnd.x+json"] {
        client.request("POST", PATH, &[("content-type", accepted)], b"{}").await.expect(202, "started");
    }
}

#[tokio::test]
async fn a_saga_without_a_use_case_is_another_ones() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.request("POST", PATH, &[("global-id", "a")], b"{}").await.expect(202, "started");
    let mut foreign = started_by("shop", "b");
    foreign.use_case = None;
    host.commit(vec![foreign]).await;
    host.door.know(&id("b"));
    client.request("POST", PATH, &[("global-id", "b")], b"{}").await.problem(409, "global-id-taken");
}
