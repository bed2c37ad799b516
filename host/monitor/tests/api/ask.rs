//! What can be asked: one saga, many, causes, what is loaded, defined and queued, numbers, and the way on.

use std::collections::BTreeSet;
use std::sync::Arc;

use host_broker::TopicState;
use host_core::id::{Digest, TopicName, UseCaseName, WaitKey};
use host_core::record::{EndStatus, Event};
use host_core::time::Timestamp;
use host_core::use_case::{Policy, UseCase};
use host_monitor::Code;
use host_monitor::door::{PluginState, Readiness, Sample, SampleKind, ServingState, UseCases};
use serde_json::{Value, json};

use crate::host::Host;
use crate::records::{BEGAN_MS, completed, dead_lettered, done, ended, record, rejected, started, started_by, step};

#[tokio::test]
async fn a_saga_is_shown_step_by_step() {
    let host = Host::start().await;
    let key = WaitKey::try_new("customer-42").unwrap();
    let until = Timestamp::from_ms(BEGAN_MS + 60_000);
    let waiting = Event::Waiting { key, reason: "not registered".to_owned(), until };
    host.commit(vec![started("order/1 é", "{\"n\":1}"), done("order/1 é", 0, "2")]).await;
    host.commit(vec![record("order/1 é", 1, waiting)]).await;
    let saga = host.get("/v1/sagas/order%2F1%20%C3%A9").await.expect(200, "saga");
    assert_eq!(saga["global-id"], "order/1 é");
    assert_eq!((&saga["use-case"], &saga["use-case-version"]), (&json!("shop"), &json!(2)));
    assert_eq!((&saga["status"], &saga["ended"]), (&json!("waiting"), &json!(false)));
    let states: Vec<_> = saga["steps"].as_array().unwrap().iter().map(|step| &step["handle"]["state"]).collect();
    assert_eq!(states, ["done", "waiting", "not-reached"]);
    assert_eq!(saga["steps"][1]["address"], "shop.stock.reserve");
    assert_eq!(saga["waiting"]["key"], "customer-42");
    assert_eq!(saga["body"], 2);
}

#[tokio::test]
async fn a_saga_that_is_not_there_is_not_found() {
    let host = Host::start().await;
    let problem = host.get("/v1/sagas/nobody").await.problem(404, "unknown-saga");
    assert_eq!(problem["detail"], "there is no saga nobody");
    host.get("/v1/sagas/%0a").await.problem(400, "invalid-parameter");
    host.get("/v1/sagas/%ff").await.problem(400, "invalid-parameter");
}

async fn ids(host: &Host, query: &str) -> BTreeSet<String> {
    let list = host.get(&format!("/v1/sagas{query}")).await.expect(200, "list");
    let ids = list["sagas"].as_array().unwrap().iter().map(|saga| saga["global-id"].as_str().unwrap().to_owned());
    ids.collect()
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn sagas_are_listed_by_what_they_are() {
    let host = Host::start().await;
    host.commit(vec![started("a", "{}"), done("a", 0, "1")]).await;
    host.commit(completed("b", "1")).await;
    host.commit(vec![started_by("review", "c"), dead_lettered("c", 0, "no answer")]).await;
    assert_eq!(ids(&host, "").await, set(&["a", "b", "c"]));
    assert_eq!(ids(&host, "?status=completed").await, set(&["b"]));
    assert_eq!(ids(&host, "?status=failed&use-case=review").await, set(&["c"]));
    assert_eq!(ids(&host, "?status=failed&use-case=shop").await, set(&[]));
    assert_eq!(ids(&host, "?step=shop.stock.reserve").await, set(&["a"]));
    assert_eq!(ids(&host, "?use-case=&status=&step=&since=&cursor=").await, set(&["a", "b", "c"]), "empty is absent");
    assert_eq!(ids(&host, "?since=2026-01-01T00:00:00Z").await, set(&["a", "b", "c"]));
    assert_eq!(ids(&host, "?since=2050-01-01T00:00:00%2B02:00").await, set(&[]));
    let line = host.get("/v1/sagas?status=completed").await.json()["sagas"][0].clone();
    let expected = ["global-id", "use-case", "status", "step", "started-at", "updated-at"];
    assert_eq!(line.as_object().unwrap().keys().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn pages_hold_every_saga_once() {
    let host = Host::start().await;
    for number in 0..25 {
        let status = if number % 5 == 0 {
            completed(&format!("s{number}"), "1")
        } else {
            vec![started(&format!("s{number}"), "1")]
        };
        host.commit(status).await;
    }
    for (filter, total) in [("", 25), ("&status=completed", 5), ("&status=running", 20)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = host.get(&format!("/v1/sagas?limit=4{filter}&cursor={cursor}")).await.expect(200, "list");
            let sagas = page["sagas"].as_array().unwrap();
            assert!(sagas.len() <= 4);
            seen.extend(sagas.iter().map(|saga| saga["global-id"].as_str().unwrap().to_owned()));
            match page["next-cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen.len(), total, "{filter}: {seen:?}");
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), total, "{filter}: {seen:?}");
    }
}

#[tokio::test]
async fn a_question_that_is_not_understood_is_refused_with_the_reason() {
    let host = Host::start().await;
    for (query, told) in [
        ("status=Failed", "compensation-failed"),
        ("since=yesterday", "15m"),
        ("step=a.b", "three parts"),
        ("use-case=A%20B", "use-case"),
        ("limit=0", "1000"),
        ("state=failed", "known are"),
        ("status=failed&status=running", "twice"),
    ] {
        let problem = host.get(&format!("/v1/sagas?{query}")).await.problem(400, "invalid-parameter");
        assert!(problem["detail"].as_str().unwrap().contains(told), "{problem}");
    }
    host.get("/v1/sagas?cursor=forged").await.problem(400, "invalid-cursor");
    host.get("/v1/errors?cursor=forged").await.problem(400, "invalid-cursor");
    host.get("/v1/errors?status=failed").await.problem(400, "invalid-parameter");
}

#[tokio::test]
async fn what_stands_in_the_way_is_grouped_by_cause() {
    let host = Host::start().await;
    for number in 0..3 {
        let id = format!("a{number}");
        host.commit(vec![started(&id, "1"), dead_lettered(&id, 0, &format!("bank said 50{number}"))]).await;
    }
    host.commit(vec![started_by("review", "b"), dead_lettered("b", 1, "no moderator")]).await;
    host.commit(vec![started("c", "1"), rejected("c", 0, "too dear"), ended("c", 0, EndStatus::Compensated)]).await;
    let errors = host.get("/v1/errors").await.expect(200, "errors");
    let groups = errors["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "a saga that ended as it should is no error: {errors}");
    assert_eq!((&groups[0]["count"], &groups[0]["use-case"]), (&json!(3), &json!("shop")));
    assert_eq!(groups[0]["kind"], "retry-exhausted");
    assert_eq!(groups[0]["examples"].as_array().unwrap().len(), 3);
    let review = host.get("/v1/errors?use-case=review").await.expect(200, "errors");
    assert_eq!(review["groups"].as_array().unwrap().len(), 1);
    assert_eq!(review["groups"][0]["reason"], "no moderator");
}

fn furnish(host: &Host) {
    let plugin = PluginState {
        address: step(0).to_string(),
        digest: Some(Digest([1; 32])),
        state: ServingState::Serving,
        since: Timestamp::from_ms(BEGAN_MS),
        grants: vec!["events".to_owned()],
        reason: None,
        in_flight_count: 3,
        wasm_bytes: 70_000,
        compile_time: None,
        workers: None,
    };
    *host.door.plugins.lock().unwrap() = vec![plugin];
    let definition = UseCase {
        name: UseCaseName::try_new("shop").unwrap(),
        version: 2,
        owner: "orders".to_owned(),
        description: "sells".to_owned(),
        steps: Arc::from([step(0), step(1)]),
        policy: Policy::default(),
        deadline: None,
        trigger_topic: None,
        body_schema: None,
    };
    *host.door.use_cases.lock().unwrap() = UseCases { definitions: vec![Arc::new(definition)], problems: Vec::new() };
    let topic = TopicName::try_new("shop.order.create.error").unwrap();
    *host.broker.topics.lock().unwrap() =
        vec![TopicState { topic, message_count: 4, delayed_count: 0, consumers: Vec::new(), oldest_at: None }];
}

#[tokio::test]
async fn what_is_loaded_defined_and_queued_is_told() {
    let host = Host::start().await;
    furnish(&host);
    let plugins = host.get("/v1/plugins").await.expect(200, "plugins");
    assert_eq!(plugins["plugins"][0]["address"], "shop.order.create");
    let use_cases = host.get("/v1/use-cases").await.expect(200, "use-cases");
    assert_eq!(use_cases["use-cases"][0]["not-served-here"], json!(["shop.stock.reserve"]));
    let topics = host.get("/v1/topics").await.expect(200, "topics");
    let error = topics["topics"].as_array().unwrap().iter().find(|one| one["kind"] == "error").unwrap();
    assert_eq!(error["dead-letters"], 4);
}

#[tokio::test]
async fn a_failure_inside_is_told_without_its_inside() {
    let host = Host::start().await;
    let cause = "cannot read /var/lib/saga/data/1.sst".to_owned();
    let error = host_core::table::Error::Failed { doing: "reading", cause };
    *host.broker.failure.lock().unwrap() = Some(error.into());
    let problem = host.get("/v1/topics").await.problem(500, "internal");
    assert!(!problem.to_string().contains("/var"), "{problem}");
    assert_eq!(host.get("/metrics").await.status, 200, "the other numbers are still there");
}

#[tokio::test]
async fn numbers_are_told_in_prometheus_text() {
    let host = Host::start().await;
    furnish(&host);
    host.commit(completed("a", "1")).await;
    let labels = vec![("queue", "intake".to_owned())];
    let sample = Sample { name: "saga_engine_depth", help: "Depth.", kind: SampleKind::Gauge, labels, value: 2.0 };
    *host.door.samples.lock().unwrap() = vec![sample];
    host.get("/v1/sagas/a").await.expect(200, "saga");
    let reply = host.get("/metrics").await;
    assert_eq!(reply.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    for line in [
        "saga_ready 1",
        "saga_started_total 1",
        "saga_ended_total{status=\"completed\"} 1",
        "saga_sagas{status=\"completed\"} 1",
        "saga_plugins{state=\"serving\"} 1",
        "saga_plugin_calls_in_flight{step=\"shop.order.create\"} 3",
        "saga_topic_messages{topic=\"shop.order.create.error\"} 4",
        "saga_http_requests_total{route=\"/v1/sagas/{id}\",status=\"2xx\"} 1",
        "saga_projected_records_total 5",
        "saga_engine_depth{queue=\"intake\"} 2",
    ] {
        assert!(reply.text().lines().any(|found| found == line), "{line} is missing in\n{}", reply.text());
    }
    let declared: Vec<_> = reply.text().lines().filter(|line| line.starts_with("# TYPE")).collect();
    assert_eq!(declared.iter().collect::<BTreeSet<_>>().len(), declared.len(), "a metric is declared twice");
}

#[tokio::test]
async fn health_and_readiness_are_two_things() {
    let host = Host::start().await;
    host.get("/healthz").await.expect(200, "health");
    host.get("/readyz").await.expect(200, "health");
    let failed = Readiness::Failed("the disk is full; make room and restart the host".to_owned());
    for (readiness, words) in
        [(Readiness::Starting, "starting"), (Readiness::Stopping, "stopping"), (failed, "the disk is full; make room")]
    {
        *host.door.readiness.lock().unwrap() = readiness;
        host.get("/healthz").await.expect(200, "health");
        let problem = host.get("/readyz").await.problem(503, "not-ready");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(words)), "{problem}");
        assert!(host.get("/metrics").await.text().contains("\nsaga_ready 0\n"));
    }
}

#[tokio::test]
async fn the_way_on_is_told() {
    let host = Host::start().await;
    let root = host.get("/").await;
    assert_eq!((root.status, &root.json()["openapi"]), (200, &json!("/openapi.json")));
    let described = host.get("/openapi.json").await.json();
    assert_eq!(described["openapi"], "3.1.0");
    for code in Code::ALL {
        let page = host.get(&format!("/docs/errors/{}", code.as_str())).await;
        assert_eq!(page.headers["content-type"], "text/markdown; charset=utf-8");
        assert!(page.text().starts_with(&format!("# {}\n", code.as_str())));
    }
    host.get("/docs/errors/no-such-code").await.problem(404, "unknown-path");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused_as_problems() {
    let host = Host::start().await;
    let mut client = host.client().await;
    for path in ["/v2/sagas", "/v1/sagas/", "/v1", "/v1/sagas/a/b", "/../etc/passwd", "/v1/steps/a.b.c"] {
        client.request("GET", path, &[], b"").await.problem(404, "unknown-path");
    }
    let reply = client.request("DELETE", "/v1/sagas/a", &[], b"").await;
    reply.problem(405, "method-not-allowed");
    assert_eq!(reply.headers["allow"], "GET,HEAD");
    let reply = client.request("GET", "/v1/sagas/a/retry", &[], b"").await;
    reply.problem(405, "method-not-allowed");
    assert_eq!(reply.headers["allow"], "POST");
    assert_eq!(client.request("GET", "/healthz", &[], b"").await.json(), json!({"status": "ok"}));
    assert_ne!(Value::Null, host.get("/").await.json()["version"]);
}
