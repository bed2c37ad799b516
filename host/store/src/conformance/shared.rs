//! What several hosts on one shared state rely on: a message counts once, of two calls that read what both write one is
//! refused, what is refused leaves nothing behind, and what is forgotten is missed by nobody.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, Lsn, MessageId, Position};
use host_core::time::Timestamp;
use host_core::unit::KeyValueTxn;

use super::sample::{Handle, bucket, global_id, transaction};
use crate::Conflict;
use crate::shared::{Applied, Remedy, SharedState, SharedUnit, Taken};

/// One shared state, at first empty.
#[async_trait]
pub trait SharedMedium: Send + Sync + 'static {
    /// One more host's handle on it.
    async fn open(&self) -> Arc<dyn SharedState>;
}

pub type Medium = Arc<dyn SharedMedium>;

pub fn message_id(saga: &str) -> MessageId {
    MessageId { global_id: global_id(saga), direction: Handle, position: Position(1) }
}

/// A unit of the saga's one message; its outcome is `outcome`.
pub fn unit(
    saga: &str,
    snapshot: Lsn,
    reads: &[(&BucketName, &str)],
    writes: &[(&BucketName, &str, Option<&str>)],
    outcome: &str,
) -> SharedUnit {
    let key_values = transaction(snapshot, reads, writes).key_values.expect("it was just made");
    let outcome = Some(Bytes::copy_from_slice(outcome.as_bytes()));
    SharedUnit { message_id: message_id(saga), key_values, outcome }
}

/// Units of which none is refused.
pub async fn taken(state: &dyn SharedState, units: &[SharedUnit]) -> Lsn {
    let applied = state.apply(units).await.expect("the state takes units");
    assert!(applied.units.iter().all(|unit| *unit == Ok(Taken::Now)), "{:?}", applied.units);
    applied.batch.expect("something was written")
}

pub async fn text(state: &dyn SharedState, bucket: &BucketName, key: &str) -> Option<String> {
    let value = state.value(bucket, key).await.expect("the value is readable");
    value.map(|bytes| String::from_utf8(bytes.to_vec()).expect("the tests write text"))
}

async fn outcome(state: &dyn SharedState, saga: &str) -> Option<Bytes> {
    state.outcome(&message_id(saga)).await.expect("the outcome is readable")
}

async fn point(state: &dyn SharedState) -> Lsn {
    state.snapshot().await.expect("the point is readable")
}

pub async fn a_message_counts_once_whoever_brings_it_again(medium: Medium) {
    let (one, two) = (medium.open().await, medium.open().await);
    let mine = bucket("test.step.s1");
    let first = unit("saga", Lsn(0), &[], &[(&mine, "k", Some("1"))], "first");
    taken(&*one, std::slice::from_ref(&first)).await;
    // Another attempt elsewhere, which read what is out of date and decided otherwise.
    let second = unit("saga", Lsn(0), &[(&mine, "k")], &[(&mine, "k", Some("2")), (&mine, "l", Some("2"))], "second");
    for again in [first, second] {
        let applied = two.apply(std::slice::from_ref(&again)).await.expect("the state takes units");
        let before = Ok(Taken::Before(Bytes::from_static(b"first")));
        assert_eq!(applied, Applied { batch: None, units: vec![before] });
    }
    assert_eq!(text(&*two, &mine, "k").await.as_deref(), Some("1"));
    assert_eq!(text(&*two, &mine, "l").await, None);
    assert_eq!(outcome(&*two, "saga").await.as_deref(), Some(&b"first"[..]));
    assert_eq!(outcome(&*two, "sag").await, None);
    let other = SharedUnit {
        message_id: MessageId { position: Position(2), ..message_id("saga") },
        ..unit("saga", Lsn(0), &[], &[], "other")
    };
    taken(&*two, &[other]).await;
}

pub async fn a_refused_unit_leaves_nothing_and_the_others_go_through(medium: Medium) {
    let (one, two) = (medium.open().await, medium.open().await);
    let (mine, other) = (bucket("test.step.s1"), bucket("test.step.s2"));
    let begun = point(&*one).await;
    taken(&*two, &[unit("earlier", Lsn(0), &[], &[(&mine, "k", Some("1"))], "")]).await;
    let mut listing = unit("listing", begun, &[], &[(&other, "listing", Some("x"))], "listing");
    listing.key_values.listed.push(mine.clone());
    let units = [
        unit("good", begun, &[(&other, "k")], &[(&other, "good", Some("x"))], "good"),
        unit("late", begun, &[(&other, "k"), (&mine, "k")], &[(&other, "late", Some("x"))], "late"),
        listing,
        unit("follower", begun, &[(&other, "late")], &[(&other, "follower", Some("x"))], "follower"),
        unit("reader", begun, &[(&other, "good")], &[(&other, "reader", Some("x"))], "reader"),
        unit("good", begun, &[], &[(&other, "twice", Some("x"))], "again"),
    ];
    let applied = one.apply(&units).await.expect("the state takes units");
    let conflict = |bucket: &BucketName, key: &str| Err(Conflict { bucket: bucket.clone(), key: key.to_owned() });
    let expected = [
        Ok(Taken::Now),
        conflict(&mine, "k"),
        conflict(&mine, "*"),
        Ok(Taken::Now),
        conflict(&other, "good"),
        Ok(Taken::Before(Bytes::from_static(b"good"))),
    ];
    assert_eq!(applied.units, expected);
    let keys = two.keys(&other, None, 100).await.expect("the keys are readable");
    assert_eq!(keys.iter().map(|key| &**key).collect::<Vec<_>>(), ["follower", "good"]);
    for (saga, there) in [("good", true), ("late", false), ("listing", false), ("follower", true), ("reader", false)] {
        assert_eq!(outcome(&*two, saga).await.is_some(), there, "{saga}");
    }
}

pub async fn a_removed_key_was_written(medium: Medium) {
    let (one, two) = (medium.open().await, medium.open().await);
    let mine = bucket("test.step.s1");
    taken(&*one, &[unit("a", Lsn(0), &[], &[(&mine, "k", Some("1"))], "")]).await;
    let begun = point(&*one).await;
    taken(&*two, &[unit("b", Lsn(0), &[], &[(&mine, "k", None), (&mine, "never", None)], "")]).await;
    for key in ["k", "never"] {
        let late = unit("c", begun, &[(&mine, key)], &[(&mine, "l", Some("late"))], "");
        one.apply(&[late]).await.expect("the state takes units").units.remove(0).expect_err("it was removed");
    }
    assert_eq!(one.keys(&mine, None, 10).await.expect("the keys are readable"), []);
    taken(&*one, &[unit("c", point(&*one).await, &[(&mine, "k")], &[(&mine, "k", Some("2"))], "")]).await;
}

/// A call that asks to be made again: what it rests on is checked, and nothing is kept.
pub async fn a_unit_without_outcome_is_checked_and_leaves_no_mark(medium: Medium) {
    let state = medium.open().await;
    let mine = bucket("test.step.s1");
    let begun = point(&*state).await;
    let retry = SharedUnit { outcome: None, ..unit("saga", begun, &[(&mine, "k")], &[], "") };
    let applied = state.apply(&[retry.clone(), retry.clone()]).await.expect("the state takes units");
    assert_eq!(applied, Applied { batch: None, units: vec![Ok(Taken::Now), Ok(Taken::Now)] });
    assert_eq!(point(&*state).await, begun, "nothing was written");
    taken(&*state, &[unit("other", Lsn(0), &[], &[(&mine, "k", Some("1"))], "")]).await;
    let applied = state.apply(std::slice::from_ref(&retry)).await.expect("the state takes units");
    assert!(applied.units[0].is_err(), "what it read was overwritten");
    taken(&*state, &[unit("saga", Lsn(0), &[], &[], "in the end")]).await;
    let applied = state.apply(&[retry]).await.expect("the state takes units");
    assert_eq!(applied.units, [Ok(Taken::Before(Bytes::from_static(b"in the end")))]);
    let writing = SharedUnit { outcome: None, ..unit("writer", Lsn(0), &[], &[(&mine, "w", Some("1"))], "") };
    let refused = state.apply(&[writing]).await.expect_err("nobody could tell that it was applied");
    assert_eq!(refused.remedy(), Remedy::GiveUp, "{refused}");
    assert!(refused.to_string().contains("writer/handle/1"), "{refused}");
    assert_eq!(state.apply(&[]).await.expect("nothing is no mistake"), Applied { batch: None, units: Vec::new() });
}

pub async fn any_key_and_value_comes_back_as_it_was(medium: Medium) {
    let state = medium.open().await;
    let mine = bucket("test/shared");
    let long = "x".repeat(1024);
    let mut keys = ["", "a", "a\0b", "a\u{1}", "é", "e\u{301}", "z", "\u{ffff}", "\u{10348}", "'; --", "\\x00", &long];
    let value: Bytes = (0..1 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let writes = keys.iter().map(|key| (mine.clone(), Arc::from(*key), Some(value.clone()))).collect();
    let key_values = KeyValueTxn { writes, ..KeyValueTxn::default() };
    let big = SharedUnit { key_values, ..unit("ordre-é-'1", Lsn(0), &[], &[], &"o".repeat(1 << 20)) };
    taken(&*state, &[big]).await;
    keys.sort_unstable();
    let listed = state.keys(&mine, None, 100).await.expect("the keys are readable");
    assert_eq!(listed.iter().map(|key| &**key).collect::<Vec<_>>(), keys, "the order is that of the bytes");
    for (index, key) in keys.iter().enumerate() {
        assert!(state.value(&mine, key).await.expect("the value is readable") == Some(value.clone()), "{key:?}");
        let behind = state.keys(&mine, Some(key), 100).await.expect("the keys are readable");
        assert_eq!(behind.len(), keys.len() - 1 - index, "behind {key:?}");
    }
    assert_eq!(outcome(&*state, "ordre-é-'1").await.map(|outcome| outcome.len()), Some(1 << 20));
}

pub async fn a_point_that_was_never_reached_is_refused(medium: Medium) {
    let state = medium.open().await;
    let mine = bucket("test.step.s1");
    let ahead = Lsn(point(&*state).await.0 + 1);
    for snapshot in [ahead, Lsn(u64::MAX)] {
        let late = unit("saga", snapshot, &[(&mine, "k")], &[(&mine, "k", Some("1"))], "");
        state.apply(&[late]).await.expect("the state takes units").units.remove(0).expect_err("it was never there");
    }
}

/// Hosts that write at the same time.
const HOST_COUNT: usize = 2;
/// Tasks of each of them.
const TASK_COUNT: usize = 2;
/// Units that each task commits.
const UNIT_COUNT: usize = 100;

pub async fn of_two_hosts_that_read_what_both_write_one_is_refused(medium: Medium) {
    let (one, two) = (medium.open().await, medium.open().await);
    let mine = bucket("test.step.s1");
    for round in 0..UNIT_COUNT {
        let unit = |host: &str, begun: Lsn| {
            [unit(&format!("{host}-{round}"), begun, &[(&mine, "k")], &[(&mine, "k", Some(host))], host)]
        };
        let (first, second) = (unit("one", point(&*one).await), unit("two", point(&*two).await));
        let (first, second) = tokio::join!(one.apply(&first), two.apply(&second));
        let mut refused = 0;
        for applied in [first, second] {
            refused += usize::from(applied.expect("the state takes units").units[0].is_err());
        }
        assert_eq!(refused, 1, "in round {round}");
    }
}

pub async fn no_update_is_lost_between_hosts(medium: Medium) {
    let mine = bucket("test.step.s1");
    let mut tasks = tokio::task::JoinSet::new();
    for host in 0..HOST_COUNT {
        let state = medium.open().await;
        for task in 0..TASK_COUNT {
            tasks.spawn(count_up(state.clone(), mine.clone(), format!("{host}-{task}")));
        }
    }
    tasks.join_all().await;
    let total = (HOST_COUNT * TASK_COUNT * UNIT_COUNT).to_string();
    assert_eq!(text(&*medium.open().await, &mine, "count").await, Some(total));
}

/// Calls that are run until their units are taken, as the engine does.
pub async fn count_up(state: Arc<dyn SharedState>, mine: BucketName, name: String) {
    for number in 0..UNIT_COUNT {
        loop {
            let begun = point(&*state).await;
            let count: u64 = text(&*state, &mine, "count").await.map_or(0, |text| text.parse().expect("a number"));
            let after = (count + 1).to_string();
            let saga = format!("{name}-{number}");
            let unit = unit(&saga, begun, &[(&mine, "count")], &[(&mine, "count", Some(&after))], &after);
            match state.apply(&[unit]).await.expect("the state takes units").units.remove(0) {
                Ok(_) => break,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}

/// Each unit takes one from either of two accounts if both together hold enough.
pub async fn no_write_skew_between_hosts(medium: Medium) {
    let mine = bucket("test.step.s1");
    let half = (UNIT_COUNT / 2).to_string();
    let state = medium.open().await;
    let opened = unit("opened", Lsn(0), &[], &[(&mine, "left", Some(&half)), (&mine, "right", Some(&half))], "");
    taken(&*state, &[opened]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for account in ["left", "right"] {
        tasks.spawn(take_one_by_one(medium.open().await, mine.clone(), account));
    }
    tasks.join_all().await;
    assert_eq!(balance(&*state, &mine, "left").await + balance(&*state, &mine, "right").await, 0);
}

async fn take_one_by_one(state: Arc<dyn SharedState>, mine: BucketName, account: &'static str) {
    let mut number = 0;
    while number < UNIT_COUNT {
        let begun = point(&*state).await;
        let (left, right) = (balance(&*state, &mine, "left").await, balance(&*state, &mine, "right").await);
        let own = if account == "left" { left } else { right };
        let after = (own - i64::from(left + right > 0)).to_string();
        let reads = [(&mine, "left"), (&mine, "right")];
        let unit = unit(&format!("{account}-{number}"), begun, &reads, &[(&mine, account, Some(&after))], "");
        number += usize::from(state.apply(&[unit]).await.expect("the state takes units").units[0].is_ok());
    }
}

async fn balance(state: &dyn SharedState, bucket: &BucketName, key: &str) -> i64 {
    text(state, bucket, key).await.expect("the accounts were opened").parse().expect("a number")
}

pub async fn what_is_published_and_old_is_forgotten_piece_by_piece(medium: Medium) {
    let state = medium.open().await;
    let mine = bucket("test.step.s1");
    let mut batches = Vec::new();
    for round in 0..3 {
        let units: Vec<_> = (0..2).map(|index| unit(&format!("{round}-{index}"), Lsn(0), &[], &[], "x")).collect();
        batches.push(taken(&*state, &units).await);
    }
    taken(&*state, &[unit("key", Lsn(0), &[], &[(&mine, "k", Some("1"))], "x")]).await;
    let forget = async |before, limit| state.forget(before, limit).await.expect("the state forgets");
    assert_eq!(forget(Timestamp::MIN, 100).await, 0, "nothing is that old");
    assert_eq!(forget(soon(), 100).await, 0, "nobody said that anything was published");
    state.published(&batches[..2]).await.expect("the state takes it");
    assert_eq!(forget(Timestamp::MIN, 100).await, 0, "nothing is that old");
    assert_eq!(forget(soon(), 3).await, 3, "a bounded piece");
    assert_eq!(forget(soon(), 3).await, 1, "the rest");
    assert_eq!(forget(soon(), 3).await, 0);
    assert_eq!(outcome(&*state, "1-1").await, None);
    assert!(outcome(&*state, "2-0").await.is_some(), "it was not published");
    assert_eq!(text(&*state, &mine, "k").await.as_deref(), Some("1"), "values stay");
    let month_ahead = soon().plus(crate::shared::limits::UNPUBLISHED_AGE_MAX);
    assert_eq!(forget(month_ahead, 100).await, 3, "in the end those that nobody published go too");
    let next = taken(&*state, &[unit("next", Lsn(0), &[], &[], "x")]).await;
    assert!(next > batches[2], "places only rise, whatever was forgotten");
}

/// A call that is older than what is remembered of a removed key is refused rather than guessed about.
pub async fn a_forgotten_removal_is_missed_by_nobody(medium: Medium) {
    let (one, two) = (medium.open().await, medium.open().await);
    let mine = bucket("test.step.s1");
    taken(&*one, &[unit("a", Lsn(0), &[], &[(&mine, "k", Some("1")), (&mine, "back", Some("1"))], "")]).await;
    let begun = point(&*one).await;
    taken(&*two, &[unit("b", Lsn(0), &[], &[(&mine, "k", None), (&mine, "back", None)], "")]).await;
    taken(&*two, &[unit("c", Lsn(0), &[], &[(&mine, "back", Some("2"))], "")]).await;
    assert_eq!(two.forget(soon(), 1).await.expect("the state forgets"), 1, "a bounded piece");
    assert_eq!(two.forget(soon(), 100).await.expect("the state forgets"), 1, "the rest");
    assert_eq!(two.forget(soon(), 100).await.expect("the state forgets"), 0);
    assert_eq!(text(&*one, &mine, "back").await.as_deref(), Some("2"), "what was written again is there");
    let late = unit("d", begun, &[(&mine, "k")], &[(&mine, "l", Some("late"))], "");
    one.apply(&[late]).await.expect("the state takes units").units.remove(0).expect_err("it was removed");
    let fresh = unit("d", point(&*one).await, &[(&mine, "k")], &[(&mine, "l", Some("1"))], "");
    taken(&*one, &[fresh]).await;
}

/// Later than everything that was done up to now, whoever's clock is a little ahead.
fn soon() -> Timestamp {
    Timestamp::from_system_time(std::time::SystemTime::now()).plus(std::time::Duration::from_secs(60))
}

/// One test per promise, over media of one kind. Each case has a medium of its own.
#[macro_export]
macro_rules! shared_conformance {
    ($medium:expr) => {
        $crate::shared_conformance! { @each $medium,
            a_message_counts_once_whoever_brings_it_again,
            a_refused_unit_leaves_nothing_and_the_others_go_through,
            a_removed_key_was_written,
            a_unit_without_outcome_is_checked_and_leaves_no_mark,
            any_key_and_value_comes_back_as_it_was,
            a_point_that_was_never_reached_is_refused,
            of_two_hosts_that_read_what_both_write_one_is_refused,
            no_update_is_lost_between_hosts,
            no_write_skew_between_hosts,
            what_is_published_and_old_is_forgotten_piece_by_piece,
            a_forgotten_removal_is_missed_by_nobody,
        }
        mod key_value_of_shared {
            use super::*;
            $crate::key_value_conformance!($crate::conformance::over_shared::OverShared($medium));
        }
    };
    (@each $medium:expr, $($name:ident,)*) => {
        mod shared {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $crate::conformance::shared::$name(($medium)()).await;
                }
            )*
        }
    };
}
