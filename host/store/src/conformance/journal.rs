//! The journal and its feed.

use std::sync::Arc;

use bytes::Bytes;
use host_core::failure::FailureKind;
use host_core::id::{Digest, Lsn};
use host_core::record::{EndStatus, Event, Record, Standing, Verb};

use super::sample::{self, Compensate, at, completed, done, global_id, json, record, started, unit};
use super::{Backend, Subject, project_all, submit};
use crate::{Committed, Error, ListQuery, Store};

pub async fn a_read_sees_what_was_submitted_before_it(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let id = global_id("saga");
    submit(&*subject, unit([started(&id, 2, 0)])).await;
    let store = subject.store();
    let (journal, ()) = tokio::join!(store.journal(&id), subject.sync());
    assert_eq!(journal.expect("the journal is readable"), [started(&id, 2, 0)]);
}

pub async fn records_come_back_in_the_order_of_their_commit(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let ids = ["b", "a", "c"].map(global_id);
    let mut expected = ids.clone().map(|_| Vec::new());
    for round in 0..200u16 {
        for (id, expected) in ids.iter().zip(&mut expected) {
            let records = [done(id, round, u64::from(round)), done(id, round + 1, u64::from(round))];
            expected.extend(records.clone());
            submit(&*subject, unit(records)).await;
        }
        if round % 3 == 0 {
            subject.sync().await;
        }
    }
    subject.sync().await;
    for (id, expected) in ids.iter().zip(expected) {
        assert_eq!(subject.store().journal(id).await.expect("the journal is readable"), expected);
    }
}

pub async fn every_kind_of_record_comes_back_as_it_was(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let id = global_id("ordre-é-1");
    let records = every_kind(&id);
    for record in &records {
        submit(&*subject, unit([record.clone()])).await;
        subject.sync().await;
    }
    let subject = subject.restart().await;
    assert_eq!(subject.store().journal(&id).await.expect("the journal is readable"), records);
}

fn every_kind(id: &host_core::id::GlobalId) -> Vec<Record> {
    let failure = sample::failure(1, Compensate, 3, "no", "because");
    let text = || "words".to_owned();
    let events = [
        Event::Started { steps: [0, 1].map(sample::address).into(), body: json("[1,2]"), deadline: Some(at(99)) },
        Event::Done { body: json(r#"{"a":1.10}"#), compensation: Some(json("null")) },
        Event::Rejected { failure: failure.clone(), details: Some(json("\"d\"")) },
        Event::Retried { reason: text(), fault: Some(FailureKind::Trap), due: at(5) },
        Event::Waiting { key: sample::wait_key("customer 42"), reason: text(), until: at(6) },
        Event::Signalled { key: sample::wait_key("customer 42") },
        Event::DeadLettered { failure, letter: Bytes::from_static(b"\x00letter\xff"), standing: Standing::Beside },
        Event::Compensated { body: json("true") },
        Event::LateDropped { reason: text() },
        Event::NotRun,
        Event::Acted { verb: Verb::Skip, who: text(), reason: None },
        Event::Ended { status: EndStatus::Closed },
    ];
    let record = |(index, event)| Record {
        digest: Some(Digest([7; 32])),
        attempt: 4,
        ..record(id, 1, Compensate, index as u64, event)
    };
    events.into_iter().enumerate().map(record).collect()
}

pub async fn a_saga_with_a_similar_id_is_another_saga(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let ids = ["a", "a!", "a/b", "aa", "A"].map(global_id);
    for (ms, id) in (0..).zip(&ids) {
        submit(&*subject, unit([started(id, 1, ms)])).await;
    }
    subject.sync().await;
    for (ms, id) in (0..).zip(&ids) {
        let journal = subject.store().journal(id).await.expect("the journal is readable");
        assert_eq!(journal, [started(id, 1, ms)]);
    }
    assert_eq!(subject.store().journal(&global_id("b")).await.expect("the journal is readable"), []);
}

pub async fn the_feed_holds_batches_in_order_until_they_are_folded(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let mut lsns = Vec::new();
    for round in 0..5u64 {
        let (first, second) = (global_id(&format!("one-{round}")), global_id(&format!("two-{round}")));
        submit(&*subject, unit([started(&first, 1, round)])).await;
        submit(&*subject, unit([started(&second, 1, round), done(&second, 0, round)])).await;
        lsns.push(submit(&*subject, unit([done(&first, 0, round)])).await);
        subject.sync().await;
    }
    let feed = store.feed(Lsn(0), 100).await.expect("the feed is readable");
    assert_eq!(feed.iter().map(|batch| batch.lsn).collect::<Vec<_>>(), lsns);
    for (round, batch) in feed.iter().enumerate() {
        let of = |id: &str| {
            let id = global_id(&format!("{id}-{round}"));
            let records = batch.records.iter().filter(move |record| record.global_id == id);
            records.map(|record| record.event.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(batch.records.len(), 4);
        assert_eq!((of("one"), of("two")), (vec!["started", "done"], vec!["started", "done"]));
    }
    assert_eq!(store.feed(lsns[1], 2).await.expect("the feed is readable"), feed[2..4]);
    fold(&*store, &feed[..2]).await;
    assert_eq!(store.projected().await.expect("the watermark is readable"), lsns[1]);
    assert_eq!(store.feed(Lsn(0), 100).await.expect("the feed is readable"), feed[2..]);
}

pub async fn folding_twice_changes_nothing(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    for round in 0..6u64 {
        let id = global_id(&format!("saga-{}", round / 2));
        let records = if round % 2 == 0 { vec![started(&id, 2, round)] } else { vec![done(&id, 0, round)] };
        submit(&*subject, unit(records)).await;
        subject.sync().await;
    }
    let feed = store.feed(Lsn(0), 100).await.expect("the feed is readable");
    fold(&*store, &feed[..4]).await;
    fold(&*store, &feed[..4]).await;
    fold(&*store, &feed[2..]).await;
    let all = ListQuery { limit: 10, ..ListQuery::default() };
    let listed = store.list(&all).await.expect("the list is readable");
    fold(&*store, &feed).await;
    assert_eq!(store.list(&all).await.expect("the list is readable"), listed);
    assert_eq!(listed.items.len(), 3);
    assert_eq!(store.statistics().await.expect("the counts are readable").sagas, 3);
}

async fn fold(store: &dyn Store, batches: &[Committed]) {
    let batches: Vec<_> = batches.iter().cloned().map(Arc::new).collect();
    store.project(&batches).await.expect("batches can be folded");
}

pub async fn a_corrupt_row_is_named_and_not_skipped(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let (broken, whole) = (global_id("broken"), global_id("whole"));
    submit(&*subject, unit(completed(&broken, 2, 0))).await;
    submit(&*subject, unit(completed(&whole, 2, 0))).await;
    subject.sync().await;
    subject.damage(&broken).await;
    let error = subject.store().journal(&broken).await.expect_err("a damaged journal is not passed off as whole");
    assert!(matches!(&error, Error::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("broken"), "the error names the saga: {error}");
    assert_eq!(subject.store().journal(&whole).await.expect("the other saga is well").len(), 4);
    // Its neighbours go on, in the lists as well.
    project_all(&*subject.store()).await;
    submit(&*subject, unit([done(&broken, 1, 9)])).await;
    submit(&*subject, unit([done(&whole, 1, 9)])).await;
    subject.sync().await;
    project_all(&*subject.store()).await;
    let all = ListQuery { limit: 10, ..ListQuery::default() };
    let listed = subject.store().list(&all).await.expect("the list is readable").items;
    assert_eq!(
        listed.iter().map(|summary| (&summary.global_id, summary.updated_at)).collect::<Vec<_>>(),
        [(&whole, at(9))]
    );
}

/// Used by other areas: a subject with these sagas committed, synced and folded.
pub(super) async fn folded(subject: &dyn Subject, sagas: impl IntoIterator<Item = Vec<Record>>) {
    for records in sagas {
        submit(subject, unit(records)).await;
    }
    subject.sync().await;
    project_all(&*subject.store()).await;
}
