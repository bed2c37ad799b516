//! Goal: what the host tells a step arrives, and what a step answers comes back as it is, or as a fault that says which
//! part breaks the contract.

use std::sync::Arc;
use std::time::Duration;

use host_core::envelope::UseCaseRef;
use host_core::failure::{Failure, FailureKind};
use host_core::id::{Direction, Position, StepAddress, UseCaseName, WaitKey};
use host_core::json::Json;
use host_core::outcome::{Answer, FaultKind, Outcome};
use host_core::time::Timestamp;
use host_runtime::StepRunner as _;

use crate::support::{STEP, assert_fault, body, call, fault, one};

#[tokio::test]
async fn a_step_sees_everything_the_host_knows_of_its_call() {
    let stage = one("context", "").await;
    let mut call = call(STEP, Direction::Handle, r#"{"é":[1, 2]}"#);
    call.use_case = Some(UseCaseRef { name: UseCaseName::try_new("uc-1-1").unwrap(), version: 3 });
    call.attempt = 4;
    call.deadline = Some(Timestamp::parse("2026-11-22T18:00:00.000Z").unwrap());
    call.signalled = Some(WaitKey::try_new("customer/42").unwrap());
    call.failure = Some(Arc::new(Failure {
        position: Position(2),
        address: StepAddress::try_new("d.s.three").unwrap(),
        direction: Direction::Handle,
        kind: FailureKind::Rejected,
        code: "no-funds".to_owned(),
        reason: "the account is empty".to_owned(),
        at: Timestamp::from_ms(0),
    }));
    call.headers = vec![("traceparent".to_owned(), "\"00-ab\"".to_owned()), ("x".to_owned(), "[1]".to_owned())];
    let report = stage.plugins.call(call, stage.key_values.clone()).await;
    let seen: serde_json::Value = serde_json::from_str(body(&report)).unwrap();
    assert_eq!(
        seen,
        serde_json::json!({
            "global-id": "saga-1", "use-case": "uc-1-1", "version": 3, "address": STEP, "position": 1,
            "direction": "Direction::Handle", "attempt": 4, "key": "saga-1/handle/1",
            "deadline": "2026-11-22T18:00:00.000Z", "signalled": "customer/42",
            "failure": [2, "d.s.three", "rejected", "no-funds", "the account is empty"],
            "headers": [["traceparent", "00-ab"], ["x", [1]]], "body": {"é": [1, 2]}, "log": null,
        })
    );
    let Answer::Outcome(Outcome::Done { compensation: Some(log), .. }) = report.answer else { panic!("no log") };
    assert_eq!(log.as_str(), r#"{"é":[1, 2]}"#, "kept to the byte");
}

#[tokio::test]
async fn a_compensation_gets_its_log_and_hands_none_on() {
    let stage = one("context", "").await;
    let mut call = call(STEP, Direction::Compensate, "1");
    call.compensation_log = Some(Json::try_from_text("{\"undo\":7}").unwrap());
    let report = stage.plugins.call(call, stage.key_values.clone()).await;
    let seen: serde_json::Value = serde_json::from_str(body(&report)).unwrap();
    assert_eq!(seen["log"], serde_json::json!({"undo": 7}));
    assert_eq!(seen["key"], "saga-1/compensate/1");
    assert!(matches!(report.answer, Answer::Outcome(Outcome::Done { compensation: None, .. })));
}

#[tokio::test]
async fn every_kind_of_answer_comes_back() {
    let stage = one("answers", "").await;
    let answer = async |asked: &str| stage.handle(&format!("\"{asked}\"")).await.answer;
    assert_eq!(
        answer("rejected").await,
        Answer::Outcome(Outcome::Rejected {
            code: "out-of-stock".to_owned(),
            reason: "none left".to_owned(),
            details: Some(Json::try_from_text(r#"{"left":0}"#).unwrap()),
        })
    );
    let reason = || "not now".to_owned();
    let after = Some(Duration::from_millis(1500));
    assert_eq!(answer("retry").await, Answer::Outcome(Outcome::Retry { reason: reason(), after }));
    assert_eq!(answer("retry-soon").await, Answer::Outcome(Outcome::Retry { reason: reason(), after: None }));
    assert_eq!(
        answer("wait").await,
        Answer::Outcome(Outcome::Wait {
            key: WaitKey::try_new("customer/42").unwrap(),
            reason: "customer 42 is not registered".to_owned(),
            timeout: Some(Duration::from_secs(60)),
        })
    );
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_is_a_fault_that_says_where() {
    let stage = one("answers", "").await;
    for (asked, words) in
        [("bad-key", "wait key"), ("empty-code", "empty code"), ("long-code", "up to 128 printable bytes")]
    {
        assert_fault(&stage.handle(&format!("\"{asked}\"")).await, FaultKind::InvalidOutput, &[words]);
    }
    let long = stage.handle("\"long-reason\"").await;
    let Answer::Outcome(Outcome::Retry { reason, .. }) = long.answer else { panic!("no retry") };
    assert!(reason.len() <= host_core::limits::REASON_BYTES_MAX && reason.ends_with('…'));
}

#[tokio::test]
async fn text_that_is_no_json_is_a_fault_that_quotes_it() {
    let stage = one("invalid_json", "").await;
    for part in ["body", "compensation", "details"] {
        let report = stage.handle(&format!("\"{part}\"")).await;
        assert_fault(&report, FaultKind::InvalidOutput, &[part, "not a JSON value", "{'single'"]);
    }
    for part in ["empty", "two"] {
        assert_fault(&stage.handle(&format!("\"{part}\"")).await, FaultKind::InvalidOutput, &["not a JSON value"]);
    }
}

#[tokio::test]
async fn a_body_of_a_megabyte_goes_through_untouched() {
    let stage = one("echo", "").await;
    let large = format!("{{\"text\":\"{}\"}}", "é".repeat(500_000));
    assert_eq!(body(&stage.handle(&large).await), large);
}

#[tokio::test]
async fn a_step_that_nobody_serves_is_unavailable_and_says_the_cure() {
    let stage = one("echo", "").await;
    let report = stage.plugins.call(call("test.guests.nobody", Direction::Handle, "1"), stage.key_values.clone()).await;
    assert_fault(&report, FaultKind::Unavailable, &["test.guests.nobody", "put test.guests.nobody.wasm"]);
    assert_eq!(report.digest, None);
    assert!(stage.plugins.manifest(&crate::support::address("test.guests.nobody")).is_none());
    assert!(stage.plugins.manifest(&crate::support::address(STEP)).is_some());
    let _ = fault(&report);
}
