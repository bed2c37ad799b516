//! Goal: an instance serves as many calls as its manifest says, never one after a fault, and its slot is free as soon
//! as its call is over, however it ended.

use std::time::Duration;

use host_core::outcome::FaultKind;
use host_runtime::{Plugins, PluginsOptions};

use crate::support::{Installation, STEP, Stage, assert_fault, body, one};

/// What each of these calls says about how many calls its instance has seen.
async fn seen(stage: &Stage, call_count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..call_count {
        seen.push(body(&stage.handle("1").await).to_owned());
    }
    seen
}

#[tokio::test]
async fn every_call_gets_a_fresh_instance_by_default() {
    let stage = one("remembers", "").await;
    assert_eq!(seen(&stage, 3).await, ["1", "1", "1"]);
}

#[tokio::test]
async fn an_instance_serves_as_many_calls_as_the_manifest_says() {
    let stage = one("remembers", "calls-per-instance = 2").await;
    assert_eq!(seen(&stage, 5).await, ["1", "2", "1", "2", "1"]);
}

#[tokio::test]
async fn an_unlimited_instance_serves_until_it_fails() {
    let stage = one("remembers", "calls-per-instance = \"unlimited\"").await;
    assert_eq!(seen(&stage, 3).await, ["1", "2", "3"]);
    assert_fault(&stage.handle("\"panic\"").await, FaultKind::Trap, &["after 4 calls"]);
    assert_eq!(seen(&stage, 2).await, ["1", "2"], "the one that failed is gone");
}

#[tokio::test]
async fn a_step_that_leaks_is_begun_anew_before_it_fails() {
    let stage = one("leaks", "calls-per-instance = \"unlimited\"\n[limits]\nmemory = \"32MiB\"").await;
    let seen = seen(&stage, 20).await;
    assert!(seen.iter().filter(|calls| *calls == "1").count() > 1, "{seen:?}");
}

#[tokio::test]
async fn a_bucket_handle_that_outlives_its_call_still_means_the_same_bucket() {
    let manifest =
        "grants = [\"keyvalue\"]\ncalls-per-instance = \"unlimited\"\n[keyvalue]\nshared = [\"other\", \"rates\"]";
    let stage = one("keeps_a_bucket", manifest).await;
    for fresh in ["true", "false"] {
        let report = stage.handle("1").await;
        assert_eq!(body(&report), fresh);
        let buckets: Vec<_> = report.effects.writes.iter().map(|(bucket, _, _)| bucket.as_str()).collect();
        assert_eq!(buckets, ["test/rates"]);
    }
}

#[tokio::test]
async fn nothing_of_one_call_is_seen_by_the_next_on_the_same_instance() {
    let manifest = "grants = [\"keyvalue\"]\ncalls-per-instance = \"unlimited\"\n[keyvalue]\nshared = [\"rates\"]";
    let stage = one("keyvalue", manifest).await;
    for _ in 0..3 {
        let report = stage.handle("1").await;
        assert!(body(&report).starts_with(r#"{"count":1,"#), "writes that were not applied are not read");
        assert_eq!((report.effects.writes.len(), report.effects.reads.len()), (3, 2));
    }
}

/// One slot for everything, so that any instance that stays behind stops the next call.
async fn one_slot(program: &str, manifest: &str) -> Stage {
    let installation = Installation::new();
    installation.serve(STEP, program);
    installation.manifest(STEP, manifest);
    let options = PluginsOptions { calls_at_once_max: 1, idle_instances_max: 0, ..installation.options() };
    let plugins = Plugins::open(options).await.unwrap();
    Stage { installation, plugins, key_values: Default::default() }
}

#[tokio::test]
async fn a_call_that_is_given_up_frees_its_slot() {
    let stage = one_slot("loop_in_handle", "[limits]\ntime = \"60s\"").await;
    for _ in 0..10 {
        let given_up = tokio::time::timeout(Duration::from_millis(20), stage.handle("1")).await;
        assert!(given_up.is_err());
    }
    stage.installation.serve(STEP, "echo");
    stage.plugins.rescan().await;
    assert_eq!(body(&stage.handle("1").await), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_over_the_bound_wait_their_turn() {
    let stage = one_slot("echo", "").await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..200 {
        let (plugins, key_values) = (stage.plugins.clone(), stage.key_values.clone());
        calls.spawn(async move {
            let call = crate::support::call(STEP, host_core::id::Direction::Handle, &n.to_string());
            let report = host_runtime::StepRunner::call(&plugins, call, key_values).await;
            assert_eq!(body(&report), n.to_string());
        });
    }
    let mut done = 0;
    while let Some(ended) = calls.join_next().await {
        ended.unwrap();
        done += 1;
    }
    assert_eq!(done, 200);
}

#[tokio::test]
async fn many_fresh_calls_leave_nothing_behind() {
    let stage = one_slot("echo", "").await;
    for n in 0..3000 {
        assert_eq!(body(&stage.handle("1").await), "1", "call {n}");
    }
}

#[tokio::test]
async fn idle_instances_of_many_steps_share_one_bound() {
    let installation = Installation::new();
    let addresses: Vec<_> = (0..4).map(|n| format!("test.guests.step-{n}")).collect();
    for address in &addresses {
        installation.serve(address, "remembers");
        installation.manifest(address, "calls-per-instance = \"unlimited\"");
    }
    let options = PluginsOptions { calls_at_once_max: 1, idle_instances_max: 2, ..installation.options() };
    let plugins = Plugins::open(options).await.unwrap();
    // Each call would leave an idle instance; the pool has room for three in all, and is never exceeded.
    let mut last = Vec::new();
    for address in addresses.iter().chain(&addresses) {
        let call = crate::support::call(address, host_core::id::Direction::Handle, "1");
        let key_values = std::sync::Arc::<host_runtime::MemoryKeyValues>::default();
        let report = host_runtime::StepRunner::call(&plugins, call, key_values).await;
        last.push(body(&report).to_owned());
    }
    assert_eq!(last, ["1", "1", "1", "1", "2", "2", "1", "1"], "two are kept, the others begin anew");
}
