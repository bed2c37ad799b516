//! Properties of the projection over random journals: whatever is folded when, and however often the host dies between,
//! lists, counts and groups say what the fold of each journal says.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;
use host_core::id::{GlobalId, Lsn};
use host_core::record::{EndStatus, Event, Record, Standing, Verb};
use host_core::saga::{Saga, Status};
use host_store::conformance::sample::{
    Compensate, Handle, address, at, failure, global_id, json, record, started, unit, use_case, wait_key,
};
use host_store::conformance::{Embedded, Memory, Subject, project_all, submit};
use host_store::{ErrorQuery, GroupId, ListQuery, Store, Summary};

const STEP_COUNT: u16 = 4;

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the seed of a failure must be known")]
async fn the_projection_is_the_fold_of_every_journal() {
    for seed in 0..60 {
        println!("seed {seed}");
        let mut rng = Rng::with_seed(seed);
        let mut subject: Box<dyn Subject> = Box::new(Embedded::open(Box::new(Memory(Arc::default()))));
        for ms in 0..300 {
            let id = global_id(&format!("saga-{}", rng.u8(0..12)));
            // Late drops before a start are left to the sagas that never start.
            let known = !subject_journal(&*subject, &id).await.is_empty();
            let event = if known || rng.u8(0..8) == 0 { event(&mut rng, ms) } else { first_event(&id, &mut rng, ms) };
            submit(&*subject, unit([event_record(&id, &mut rng, ms, event)])).await;
            match rng.u8(0..20) {
                0..8 => subject.sync().await,
                8..12 => fold_some(&*subject, rng.usize(1..6)).await,
                12 => subject = subject.crash().await,
                13 => subject = subject.restart().await,
                _ => {}
            }
        }
        subject.sync().await;
        project_all(&*subject.store()).await;
        check(&*subject).await;
    }
}

async fn subject_journal(subject: &dyn Subject, id: &GlobalId) -> Vec<Record> {
    subject.sync().await;
    subject.store().journal(id).await.expect("the journal is readable")
}

async fn fold_some(subject: &dyn Subject, limit: usize) {
    let store = subject.store();
    let after = store.projected().await.expect("the watermark is readable");
    let feed = store.feed(after, limit).await.expect("the feed is readable");
    let feed: Vec<_> = feed.into_iter().map(Arc::new).collect();
    store.project(&feed).await.expect("the feed can be folded");
}

fn first_event(id: &GlobalId, rng: &mut Rng, ms: u64) -> Event {
    match rng.u8(0..10) {
        0 => event(rng, ms),
        _ => started(id, STEP_COUNT, ms).event,
    }
}

fn event_record(id: &GlobalId, rng: &mut Rng, ms: u64, event: Event) -> Record {
    let direction = if rng.bool() { Handle } else { Compensate };
    let position = rng.u16(0..STEP_COUNT);
    let mut record = record(id, position, direction, ms, event);
    if rng.u8(0..4) == 0 {
        record.use_case = Some(use_case("other"));
    }
    match &mut record.event {
        Event::Rejected { failure, .. } | Event::DeadLettered { failure, .. } => {
            (failure.position, failure.direction, failure.address) = (record.position, direction, address(position));
        }
        _ => {}
    }
    record
}

fn event(rng: &mut Rng, ms: u64) -> Event {
    let reason = |rng: &mut Rng| format!("reason {} of {}", rng.u8(..), ["a", "b"][rng.usize(0..2)]);
    match rng.u8(0..14) {
        0..3 => Event::Done { body: json("{}"), compensation: None },
        3 => Event::Rejected { failure: failure(0, Handle, ms, "no", &reason(rng)), details: None },
        4 | 5 => Event::Retried { reason: reason(rng), fault: None, due: at(ms + 9) },
        6 => Event::Waiting { key: wait_key("k"), reason: reason(rng), until: at(ms + 9) },
        7 => Event::Signalled { key: wait_key("k") },
        8 => {
            let standing = if rng.bool() { Standing::InTheWay } else { Standing::Beside };
            let failure = failure(0, Handle, ms, "dead", &reason(rng));
            Event::DeadLettered { failure, letter: Bytes::from_static(b"letter"), standing }
        }
        9 => Event::Compensated { body: json("{}") },
        10 => Event::LateDropped { reason: reason(rng) },
        11 => Event::NotRun,
        12 => {
            let verb = [Verb::Retry, Verb::Compensate, Verb::Skip, Verb::Close][rng.usize(0..4)];
            Event::Acted { verb, who: "ann".to_owned(), reason: None }
        }
        _ => {
            let status =
                [EndStatus::Completed, EndStatus::Compensated, EndStatus::CompensationFailed, EndStatus::Closed];
            Event::Ended { status: status[rng.usize(0..4)] }
        }
    }
}

async fn check(subject: &dyn Subject) {
    let store = subject.store();
    let mut expected = Vec::new();
    for index in 0..12 {
        let journal = store.journal(&global_id(&format!("saga-{index}"))).await.expect("the journal is readable");
        let told = journal.iter().skip_while(|record| matches!(record.event, Event::LateDropped { .. }));
        expected.extend(Saga::fold(told).as_ref().map(Summary::from));
    }
    expected.sort_by(|left, right| {
        right.started_at.cmp(&left.started_at).then_with(|| left.global_id.cmp(&right.global_id))
    });
    assert_eq!(list(&*store, None).await, expected);
    let counts = store.statistics().await.expect("the counts are readable");
    assert_eq!(counts.sagas, expected.len() as u64);
    for (status, count) in Status::ALL.into_iter().zip(counts.by_status) {
        let of_status: Vec<_> = expected.iter().filter(|summary| summary.status == status).cloned().collect();
        assert_eq!(count, of_status.len() as u64, "{status:?}");
        assert_eq!(list(&*store, Some(status)).await, of_status, "{status:?}");
    }
    check_groups(&*store, &expected).await;
    assert_eq!(store.feed(Lsn(0), 10).await.expect("the feed is readable"), [], "what is folded leaves the feed");
}

async fn list(store: &dyn Store, status: Option<Status>) -> Vec<Summary> {
    store.list(&ListQuery { status, limit: 100, ..ListQuery::default() }).await.expect("the list is readable").items
}

async fn check_groups(store: &dyn Store, summaries: &[Summary]) {
    let mut expected: BTreeMap<GroupId, Vec<_>> = BTreeMap::new();
    for summary in summaries {
        if let (Some(group), Some(trouble)) = (summary.group(), summary.error()) {
            expected.entry(group).or_default().push((trouble.since, summary.global_id.clone()));
        }
    }
    let query = ErrorQuery { limit: 1000, ..ErrorQuery::default() };
    let groups = store.error_groups(&query).await.expect("the groups are readable").items;
    assert_eq!(groups.len(), expected.len());
    assert!(groups.is_sorted_by_key(|group| std::cmp::Reverse(group.count)));
    for group in groups {
        let mut members = expected.remove(&group.group).expect("the group has members");
        members.sort();
        assert_eq!((group.count, group.first_at), (members.len() as u64, members[0].0));
        let members: Vec<_> = members.into_iter().map(|(_, global_id)| global_id).collect();
        assert_eq!(store.group_members(&group.group, 100).await.expect("they are readable"), members);
        assert_eq!(group.examples, members[..members.len().min(5)]);
        assert!(!group.reason.is_empty() && group.last_at >= group.first_at);
    }
}
