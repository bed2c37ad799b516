//! `/v1/events`: the journal as it happens.

use std::time::Duration;

use host_core::id::Lsn;
use host_core::record::EndStatus;
use serde_json::Value;

use crate::client::{Client, check};
use crate::host::{Host, LONG};
use crate::records::{done, ended, started, started_by};

/// One frame of the stream.
#[derive(Debug, PartialEq)]
struct Frame {
    id: Option<String>,
    event: String,
    data: Value,
}

struct Stream {
    client: Client,
    text: String,
}

impl Stream {
    async fn open(host: &Host, query: &str) -> Self {
        let mut client = host.client().await;
        client.send(format!("GET /v1/events{query} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
        let (status, headers) = client.head().await;
        assert_eq!((status, headers["content-type"].as_str()), (200, "text/event-stream"));
        let mut stream = Self { client, text: String::new() };
        assert_eq!(stream.block().await.as_deref(), Some("retry: 1000\n: connected"));
        stream
    }

    /// Lines up to the next empty one.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            self.text += std::str::from_utf8(&self.client.chunk().await?).unwrap();
        }
    }

    async fn frame(&mut self) -> Option<Frame> {
        let block = self.block().await?;
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        let data = serde_json::from_str(&field("data: ").unwrap()).unwrap();
        Some(Frame { id: field("id: "), event: field("event: ").unwrap(), data })
    }
}

#[tokio::test]
async fn each_record_is_an_event_with_the_place_of_its_batch() {
    let host = Host::start().await;
    host.commit(vec![started("before", "{}")]).await;
    let mut stream = Stream::open(&host, "").await;
    let first = host.committer.commit(vec![started("a", "{}"), done("a", 0, "1")]).await;
    let second = host.committer.commit(vec![ended("a", 0, EndStatus::Closed)]).await;
    let mut events = Vec::new();
    for lsn in [first, first, second] {
        let frame = stream.frame().await.unwrap();
        assert_eq!((frame.event.as_str(), frame.id), ("journal", Some(lsn.0.to_string())));
        check("record", &frame.data);
        assert_eq!(frame.data["global-id"], "a");
        events.push(frame.data["event"].as_str().unwrap().to_owned());
    }
    assert_eq!(events, ["started", "done", "ended"]);
}

#[tokio::test]
async fn a_filter_keeps_the_others_away() {
    let host = Host::start().await;
    let mut by_use_case = Stream::open(&host, "?use-case=review").await;
    let mut by_id = Stream::open(&host, "?global-id=b").await;
    let mut by_step = Stream::open(&host, "?step=shop.stock.reserve&global-id=").await;
    host.committer.commit(vec![started("a", "{}"), started("b", "{}"), started_by("review", "c")]).await;
    host.committer.commit(vec![done("a", 0, "1"), done("a", 1, "1")]).await;
    assert_eq!(by_use_case.frame().await.unwrap().data["global-id"], "c");
    assert_eq!(by_id.frame().await.unwrap().data["global-id"], "b");
    assert_eq!(by_step.frame().await.unwrap().data["position"], 1);
    for query in ["?use-case=A", "?global-id=%00", "?step=a", "?status=failed"] {
        host.get(&format!("/v1/events{query}")).await.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn silence_is_broken_by_comments() {
    let host = Host::limited(|limits| limits.heartbeat = Duration::from_millis(5)).await;
    let mut stream = Stream::open(&host, "").await;
    for _ in 0..3 {
        assert_eq!(stream.block().await.as_deref(), Some(": heartbeat"));
    }
}

#[tokio::test]
async fn who_reads_too_slowly_is_told_how_much_is_missing_and_goes_on() {
    let host = Host::start().await;
    let mut stream = Stream::open(&host, "").await;
    // More than the sockets and the hub can hold while nobody reads.
    let mut sent = 0;
    let mut last = Lsn::default();
    for _ in 0..600 {
        let records: Vec<_> = (0..200).map(|_| done("a", 0, "1")).collect();
        sent += records.len() as u64;
        last = host.committer.commit(records).await;
    }
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < sent {
        let frame = tokio::time::timeout(LONG, stream.frame()).await.expect("the stream goes on").unwrap();
        match frame.event.as_str() {
            "journal" => seen += 1,
            "lagged" => missed += frame.data["missed"].as_u64().unwrap(),
            other => panic!("{other}"),
        }
    }
    assert_eq!(seen + missed, sent);
    assert!(missed > 0, "the test means to be too slow");
    let next = host.committer.commit(vec![done("b", 0, "1")]).await;
    assert!(next > last);
    assert_eq!(stream.frame().await.unwrap().data["global-id"], "b");
}

#[tokio::test]
async fn too_many_followers_are_refused_and_a_place_becomes_free_again() {
    let host = Host::limited(|limits| {
        limits.stream_count_max = 1;
        limits.heartbeat = Duration::from_millis(5);
    })
    .await;
    let stream = Stream::open(&host, "").await;
    host.get("/v1/events").await.problem(503, "busy");
    drop(stream);
    // The host notices at the next heartbeat that nobody reads any more.
    let free = async {
        while host.get("/metrics").await.text().contains("\nsaga_event_followers 1\n") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, free).await.expect("the place becomes free");
    Stream::open(&host, "").await;
}

#[tokio::test]
async fn inside_the_process_one_can_follow_too() {
    let host = Host::start().await;
    let mut subscription = host.handle.subscribe();
    let lsn = host.committer.commit(vec![started("a", "{}")]).await;
    assert_eq!(subscription.next().await.and_then(|live| live.lsn()), Some(lsn));
}
