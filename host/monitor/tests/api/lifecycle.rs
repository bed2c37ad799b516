//! Beginning and end: nothing of the journal is left out of lists, whatever happened to the host before.

use std::sync::Arc;
use std::time::Duration;

use host_core::record::Event;
use host_store::Store;
use host_store::backends::memory::{Fault, MemoryTables};
use tokio::net::TcpStream;

use crate::fakes::Committer;
use crate::host::{Host, LONG, options};
use crate::records::{completed, id, record, started};

#[tokio::test]
async fn what_was_not_folded_before_is_folded_at_the_next_start() {
    let tables = Arc::new(MemoryTables::new());
    let before = Committer::new(tables.clone());
    let mut last = before.store.last_lsn();
    for number in 0..300 {
        last = before.commit(completed(&format!("s{number}"), "1")).await;
    }
    drop(before);
    let host = Host::start_on(options(), tables).await;
    host.projected(last).await;
    host.commit(vec![started("new", "1")]).await;
    let statistics = host.committer.store.statistics().await.unwrap();
    assert_eq!(statistics.sagas, 301);
    let listed = host.get("/v1/sagas?limit=1").await.expect(200, "list");
    assert_eq!(listed["sagas"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_committed_while_the_projector_catches_up_is_folded_once() {
    let tables = Arc::new(MemoryTables::new());
    let before = Committer::new(tables.clone());
    for number in 0..300 {
        before.commit(vec![started(&format!("s{number}"), "1")]).await;
    }
    drop(before);
    let host = Host::start_on(options(), tables).await;
    let mut last = host.committer.store.last_lsn();
    for number in 0..300 {
        let skipped = Event::Done { body: crate::records::json("1"), compensation: None };
        last = host.committer.commit(vec![record(&format!("s{number}"), 0, skipped)]).await;
    }
    host.projected(last).await;
    let metrics = host.get("/metrics").await;
    assert!(metrics.text().contains("\nsaga_projected_records_total 600\n"), "{}", metrics.text());
    let standing = host.get("/v1/sagas?step=shop.stock.reserve&limit=1000").await.expect(200, "list");
    assert_eq!(standing["sagas"].as_array().unwrap().len(), 300);
}

#[tokio::test]
async fn a_shutdown_ends_streams_and_waits_and_folds_what_is_queued() {
    let host = Host::start().await;
    let mut stream = host.client().await;
    stream.send("GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    stream.head().await;
    let mut waiting = host.client().await;
    let start = "POST /v1/use-cases/shop/sagas HTTP/1.1\r\nhost: localhost\r\nprefer: wait=300\r\n";
    waiting.send(format!("{start}content-length: 2\r\n\r\n{{}}")).await;
    while host.handle.watcher().count() == 0 {
        tokio::task::yield_now().await;
    }
    let mut last = host.committer.store.last_lsn();
    for number in 0..20 {
        last = host.committer.commit(completed(&format!("s{number}"), "1")).await;
    }
    let (address, store) = (host.handle.address(), host.committer.store.clone());
    tokio::time::timeout(LONG, host.handle.shutdown(Duration::from_secs(30))).await.expect("nothing holds it up");
    assert!(store.projected().await.unwrap() >= last, "what was queued is folded");
    waiting.reply().await.expect(202, "started");
    assert!(waiting.is_closed().await);
    while stream.chunk().await.is_some() {}
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn when_the_journal_ends_what_is_left_is_folded() {
    let host = Host::start().await;
    let last = host.committer.commit(completed("a", "1")).await;
    host.committer.end();
    host.projected(last).await;
    host.get("/healthz").await.expect(200, "health");
}

#[tokio::test]
async fn a_store_that_fails_makes_the_host_unready_but_waits_and_events_go_on() {
    let host = Host::start().await;
    host.commit(vec![started("a", "1")]).await;
    // The committer's next write succeeds, the projector's fails.
    host.committer.tables.fail_after(1, Fault::Write);
    let mut follower = host.handle.subscribe();
    let id = id("a");
    let (outcome, _) =
        tokio::join!(host.handle.wait(&id, LONG), host.committer.commit(completed("a", "7").split_off(1)));
    assert_eq!(outcome.unwrap().unwrap().body.as_str(), "7");
    assert!(follower.next().await.is_some());
    let unready = async {
        while host.get("/readyz").await.status != 503 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, unready).await.expect("the failure shows");
    let problem = host.get("/readyz").await.problem(503, "not-ready");
    assert!(problem["detail"].as_str().unwrap().contains("restart"), "{problem}");
}
