//! Key-values of the steps: read your writes, no lost update, no write skew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use host_core::id::{BucketName, Lsn};

use super::sample::{bucket, global_id, started, transaction, writes};
use super::{Backend, Subject, submit};
use crate::Store;

async fn text(store: &dyn Store, bucket: &BucketName, key: &str) -> Option<String> {
    let value = store.value(bucket, key).await.expect("the value is readable");
    value.map(|bytes| String::from_utf8(bytes.to_vec()).expect("the tests write text"))
}

async fn keys(store: &dyn Store, bucket: &BucketName, after: Option<&str>, limit: usize) -> Vec<String> {
    let keys = store.keys(bucket, after, limit).await.expect("the keys are readable");
    keys.iter().map(|key| key.to_string()).collect()
}

pub async fn a_value_is_visible_from_its_submission_on(backend: &dyn Backend) {
    let mut subject = backend.fresh().await;
    let (mine, shared) = (bucket("test.step.s1"), bucket("test/shared"));
    submit(&*subject, writes(&[(&mine, "k", Some("1")), (&mine, "gone", Some("x")), (&shared, "k", Some("2"))])).await;
    submit(&*subject, writes(&[(&mine, "gone", None), (&mine, "", Some("empty key")), (&mine, "empty", Some(""))]))
        .await;
    for restarts in 0..2 {
        for _ in 0..2 {
            let store = subject.store();
            assert_eq!(text(&*store, &mine, "k").await.as_deref(), Some("1"), "after {restarts} restarts");
            assert_eq!(text(&*store, &shared, "k").await.as_deref(), Some("2"));
            assert_eq!(text(&*store, &mine, "").await.as_deref(), Some("empty key"));
            assert_eq!(text(&*store, &mine, "empty").await.as_deref(), Some(""));
            assert_eq!(text(&*store, &mine, "gone").await, None);
            assert_eq!(text(&*store, &shared, "gone").await, None);
            subject.sync().await;
        }
        subject = subject.restart().await;
    }
}

pub async fn keys_are_listed_in_order_whether_written_or_not(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let (mine, other) = (bucket("test.step.s1"), bucket("test.step.s10"));
    let store = subject.store();
    submit(&*subject, writes(&[(&mine, "a", Some("")), (&mine, "b", Some("")), (&mine, "c", Some(""))])).await;
    submit(&*subject, writes(&[(&mine, "d", Some("")), (&mine, "e", Some("")), (&other, "a1", Some(""))])).await;
    subject.sync().await;
    let snapshot = store.snapshot();
    submit(
        &*subject,
        writes(&[(&mine, "a", None), (&mine, "b", None), (&mine, "b2", Some("")), (&mine, "z", Some(""))]),
    )
    .await;
    for _ in 0..2 {
        assert_eq!(keys(&*store, &mine, None, 100).await, ["b2", "c", "d", "e", "z"]);
        assert_eq!(keys(&*store, &mine, None, 2).await, ["b2", "c"]);
        assert_eq!(keys(&*store, &mine, None, 3).await, ["b2", "c", "d"]);
        assert_eq!(keys(&*store, &mine, Some("b"), 2).await, ["b2", "c"]);
        assert_eq!(keys(&*store, &mine, Some("c"), 100).await, ["d", "e", "z"]);
        assert_eq!(keys(&*store, &mine, Some("z"), 100).await, [] as [&str; 0]);
        assert_eq!(keys(&*store, &mine, None, 0).await, [] as [&str; 0]);
        assert_eq!(keys(&*store, &other, None, 100).await, ["a1"]);
        subject.sync().await;
    }
    drop(snapshot);
    assert_eq!(keys(&*store, &mine, None, 100).await, ["b2", "c", "d", "e", "z"]);
}

pub async fn a_unit_that_read_an_overwritten_key_is_refused_untouched(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let mine = bucket("test.step.s1");
    submit(&*subject, writes(&[(&mine, "k", Some("0"))])).await;
    for synced in [false, true] {
        let snapshot = store.snapshot();
        submit(&*subject, writes(&[(&mine, "k", Some("1"))])).await;
        if synced {
            subject.sync().await;
        }
        let id = global_id("refused");
        let mut late =
            transaction(snapshot.lsn, &[(&mine, "k")], &[(&mine, "k", Some("late")), (&mine, "l", Some("late"))]);
        late.records.push(started(&id, 1, 0));
        let conflict = subject.submit(late).await.expect_err("the key was overwritten");
        assert_eq!((&conflict.bucket, conflict.key.as_str()), (&mine, "k"));
        subject.sync().await;
        assert_eq!(text(&*store, &mine, "k").await.as_deref(), Some("1"));
        assert_eq!(text(&*store, &mine, "l").await, None);
        assert_eq!(store.journal(&id).await.expect("the journal is readable"), []);
    }
    let again = store.snapshot();
    submit(&*subject, transaction(again.lsn, &[(&mine, "k")], &[(&mine, "k", Some("2"))])).await;
    assert_eq!(text(&*store, &mine, "k").await.as_deref(), Some("2"));
}

pub async fn a_unit_that_listed_a_changed_bucket_is_refused(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let (mine, other) = (bucket("test.step.s1"), bucket("test.step.s2"));
    let listing = |snapshot: Lsn| {
        let mut unit = transaction(snapshot, &[], &[(&other, "sum", Some("1"))]);
        unit.key_values.as_mut().expect("it was just made").listed.push(mine.clone());
        unit
    };
    let snapshot = store.snapshot();
    submit(&*subject, listing(snapshot.lsn)).await;
    submit(&*subject, writes(&[(&other, "elsewhere", Some("1"))])).await;
    submit(&*subject, listing(snapshot.lsn)).await;
    submit(&*subject, writes(&[(&mine, "new", Some("1"))])).await;
    subject.submit(listing(snapshot.lsn)).await.expect_err("a key was added");
    subject.sync().await;
    subject.submit(listing(snapshot.lsn)).await.expect_err("a key was added and written");
    submit(&*subject, listing(store.snapshot().lsn)).await;
}

pub async fn reading_what_nobody_wrote_never_conflicts(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let mine = bucket("test.step.s1");
    for round in 0..100 {
        let snapshot = store.snapshot();
        let other = format!("other-{round}");
        submit(&*subject, writes(&[(&mine, &other, Some("x"))])).await;
        subject.sync().await;
        submit(&*subject, transaction(snapshot.lsn, &[(&mine, "k")], &[(&mine, "l", Some("x"))])).await;
    }
}

pub async fn a_read_from_before_what_is_remembered_is_refused(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let mine = bucket("test.step.s1");
    submit(&*subject, writes(&[(&mine, "k", Some("0"))])).await;
    subject.sync().await;
    // A caller that breaks the rule: the guard is gone before the unit comes.
    let lsn = store.snapshot().lsn;
    submit(&*subject, writes(&[(&mine, "k", Some("1"))])).await;
    subject.sync().await;
    store.snapshot();
    let late = transaction(lsn, &[(&mine, "k")], &[(&mine, "k", Some("late"))]);
    subject.submit(late).await.expect_err("nothing may be overwritten unseen");
    assert_eq!(text(&*store, &mine, "k").await.as_deref(), Some("1"));
}

pub async fn the_last_write_of_a_key_counts(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let mine = bucket("test.step.s1");
    submit(&*subject, writes(&[(&mine, "k", Some("1")), (&mine, "k", None), (&mine, "k", Some("2"))])).await;
    submit(&*subject, writes(&[(&mine, "l", Some("1"))])).await;
    submit(&*subject, writes(&[(&mine, "l", None)])).await;
    let subject = subject.restart().await;
    assert_eq!(text(&*subject.store(), &mine, "k").await.as_deref(), Some("2"));
    assert_eq!(text(&*subject.store(), &mine, "l").await, None);
}

/// Tasks that change key-values at the same time.
const TASK_COUNT: usize = 4;
/// Units that each of them commits.
const UNIT_COUNT: usize = 200;

pub async fn no_update_is_lost_between_threads(backend: &dyn Backend) {
    let subject: Arc<dyn Subject> = Arc::from(backend.fresh().await);
    let mine = bucket("test.step.s1");
    let tasks = (0..TASK_COUNT).map(|_| count_up(subject.clone(), mine.clone()));
    while_syncing(&subject, tasks.collect()).await;
    let total = (TASK_COUNT * UNIT_COUNT).to_string();
    assert_eq!(text(&*subject.store(), &mine, "count").await, Some(total));
}

/// A call that is run until its unit is taken, as the engine does.
async fn count_up(subject: Arc<dyn Subject>, mine: BucketName) {
    let store = subject.store();
    let mut taken = 0;
    while taken < UNIT_COUNT {
        let snapshot = store.snapshot();
        let count: u64 = text(&*store, &mine, "count").await.map_or(0, |text| text.parse().expect("a number"));
        tokio::task::yield_now().await;
        let after = (count + 1).to_string();
        let unit = transaction(snapshot.lsn, &[(&mine, "count")], &[(&mine, "count", Some(&after))]);
        taken += usize::from(subject.submit(unit).await.is_ok());
    }
}

/// Each unit takes one from either of two accounts if both together hold enough: a store that only checks what is
/// written would let two units take the last one.
pub async fn no_write_skew_between_threads(backend: &dyn Backend) {
    let subject: Arc<dyn Subject> = Arc::from(backend.fresh().await);
    let mine = bucket("test.step.s1");
    let half = (TASK_COUNT * UNIT_COUNT / 4).to_string();
    submit(&*subject, writes(&[(&mine, "left", Some(&half)), (&mine, "right", Some(&half))])).await;
    let tasks = (0..TASK_COUNT).map(|index| take_one(subject.clone(), mine.clone(), ["left", "right"][index % 2]));
    while_syncing(&subject, tasks.collect()).await;
    let store = subject.store();
    assert_eq!(balance(&*store, &mine, "left").await + balance(&*store, &mine, "right").await, 0);
}

async fn take_one(subject: Arc<dyn Subject>, mine: BucketName, account: &'static str) {
    let store = subject.store();
    let mut taken = 0;
    while taken < UNIT_COUNT {
        let snapshot = store.snapshot();
        let left = balance(&*store, &mine, "left").await;
        tokio::task::yield_now().await;
        let right = balance(&*store, &mine, "right").await;
        let own = if account == "left" { left } else { right };
        let after = (own - i64::from(left + right > 0)).to_string();
        let reads = [(&mine, "left"), (&mine, "right")];
        let unit = transaction(snapshot.lsn, &reads, &[(&mine, account, Some(&after))]);
        taken += usize::from(subject.submit(unit).await.is_ok());
    }
}

async fn balance(store: &dyn Store, bucket: &BucketName, key: &str) -> i64 {
    text(store, bucket, key).await.expect("the accounts were opened").parse().expect("a number")
}

/// Run the tasks side by side while batches are written as fast as they come.
async fn while_syncing(subject: &Arc<dyn Subject>, tasks: Vec<impl Future<Output = ()> + Send + 'static>) {
    let over = Arc::new(AtomicBool::new(false));
    let syncing = tokio::spawn({
        let (subject, over) = (subject.clone(), over.clone());
        async move {
            while !over.load(Ordering::Relaxed) {
                subject.sync().await;
                tokio::task::yield_now().await;
            }
        }
    });
    let mut running = tokio::task::JoinSet::new();
    tasks.into_iter().for_each(|task| _ = running.spawn(task));
    running.join_all().await;
    over.store(true, Ordering::Relaxed);
    syncing.await.expect("writing batches does not fail");
}
