//! What survives: everything that was synced, and of the rest no more than a beginning.

use host_core::id::Lsn;

use super::sample::{
    at, bucket, completed, done, global_id, park, parked, parked_id, remember, started, unit, wait_key, writes,
};
use super::{Backend, Subject, project_all, submit};
use crate::ListQuery;

pub async fn a_crash_loses_a_suffix_only(backend: &dyn Backend) {
    let mut subject = backend.fresh().await;
    let (id, mine) = (global_id("saga"), bucket("test.step.s1"));
    let mut durable = 0;
    let mut last = Lsn(0);
    for round in 0..8u16 {
        let count = (round + 1).to_string();
        let mut step = writes(&[(&mine, "count", Some(&count)), (&mine, &count, Some(""))]);
        step.records.push(done(&id, round, u64::from(round)));
        step.park = Some(parked(&parked_id("k", &count), u64::from(round), 100));
        last = submit(&*subject, step).await;
        match round {
            2 | 5 => {
                subject.sync().await;
                durable = usize::from(round) + 1;
            }
            3 | 6 => subject.write_unsynced().await,
            _ => {}
        }
    }
    subject = subject.crash().await;
    let store = subject.store();
    let journal = store.journal(&id).await.expect("the journal is readable");
    assert!((durable..8).contains(&journal.len()), "{} records of {durable} synced ones", journal.len());
    assert_eq!(journal, (0..journal.len() as u16).map(|round| done(&id, round, round.into())).collect::<Vec<_>>());
    // Everything else is exactly as far as the journal.
    let count = store.value(&mine, "count").await.expect("the value is readable").expect("it was written");
    assert_eq!(count, journal.len().to_string());
    assert_eq!(store.keys(&mine, None, 100).await.expect("the keys are readable").len(), journal.len() + 1);
    assert_eq!(store.parked(&wait_key("k"), 100).await.expect("they are readable").len(), journal.len());
    drop(store);
    // Commits go on.
    let next = submit(&*subject, unit([done(&id, 9, 9)])).await;
    assert!(next <= Lsn(last.0 + 1), "places that were lost are used again");
    subject = subject.restart().await;
    assert_eq!(subject.store().journal(&id).await.expect("the journal is readable").len(), journal.len() + 1);
}

pub async fn a_restart_loses_nothing(backend: &dyn Backend) {
    let mut subject = backend.fresh().await;
    let id = global_id("saga");
    let mut last = Lsn(0);
    for round in 0..5u16 {
        let lsn = submit(&*subject, unit([done(&id, round, 0)])).await;
        assert!(lsn > last, "places only rise");
        last = lsn;
        subject = if round == 3 { crash_after_sync(subject).await } else { subject.restart().await };
        assert_eq!(subject.store().journal(&id).await.expect("the journal is readable").len(), usize::from(round) + 1);
    }
}

async fn crash_after_sync(subject: Box<dyn Subject>) -> Box<dyn Subject> {
    subject.sync().await;
    subject.crash().await
}

pub async fn a_lost_fold_is_made_again(backend: &dyn Backend) {
    let mut subject = backend.fresh().await;
    for index in 0..10u64 {
        submit(&*subject, unit(completed(&global_id(&format!("saga-{index}")), 2, index))).await;
        let open = global_id(&format!("open-{}", index % 3));
        submit(&*subject, unit([started(&open, 3, index)])).await;
        subject.sync().await;
        if index % 4 == 2 {
            project_all(&*subject.store()).await;
            subject = subject.crash().await;
        }
    }
    project_all(&*subject.store()).await;
    let query = ListQuery { limit: 100, ..ListQuery::default() };
    let listed = subject.store().list(&query).await.expect("the list is readable").items;
    let counts = subject.store().statistics().await.expect("the counts are readable");
    assert_eq!(listed.iter().filter(|summary| summary.ended).count(), 10);
    assert_eq!(counts.by_status[host_core::saga::Status::Completed as usize], 10);
    assert_eq!(counts.sagas, listed.len() as u64);
}

pub async fn reads_work_the_same_after_a_restart(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let (id, mine) = (global_id("saga"), bucket("test.step.s1"));
    submit(&*subject, unit(completed(&id, 2, 0))).await;
    submit(&*subject, writes(&[(&mine, "k", Some("1"))])).await;
    submit(&*subject, park(parked(&parked_id("k", "saga"), 1, 10))).await;
    submit(&*subject, remember("s", 1, 10)).await;
    let subject = subject.restart().await;
    let store = subject.store();
    let snapshot = store.snapshot();
    assert_eq!(store.feed(Lsn(0), 10).await.expect("the feed is readable").len(), 1);
    assert!(store.signal(&wait_key("s"), at(2)).await.expect("it is readable").is_some());
    assert_eq!(store.parked_next_due().await.expect("it is readable"), Some(at(10)));
    let read = super::sample::transaction(snapshot.lsn, &[(&mine, "k")], &[(&mine, "k", Some("2"))]);
    subject.submit(read).await.expect("what was there before the restart conflicts with nothing");
    assert_eq!(store.value(&mine, "k").await.expect("the value is readable").as_deref(), Some(&b"2"[..]));
}
