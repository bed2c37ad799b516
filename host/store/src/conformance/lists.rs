//! The projection: lists, filters, pages, error groups, counts.

use host_core::id::GlobalId;
use host_core::record::{EndStatus, Event, Record, Verb};
use host_core::saga::Status;

use super::journal::folded;
use super::sample::{
    Compensate, Handle, address, at, completed, dead_lettered, done, ended, global_id, record, retried, started, unit,
    use_case,
};
use super::{Backend, project_all, submit};
use crate::{Error, ErrorGroup, ErrorQuery, GroupId, ListQuery, Store, Summary};

fn all() -> ListQuery {
    ListQuery { limit: 1000, ..ListQuery::default() }
}

async fn list(store: &dyn Store, query: &ListQuery) -> Vec<Summary> {
    let page = store.list(query).await.expect("the list is readable");
    assert_eq!(page.next_cursor, None, "the tests' lists fit one page");
    page.items
}

async fn ids(store: &dyn Store, query: &ListQuery) -> Vec<String> {
    list(store, query).await.iter().map(|summary| summary.global_id.to_string()).collect()
}

async fn groups(store: &dyn Store) -> Vec<ErrorGroup> {
    let query = ErrorQuery { limit: 100, ..ErrorQuery::default() };
    store.error_groups(&query).await.expect("the groups are readable").items
}

fn of_use_case(name: &str, records: Vec<Record>) -> Vec<Record> {
    records.into_iter().map(|record| Record { use_case: Some(use_case(name)), ..record }).collect()
}

pub async fn sagas_are_listed_newest_first(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let sagas = [("old", 10), ("new", 30), ("middle", 20), ("b", 20)];
    folded(&*subject, sagas.map(|(id, ms)| completed(&global_id(id), 2, ms))).await;
    let store = subject.store();
    assert_eq!(ids(&*store, &all()).await, ["new", "b", "middle", "old"]);
    assert_eq!(ids(&*store, &ListQuery { since: Some(at(20)), ..all() }).await, ["new", "b", "middle"]);
    assert_eq!(ids(&*store, &ListQuery { since: Some(at(31)), ..all() }).await, [] as [&str; 0]);
}

pub async fn a_saga_stands_where_its_journal_says(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    let id = global_id("saga");
    let waits = Event::Waiting { key: super::sample::wait_key("k"), reason: "not yet".to_owned(), until: at(99) };
    let refusal = super::sample::failure(1, Handle, 5, "no-stock", "none left");
    let steps = [
        (started(&id, 3, 0), Status::Running, 0, false),
        (retried(&id, 0, 1, "busy"), Status::Running, 0, true),
        (done(&id, 0, 2), Status::Running, 1, false),
        (record(&id, 1, Handle, 3, waits), Status::Waiting, 1, true),
        (record(&id, 1, Handle, 4, Event::Signalled { key: super::sample::wait_key("k") }), Status::Running, 1, false),
        (
            record(&id, 1, Handle, 5, Event::Rejected { failure: refusal, details: None }),
            Status::Compensating,
            0,
            false,
        ),
        (dead_lettered(&id, 0, Compensate, 6, "broken"), Status::CompensationFailed, 0, false),
        (act(&id, 0, 7, Verb::Retry), Status::Compensating, 0, false),
        (record(&id, 0, Compensate, 8, Event::NotRun), Status::Compensating, 0, false),
        (ended(&id, 0, 9, EndStatus::Compensated), Status::Compensated, 0, false),
    ];
    for (ms, (record, status, step, is_pending)) in (0..).zip(steps) {
        let event = record.event.as_str();
        submit(&*subject, unit([record])).await;
        subject.sync().await;
        project_all(&*store).await;
        let listed = list(&*store, &all()).await;
        let [summary] = listed.as_slice() else { panic!("one saga, {} summaries", listed.len()) };
        assert_eq!((summary.status, summary.step.as_ref()), (status, Some(&address(step))), "after {event}");
        assert_eq!((summary.started_at, summary.updated_at), (at(0), at(ms)), "after {event}");
        assert_eq!(summary.pending.is_some(), is_pending, "after {event}");
        assert_eq!(summary.dead_letter.is_some(), event == "dead-lettered");
        assert_eq!(summary.ended, event == "ended");
        assert_eq!(list(&*store, &ListQuery { status: Some(status), ..all() }).await, listed, "after {event}");
    }
}

fn act(id: &GlobalId, position: u16, ms: u64, verb: Verb) -> Record {
    record(id, position, Compensate, ms, Event::Acted { verb, who: "ann".to_owned(), reason: None })
}

pub async fn filters_can_be_combined(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let stands = |id: &str, ms, step| {
        let id = global_id(id);
        let mut records = vec![started(&id, 3, ms)];
        records.extend((0..step).map(|position| done(&id, position, ms)));
        records
    };
    let sagas = [
        of_use_case("shop", stands("shop-0", 1, 0)),
        of_use_case("shop", stands("shop-1", 2, 1)),
        of_use_case("pay", stands("pay-1", 3, 1)),
        of_use_case("shop", completed(&global_id("shop-done"), 3, 4)),
        of_use_case(
            "pay",
            [stands("pay-failed", 5, 1), vec![dead_lettered(&global_id("pay-failed"), 1, Handle, 6, "x")]].concat(),
        ),
    ];
    folded(&*subject, sagas).await;
    let store = subject.store();
    let shop = Some(use_case("shop").name);
    let query = |use_case: &Option<_>, status, step: Option<u16>, since: Option<u64>| ListQuery {
        use_case: use_case.clone(),
        status,
        step: step.map(address),
        since: since.map(at),
        ..all()
    };
    let found = async |query: ListQuery| ids(&*store, &query).await.join(" ");
    assert_eq!(found(query(&shop, None, None, None)).await, "shop-done shop-1 shop-0");
    assert_eq!(found(query(&shop, Some(Status::Running), None, None)).await, "shop-1 shop-0");
    assert_eq!(found(query(&None, Some(Status::Running), Some(1), None)).await, "pay-1 shop-1");
    assert_eq!(found(query(&None, Some(Status::Running), Some(1), Some(3))).await, "pay-1");
    assert_eq!(found(query(&shop, Some(Status::Completed), None, None)).await, "shop-done");
    assert_eq!(found(query(&None, Some(Status::Failed), None, None)).await, "pay-failed");
    assert_eq!(found(query(&None, None, Some(1), None)).await, "pay-failed pay-1 shop-1");
    assert_eq!(found(query(&shop, Some(Status::Failed), None, None)).await, "");
}

pub async fn pages_hold_every_saga_once(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    // Many starts in the same millisecond: the id decides the order.
    let sagas = (0..1200u64).map(|index| {
        let id = global_id(&format!("saga-{index:04}"));
        if index % 5 == 0 { vec![started(&id, 2, index / 100)] } else { completed(&id, 2, index / 100) }
    });
    folded(&*subject, sagas).await;
    let store = subject.store();
    for (status, expected) in [(None, 1200), (Some(Status::Running), 240), (Some(Status::Completed), 960)] {
        for limit in [1, 7, 600, 5000].into_iter().filter(|limit| *limit > 1 || expected < 300) {
            let mut query = ListQuery { status, limit, ..ListQuery::default() };
            let mut found = Vec::new();
            loop {
                let page = store.list(&query).await.expect("the page is readable");
                assert!(page.items.len() <= limit, "a page holds no more than was asked for");
                found.extend(page.items.into_iter().map(|summary| (summary.started_at, summary.global_id)));
                query.cursor = page.next_cursor;
                if query.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(found.len(), expected, "{status:?} by {limit}");
            assert!(found.is_sorted_by(|one, next| one.0 > next.0 || (one.0 == next.0 && one.1 < next.1)));
        }
    }
}

pub async fn a_foreign_cursor_is_refused(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    folded(&*subject, (0..4).map(|ms| completed(&global_id(&format!("saga-{ms}")), 1, ms))).await;
    let store = subject.store();
    let page = store.list(&ListQuery { limit: 2, ..ListQuery::default() }).await.expect("the list is readable");
    let good = page.next_cursor.expect("there are more");
    let with = |cursor: &str, status| ListQuery { cursor: Some(cursor.to_owned()), status, ..all() };
    assert_eq!(ids(&*store, &with(&good, None)).await, ["saga-1", "saga-0"]);
    for (cursor, status) in [("", None), ("0", None), ("null", None), ("ffff", None), (&good[2..], None)] {
        let refused = store.list(&with(cursor, status)).await;
        assert!(matches!(refused, Err(Error::Cursor)), "{cursor:?}");
    }
    assert!(matches!(store.list(&with(&good, Some(Status::Completed))).await, Err(Error::Cursor)));
    let errors = ErrorQuery { cursor: Some(good), ..ErrorQuery::default() };
    assert!(matches!(store.error_groups(&errors).await, Err(Error::Cursor)));
}

fn failing(id: &str, ms: u64, reason: &str) -> Vec<Record> {
    let id = global_id(id);
    vec![started(&id, 2, ms), dead_lettered(&id, 0, Handle, ms + 1, reason)]
}

pub async fn causes_are_grouped_and_counted(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let sagas = (0..7u64).map(|index| failing(&format!("order-{index}"), index, &format!("order {index} is gone")));
    folded(&*subject, sagas).await;
    folded(
        &*subject,
        [failing("other", 3, "stock is empty"), of_use_case("pay", failing("pay", 4, "order 9 is gone"))],
    )
    .await;
    let id = global_id("retries");
    folded(&*subject, [vec![started(&id, 2, 50), retried(&id, 0, 51, "busy")]]).await;
    folded(&*subject, [vec![retried(&id, 0, 61, "busy")], completed(&global_id("well"), 2, 5)]).await;
    let store = subject.store();
    let found = groups(&*store).await;
    assert_eq!(found.iter().map(|group| group.count).collect::<Vec<_>>(), [7, 1, 1, 1]);
    let first = &found[0];
    assert_eq!((first.code.as_str(), first.kind.as_str(), &first.step), ("no-luck", "retry-exhausted", &address(0)));
    assert_eq!((first.use_case.clone(), first.direction), (Some(use_case("sample").name), Handle));
    assert_eq!((first.first_at, first.last_at), (at(1), at(7)));
    assert_eq!(first.examples, ["order-0", "order-1", "order-2", "order-3", "order-4"].map(global_id));
    assert!(first.reason.ends_with("is gone"));
    let retrying = found.iter().find(|group| group.kind == "retrying").expect("a retry under way is visible");
    // Since the first call began, which the sample record puts a millisecond before it was answered.
    assert_eq!((retrying.first_at, retrying.last_at, retrying.reason.as_str()), (at(50), at(61), "busy"));
    // Pages and the filter agree with the whole.
    let mut query = ErrorQuery { limit: 1, ..ErrorQuery::default() };
    let mut paged = Vec::new();
    loop {
        let page = store.error_groups(&query).await.expect("the page is readable");
        paged.extend(page.items);
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, found);
    let query = ErrorQuery { use_case: Some(use_case("pay").name), limit: 10, cursor: None };
    let of_pay = store.error_groups(&query).await.expect("the groups are readable").items;
    assert_eq!(of_pay.iter().map(|group| group.examples.clone()).collect::<Vec<_>>(), [[global_id("pay")]]);
}

pub async fn a_cause_that_is_gone_is_not_listed(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    folded(&*subject, [failing("one", 0, "broken"), failing("two", 1, "broken")]).await;
    let acted = |id: &str, verb, ms| {
        record(&global_id(id), 0, Handle, ms, Event::Acted { verb, who: "ann".to_owned(), reason: None })
    };
    folded(&*subject, [vec![acted("one", Verb::Retry, 5)]]).await;
    assert_eq!(groups(&*store).await[0].count, 1);
    folded(&*subject, [vec![retried(&global_id("one"), 0, 6, "again")]]).await;
    assert_eq!(groups(&*store).await.iter().map(|group| group.kind.clone()).collect::<Vec<_>>().len(), 2);
    folded(&*subject, [vec![done(&global_id("one"), 0, 7)]]).await;
    let close = [acted("two", Verb::Close, 8), ended(&global_id("two"), 0, 9, EndStatus::Closed)];
    folded(&*subject, [close.to_vec()]).await;
    assert_eq!(groups(&*store).await, []);
}

pub async fn members_of_a_group_are_named(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let store = subject.store();
    folded(&*subject, (0..20).map(|index| failing(&format!("saga-{index:02}"), index, "broken"))).await;
    folded(&*subject, [failing("other", 0, "something else")]).await;
    let group = groups(&*store).await[0].group.clone();
    let listed = list(&*store, &ListQuery { status: Some(Status::Failed), ..all() }).await;
    let expected: Vec<_> = listed.iter().rev().filter(|summary| summary.group() == Some(group.clone())).collect();
    let members = store.group_members(&group, 100).await.expect("they are readable");
    assert_eq!(members, expected.iter().map(|summary| summary.global_id.clone()).collect::<Vec<_>>());
    assert_eq!(members.len(), 20);
    assert_eq!(store.group_members(&group, 3).await.expect("they are readable"), members[..3]);
    for unknown in ["", "0000000000000000", "no group", "ééé"] {
        assert_eq!(store.group_members(&GroupId::new(unknown), 3).await.expect("nobody is in it"), []);
    }
}

pub async fn counts_follow_the_sagas(backend: &dyn Backend) {
    let mut subject = backend.fresh().await;
    folded(&*subject, [completed(&global_id("a"), 1, 0), failing("b", 0, "x"), vec![started(&global_id("c"), 2, 0)]])
        .await;
    let expect = async |subject: &dyn super::Subject, expected: &[(Status, u64)]| {
        let statistics = subject.store().statistics().await.expect("the counts are readable");
        for (status, count) in Status::ALL.into_iter().zip(statistics.by_status) {
            let wanted = expected.iter().find(|(wanted, _)| *wanted == status).map_or(0, |(_, count)| *count);
            assert_eq!(count, wanted, "{status:?}");
        }
        assert_eq!(statistics.sagas, 3);
        assert!(statistics.disk_bytes > 0, "what is stored takes room");
    };
    expect(&*subject, &[(Status::Completed, 1), (Status::Failed, 1), (Status::Running, 1)]).await;
    folded(
        &*subject,
        [vec![
            done(&global_id("c"), 0, 1),
            done(&global_id("c"), 1, 2),
            ended(&global_id("c"), 1, 3, EndStatus::Completed),
        ]],
    )
    .await;
    subject = subject.restart().await;
    expect(&*subject, &[(Status::Completed, 2), (Status::Failed, 1)]).await;
}

pub async fn a_late_message_of_a_forgotten_saga_makes_no_saga(backend: &dyn Backend) {
    let subject = backend.fresh().await;
    let id = global_id("forgotten");
    let late = |ms| record(&id, 0, Handle, ms, Event::LateDropped { reason: "it has ended".to_owned() });
    folded(&*subject, [vec![late(0)]]).await;
    folded(&*subject, [vec![late(1)]]).await;
    let store = subject.store();
    assert_eq!(list(&*store, &all()).await, []);
    assert_eq!(store.statistics().await.expect("the counts are readable").sagas, 0);
    folded(&*subject, [vec![started(&id, 1, 2)], vec![late(3)]]).await;
    assert_eq!(list(&*store, &all()).await.len(), 1);
    drop(store);
    let subject = subject.restart().await;
    folded(&*subject, [vec![done(&id, 0, 4)], vec![late(5)]]).await;
    assert_eq!(list(&*subject.store(), &all()).await.len(), 1);
    assert_eq!(subject.store().statistics().await.expect("the counts are readable").sagas, 1);
}
