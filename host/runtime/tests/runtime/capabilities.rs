//! Goal: a step gets what its manifest grants and nothing else, and what a call asked for leaves with `done` only.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, Direction};
use host_core::outcome::{Answer, Outcome};
use host_runtime::{KeyValues, LogLevel, StepRunner as _, Trial, manifest_beside};

use crate::support::{STEP, address, body, call, guest, one};

const KEYVALUE: &str = "grants = [\"keyvalue\"]\n[keyvalue]\nshared = [\"rates\"]";
const EVENTS: &str = "grants = [\"events\"]\n[events]\ntopics = [\"orders.placed\"]";

fn own() -> BucketName {
    BucketName::try_new(STEP).unwrap()
}

fn shared() -> BucketName {
    BucketName::try_new("test/rates").unwrap()
}

#[tokio::test]
async fn key_values_read_the_store_and_the_calls_own_writes() {
    let stage = one("keyvalue", KEYVALUE).await;
    stage.key_values.put(own(), "count", "xx");
    stage.key_values.put(own(), "other", "1");
    stage.key_values.put(shared(), "eur", vec![1u8]);
    let report = stage.handle("1").await;
    assert_eq!(body(&report), r#"{"count":3,"keys":["count", "other"],"rate":"[1]","not-granted":"no-such-store"}"#);
    let effects = &report.effects;
    let key = |key: &str| -> Arc<str> { key.into() };
    assert_eq!(effects.reads, [(own(), key("count")), (shared(), key("eur"))], "each key once, own writes not at all");
    assert_eq!(effects.listed, [own()]);
    assert_eq!(
        effects.writes,
        [
            (own(), key("count"), Some(Bytes::from_static(b"xxx"))),
            (own(), key("gone"), None),
            (shared(), key("seen"), Some(Bytes::from_static(b"yes"))),
        ]
    );
    stage.key_values.apply(effects);
    assert!(body(&stage.handle("1").await).starts_with(r#"{"count":4,"#));
}

#[tokio::test]
async fn nothing_is_left_of_a_call_that_is_not_done() {
    let manifest = "grants = [\"keyvalue\", \"events\"]";
    let stage = one("trap_after_writes", manifest).await;
    for end in ["trap", "rejected", "retry", "wait", "invalid"] {
        let report = stage.handle(&format!("\"{end}\"")).await;
        assert!(!matches!(report.answer, Answer::Outcome(Outcome::Done { .. })), "{end}");
        let effects = report.effects;
        assert!(effects.writes.is_empty() && effects.emits.is_empty() && effects.signals.is_empty(), "{end}");
        assert_eq!(effects.reads, [(own(), Arc::from("seen"))], "{end}: what it read is still told");
    }
}

#[tokio::test]
async fn a_call_cannot_write_more_than_its_limits() {
    let stage = one("keyvalue_limits", KEYVALUE).await;
    let report = stage.handle("1").await;
    let answer: serde_json::Value = serde_json::from_str(body(&report)).unwrap();
    assert_eq!(answer["writes"], 1024);
    let words = ["1024 keys", "more than 1048576 bytes", "1024 bytes", "must not be empty"];
    for (refusal, word) in answer["refusals"].as_array().unwrap().iter().zip(words) {
        assert!(refusal.as_str().unwrap().contains(word), "{refusal} {word}");
    }
    assert_eq!(report.effects.writes.len(), 1024);
}

#[tokio::test]
async fn a_fault_of_the_store_reaches_the_step_as_its_words() {
    struct Broken;
    #[async_trait]
    impl KeyValues for Broken {
        async fn get(&self, _: &BucketName, _: &str) -> Result<Option<Bytes>, String> {
            Err("the disk is gone".to_owned())
        }
        async fn keys(&self, _: &BucketName, _: Option<&str>, _: usize) -> Result<Vec<Arc<str>>, String> {
            Err("the disk is gone".to_owned())
        }
    }
    let stage = one("keyvalue_faulty_store", KEYVALUE).await;
    let report = stage.plugins.call(call(STEP, Direction::Handle, "1"), Arc::new(Broken)).await;
    let Answer::Outcome(Outcome::Retry { reason, .. }) = report.answer else { panic!("{:?}", report.answer) };
    assert_eq!(reason, "the disk is gone");
    assert!(report.effects.reads.is_empty());
}

#[tokio::test]
async fn a_store_that_never_answers_ends_at_the_time_limit() {
    struct Silent;
    #[async_trait]
    impl KeyValues for Silent {
        async fn get(&self, _: &BucketName, _: &str) -> Result<Option<Bytes>, String> {
            std::future::pending().await
        }
        async fn keys(&self, _: &BucketName, _: Option<&str>, _: usize) -> Result<Vec<Arc<str>>, String> {
            std::future::pending().await
        }
    }
    let stage = one("keyvalue_faulty_store", &format!("{KEYVALUE}\n[limits]\ntime = \"100ms\"")).await;
    let report = stage.plugins.call(call(STEP, Direction::Handle, "1"), Arc::new(Silent)).await;
    crate::support::assert_fault(&report, host_core::outcome::FaultKind::TimeLimit, &["waiting for the host"]);
}

#[tokio::test]
async fn events_leave_for_allowed_topics_only() {
    let stage = one("events", EVENTS).await;
    let report = stage.handle("{\"order\":1}").await;
    let refused: Vec<String> = serde_json::from_str(body(&report)).unwrap();
    let words = ["topic-refused", "topic-refused", "not a JSON value", "more than the 2097152", "wait key"];
    for (refusal, word) in refused.iter().zip(words) {
        assert!(refusal.contains(word), "{refusal} {word}");
    }
    let emits: Vec<_> = report.effects.emits.iter().map(|(topic, body)| (topic.as_str(), body.as_str())).collect();
    assert_eq!(emits, [("orders.placed", "{\"order\":1}")]);
    let signals: Vec<_> = report.effects.signals.iter().map(|key| key.as_str()).collect();
    assert_eq!(signals, ["customer/42"]);
}

#[tokio::test]
async fn a_call_cannot_emit_without_end() {
    let stage = one("event_flood", EVENTS).await;
    let report = stage.handle("1").await;
    assert_eq!(body(&report), "256");
    assert_eq!(report.effects.emits.len() + report.effects.signals.len(), 256);
}

#[tokio::test]
async fn config_is_what_the_manifest_says() {
    let stage = one("config", "grants = [\"config\"]\n[config]\ncurrency = \"EUR\"\nregion = \"eu\"").await;
    assert_eq!(body(&stage.handle("1").await), r#"{"one":"EUR","none":true,"all":2}"#);
}

#[tokio::test]
async fn nothing_outside_can_be_reached() {
    let stage = one("reaches_out", "").await;
    assert_eq!(body(&stage.handle("1").await), "[]");
}

#[tokio::test]
async fn clock_and_random_are_real_in_every_fresh_instance() {
    let stage = one("clock_and_random", "").await;
    let (first, second) = (stage.handle("1").await, stage.handle("1").await);
    let read = |text: &str| -> (u64, String, String) { serde_json::from_str(text).unwrap() };
    let ((at, a, b), (_, c, d)) = (read(body(&first)), read(body(&second)));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::from(at) + 60_000 > now && u128::from(at) <= now, "{at} {now}");
    let distinct: std::collections::BTreeSet<_> = [a, b, c, d].into();
    assert_eq!(distinct.len(), 4);
}

#[tokio::test]
async fn log_lines_and_prints_are_handed_to_whoever_tries_a_step() {
    let wasm = guest("log_lines");
    let manifest = manifest_beside(&wasm, &address(STEP)).unwrap();
    let trial = Trial::try_new(&wasm, manifest).await.unwrap();
    let (report, logs) =
        trial.call(&call(STEP, Direction::Handle, "1"), Arc::<host_runtime::MemoryKeyValues>::default()).await;
    assert_eq!(body(&report), "1");
    let lines: Vec<_> = logs.iter().map(|line| (line.level, &*line.context, &*line.message)).collect();
    assert_eq!(
        lines,
        [
            (LogLevel::Trace, "a", "trace"),
            (LogLevel::Debug, "a", "debug"),
            (LogLevel::Info, "a::b", "two\\nlines"),
            (LogLevel::Warn, "", "warn"),
            (LogLevel::Error, "a", "error"),
            (LogLevel::Critical, "a", "critical"),
            (LogLevel::Info, "stdout", "printed"),
            (LogLevel::Warn, "stderr", "complained"),
        ]
    );
    assert!(trial.instance_memory_bytes > 0 && !trial.compile_time.is_zero());
}
