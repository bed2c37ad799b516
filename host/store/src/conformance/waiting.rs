//! Parked messages, remembered signals, operators' marks.

use std::sync::Arc;

use bytes::Bytes;
use host_core::failure::FailureKind;
use host_core::record::Verb;
use host_core::unit::{Attempts, Cause, Headers, Mark, OnTimeout, Parked, Payload, Unit};

use super::sample::{at, global_id, park, parked, parked_id, remember, unpark, wait_key};
use super::{Backend, submit};
use crate::Store;

fn sagas(parked: &[Parked]) -> Vec<&str> {
    parked.iter().map(|parked| parked.id.message_id.global_id.as_str()).collect()
}

async fn waiting_for(store: &dyn Store, key: &str, limit: usize) -> Vec<Parked> {
    store.parked(&wait_key(key), limit).await.expect("parked messages are readable")
}

async fn count(store: &dyn Store) -> u64 {
    store.statistics().await.expect("the counts are readable").parked
}

pub async fn parked_messages_come_back_oldest_first(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    for (saga, since) in [("z", 1), ("a", 3), ("m", 2)] {
        submit(&*subject, park(parked(&parked_id("customer 42", saga), since, 100))).await;
    }
    submit(&*subject, park(parked(&parked_id("customer 4", "other"), 0, 100))).await;
    let store = subject.store();
    let (found, ()) = tokio::join!(waiting_for(&*store, "customer 42", 10), subject.sync());
    assert_eq!(sagas(&found), ["z", "m", "a"]);
    assert_eq!(sagas(&waiting_for(&*store, "customer 42", 2).await), ["z", "m"]);
    assert_eq!(sagas(&waiting_for(&*store, "customer", 2).await), [] as [&str; 0]);
    assert_eq!(count(&*store).await, 4);
}

pub async fn a_parked_message_comes_back_as_it_was(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let id = parked_id("clé é", "saga/with/slashes");
    let mut expected = parked(&id, 5, 100);
    let failure = super::sample::failure(2, super::sample::Compensate, 1, "code", "reason");
    let cause = Cause {
        failure: host_core::failure::Failure { kind: FailureKind::Trap, ..failure },
        attempts: 3,
        first_at: at(1),
        last_at: at(2),
        digest: Some(host_core::id::Digest([9; 32])),
        host: "host-1".to_owned(),
    };
    expected.on_timeout = OnTimeout::Error;
    expected.message.key = Arc::from("an ordering key");
    expected.message.headers = Headers {
        attempts: Attempts { retry_count: 2, fault_count: 1 },
        first_at: Some(at(1)),
        signalled: Some((wait_key("before"), at(3))),
        cause: Some(Arc::new(cause)),
        foreign: true,
    };
    submit(&*subject, park(expected.clone())).await;
    let subject = subject.restart().await;
    let found = subject.store().parked_message(&id).await.expect("it is readable").expect("it is there");
    assert_eq!((&found.id, &found.reason, found.since, found.until), (&id, &expected.reason, at(5), at(100)));
    assert_eq!(found.on_timeout, expected.on_timeout);
    let (found, expected) = (found.message, expected.message);
    assert_eq!((found.topic, found.key, found.headers), (expected.topic, expected.key, expected.headers));
    let Payload::Encoded(bytes) = found.payload else { panic!("a stored message comes back encoded") };
    assert_eq!(bytes, Bytes::from_static(br#"{"meta":{},"body":{}}"#));
}

pub async fn time_outs_come_earliest_first(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    assert_eq!(store.parked_next_due().await.expect("it is readable"), None);
    for (saga, until) in [("late", 30), ("first", 10), ("second", 20)] {
        submit(&*subject, park(parked(&parked_id("k", saga), 1, until))).await;
    }
    subject.sync().await;
    let due = async |ms, limit| store.parked_due(at(ms), limit).await.expect("it is readable");
    assert_eq!(store.parked_next_due().await.expect("it is readable"), Some(at(10)));
    assert_eq!(sagas(&due(9, 10).await), [] as [&str; 0]);
    assert_eq!(sagas(&due(10, 10).await), ["first"]);
    assert_eq!(sagas(&due(1000, 10).await), ["first", "second", "late"]);
    assert_eq!(sagas(&due(1000, 2).await), ["first", "second"]);
}

pub async fn an_unparked_message_is_gone_everywhere(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let ids = [parked_id("k", "same batch"), parked_id("k", "next batch"), parked_id("k", "stays")];
    submit(&*subject, park(parked(&ids[0], 1, 10))).await;
    submit(&*subject, unpark(&ids[0])).await;
    submit(&*subject, park(parked(&ids[1], 2, 20))).await;
    submit(&*subject, park(parked(&ids[2], 3, 30))).await;
    subject.sync().await;
    submit(&*subject, unpark(&ids[1])).await;
    // Twice, and one that never was: nothing else goes.
    submit(&*subject, unpark(&ids[1])).await;
    submit(&*subject, unpark(&parked_id("k", "never"))).await;
    subject.sync().await;
    for _ in 0..2 {
        assert_eq!(sagas(&waiting_for(&*store, "k", 10).await), ["stays"]);
        assert_eq!(sagas(&store.parked_due(at(1000), 10).await.expect("it is readable")), ["stays"]);
        assert_eq!(store.parked_next_due().await.expect("it is readable"), Some(at(30)));
        assert!(store.parked_message(&ids[0]).await.expect("it is readable").is_none());
        assert!(store.parked_message(&ids[1]).await.expect("it is readable").is_none());
        assert_eq!(count(&*store).await, 1);
        subject.sync().await;
    }
    drop(store);
    let subject = subject.restart().await;
    assert_eq!(count(&*subject.store()).await, 1);
}

pub async fn parking_again_moves_the_time_out(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let id = parked_id("k", "saga");
    for (since, until) in [(1, 10), (2, 20), (3, 30), (4, 40)] {
        submit(&*subject, park(parked(&id, since, until))).await;
        // The second and the third meet in one batch.
        if since != 2 {
            subject.sync().await;
        }
    }
    assert!(store.parked_due(at(39), 10).await.expect("it is readable").is_empty());
    assert_eq!(store.parked_due(at(40), 10).await.expect("it is readable").len(), 1);
    assert_eq!(store.parked_next_due().await.expect("it is readable"), Some(at(40)));
    assert_eq!(waiting_for(&*store, "k", 10).await.len(), 1);
    assert_eq!(count(&*store).await, 1);
}

pub async fn a_signal_is_remembered_until_its_time(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    submit(&*subject, remember("k", 1, 10)).await;
    submit(&*subject, remember("k long", 1, 99)).await;
    let key = wait_key("k");
    let store = subject.store();
    let (found, ()) = tokio::join!(store.signal(&key, at(5)), subject.sync());
    let found = found.expect("it is readable").expect("it is remembered");
    assert_eq!((found.key, found.at, found.until), (key.clone(), at(1), at(10)));
    assert!(store.signal(&key, at(10)).await.expect("it is readable").is_none());
    assert!(store.signal(&wait_key("unknown"), at(0)).await.expect("it is readable").is_none());
    submit(&*subject, remember("k", 12, 20)).await;
    drop(store);
    let subject = subject.restart().await;
    let found = subject.store().signal(&key, at(15)).await.expect("it is readable").expect("it was renewed");
    assert_eq!((found.at, found.until), (at(12), at(20)));
}

pub async fn marks_stay_until_they_are_met(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let mark = |saga: &str, verb| Mark {
        global_id: global_id(saga),
        verb,
        who: "ann".to_owned(),
        reason: Some("it hangs".to_owned()),
        at: at(1),
    };
    for mark in [mark("b", Verb::Compensate), mark("a", Verb::Close), mark("c", Verb::Skip), mark("c", Verb::Close)] {
        submit(&*subject, Unit { mark: Some(mark), ..Unit::default() }).await;
    }
    submit(&*subject, Unit { unmark: Some(global_id("a")), ..Unit::default() }).await;
    let store = subject.store();
    let (marks, ()) = tokio::join!(store.marks(), subject.sync());
    assert_eq!(marks.expect("they are readable"), [mark("b", Verb::Compensate), mark("c", Verb::Close)]);
    submit(&*subject, Unit { unmark: Some(global_id("b")), ..Unit::default() }).await;
    drop(store);
    let subject = subject.restart().await;
    assert_eq!(subject.store().marks().await.expect("they are readable"), [mark("c", Verb::Close)]);
}
