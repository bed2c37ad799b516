//! Forgetting: whole, bounded, and only what is over.

use super::journal::folded;
use super::sample::{
    Handle, at, completed, dead_lettered, ended, global_id, parked_id, record, remember, retried, started, unit,
    wait_key,
};
use super::{Backend, project_all, submit};
use crate::{ErrorQuery, ListQuery, Store};
use host_core::record::{EndStatus, Event};

async fn listed(store: &dyn Store) -> Vec<String> {
    let query = ListQuery { limit: 1000, ..ListQuery::default() };
    let page = store.list(&query).await.expect("the list is readable");
    page.items.iter().map(|summary| summary.global_id.to_string()).collect()
}

pub async fn ended_sagas_go_whole_and_others_stay(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let (stands, retries) = (global_id("stands"), global_id("retries"));
    let given_up = global_id("given-up");
    let sagas = [
        completed(&global_id("old"), 2, 0),
        completed(&global_id("recent"), 2, 500),
        // Began long ago, ended recently.
        [completed(&global_id("long"), 2, 1), vec![record(&global_id("long"), 1, Handle, 600, Event::NotRun)]].concat(),
        vec![started(&stands, 2, 0), dead_lettered(&stands, 0, Handle, 1, "broken")],
        vec![started(&retries, 2, 0), retried(&retries, 0, 1, "busy")],
        vec![
            started(&given_up, 2, 0),
            dead_lettered(&given_up, 0, Handle, 1, "broken"),
            ended(&given_up, 0, 2, EndStatus::CompensationFailed),
        ],
    ];
    folded(&*subject, sagas).await;
    assert_eq!(store.retain(at(400), at(400), 100).await.expect("retention works"), 2);
    assert_eq!(store.retain(at(400), at(400), 100).await.expect("retention works"), 0);
    assert_eq!(listed(&*store).await, ["recent", "long", "retries", "stands"]);
    for gone in ["old", "given-up"] {
        assert_eq!(store.journal(&global_id(gone)).await.expect("the journal is readable"), []);
    }
    assert_eq!(store.journal(&stands).await.expect("the journal is readable").len(), 2);
    let groups = store.error_groups(&ErrorQuery { limit: 10, ..ErrorQuery::default() }).await.expect("readable").items;
    assert_eq!(groups.iter().map(|group| group.count).sum::<u64>(), 2);
    assert_eq!(store.statistics().await.expect("the counts are readable").sagas, 4);
    drop(store);
    let subject = subject.restart().await;
    assert_eq!(listed(&*subject.store()).await, ["recent", "long", "retries", "stands"]);
}

pub async fn retention_does_a_bounded_piece_and_goes_on(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let sagas = (0..100u64).map(|index| {
        let id = global_id(&format!("saga-{index:03}"));
        // More that stay than one call looks at stand before those that go.
        if index < 50 { vec![started(&id, 1, index)] } else { completed(&id, 1, index) }
    });
    folded(&*subject, sagas).await;
    let mut removed = 0;
    for _ in 0..20 {
        let count = store.retain(at(1000), at(1000), 5).await.expect("retention works");
        assert!(count <= 5, "{count} sagas went at once");
        removed += count;
    }
    assert_eq!(removed, 50);
    assert_eq!(listed(&*store).await.len(), 50);
    for index in 0..50u64 {
        submit(&*subject, unit([ended(&global_id(&format!("saga-{index:03}")), 0, 200, EndStatus::Completed)])).await;
    }
    subject.sync().await;
    project_all(&*store).await;
    for _ in 0..20 {
        removed += store.retain(at(1000), at(1000), 5).await.expect("retention works");
    }
    assert_eq!(removed, 100);
}

pub async fn expired_signals_go_and_renewed_ones_stay(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    for index in 0..30 {
        submit(&*subject, remember(&format!("k{index:02}"), 0, 10)).await;
    }
    submit(&*subject, remember("stays", 0, 1000)).await;
    subject.sync().await;
    for round in 0..12 {
        store.retain(at(5), at(50), 10).await.expect("retention works");
        // Renewed after retention has seen it expired: it must not go.
        if round == 0 {
            submit(&*subject, remember("k05", 60, 1000)).await;
        }
        // Something else commits, and with it the expired ones go.
        submit(&*subject, super::sample::unpark(&parked_id("x", "nobody"))).await;
        subject.sync().await;
    }
    let remembered = async |key: &str| store.signal(&wait_key(key), at(5)).await.expect("readable").is_some();
    assert!(remembered("stays").await);
    assert!(remembered("k05").await, "a renewed signal is not lost");
    for index in (0..30).filter(|index| *index != 5) {
        assert!(!remembered(&format!("k{index:02}")).await, "signal {index} went, even for a reader with an old clock");
    }
}
