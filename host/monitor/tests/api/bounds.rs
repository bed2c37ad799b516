//! Nobody can use up the host: bodies, heads, connections, slow senders, slow readers.

use std::time::Duration;

use crate::client::Client;
use crate::host::Host;
use crate::records::completed;

const PATH: &str = "/v1/use-cases/shop/sagas";

fn text(bytes: usize) -> Vec<u8> {
    format!("\"{}\"", "x".repeat(bytes - 2)).into_bytes()
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_bound_and_no_larger() {
    let host = Host::limited(|limits| limits.body_bytes_max = 100_000).await;
    let mut client = host.client().await;
    client.request("POST", PATH, &[], &text(100_000)).await.expect(202, "started");
    let problem = client.request("POST", PATH, &[], &text(100_001)).await.problem(413, "too-large");
    assert_eq!(problem["detail"], "the body is larger than 100000 bytes");
    client.request("POST", PATH, &[], &text(10)).await.expect(202, "started");
}

#[tokio::test]
async fn a_body_without_a_declared_length_is_bounded_as_well() {
    let host = Host::limited(|limits| limits.body_bytes_max = 100_000).await;
    let mut client = host.client().await;
    let chunked = |body: &[u8]| {
        let mut text = Vec::new();
        for chunk in body.chunks(7000) {
            text.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            text.extend_from_slice(chunk);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"0\r\n\r\n");
        text
    };
    let headers = [("transfer-encoding", "chunked")];
    client.request("POST", PATH, &headers, &chunked(&text(100_000))).await.expect(202, "started");
    assert!(client.is_closed().await, "nothing follows a chunked request on its connection");
    let mut client = host.client().await;
    assert_eq!(host.door.starts.lock().unwrap()[0].body.len(), 100_000);
    client.request("POST", PATH, &headers, &chunked(&text(400_000))).await.problem(413, "too-large");
    assert_eq!(host.door.starts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_absurd_length_is_refused_without_reading() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send(format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999999999\r\n\r\n")).await;
    client.reply().await.problem(413, "too-large");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let host = Host::limited(|limits| limits.body_timeout = Duration::from_millis(30)).await;
    let mut client = host.client().await;
    client.send(format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\n{{\"a\"")).await;
    let reply = client.reply().await;
    reply.problem(408, "request-timeout");
    assert_eq!(reply.headers["connection"], "close");
    assert!(client.is_closed().await);
    assert!(host.door.starts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let host = Host::limited(|limits| limits.head_timeout = Duration::from_millis(30)).await;
    let mut silent = host.client().await;
    let mut slow = host.client().await;
    slow.send("GET /v1/sagas HTTP/1.1\r\nhost:").await;
    let mut idle = host.client().await;
    assert_eq!(idle.request("GET", "/healthz", &[], b"").await.status, 200);
    slow.reply().await.problem(408, "request-timeout");
    for client in [&mut silent, &mut slow, &mut idle] {
        assert!(client.is_closed().await);
    }
    let metrics = host.get("/metrics").await;
    for line in ["{why=\"slow-head\"} 1", "{why=\"idle\"} 2"] {
        assert!(metrics.text().contains(&format!("saga_http_connections_cut_total{line}\n")), "{line}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let long = "x".repeat(100_000);
    client.send(format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-long: {long}\r\n\r\n")).await;
    client.reply().await.problem(431, "head-too-large");
    let many = "x: y\r\n".repeat(200);
    let mut client = host.client().await;
    client.send(format!("GET / HTTP/1.1\r\nhost: localhost\r\n{many}\r\n")).await;
    client.reply().await.problem(431, "head-too-large");
    let mut client = host.client().await;
    client.send(format!("GET /v1/sagas?cursor={long} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
    client.reply().await.problem(431, "head-too-large");
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_the_others_go_on() {
    let host = Host::limited(|limits| limits.connection_count_max = 2).await;
    let (mut first, mut second) = (host.client().await, host.client().await);
    for client in [&mut first, &mut second] {
        assert_eq!(client.request("GET", "/healthz", &[], b"").await.status, 200);
    }
    host.client().await.reply().await.problem(503, "busy");
    assert_eq!(first.request("GET", "/healthz", &[], b"").await.status, 200);
    drop(second);
    let free = async {
        // The place is free as soon as the host has seen the end of the other connection.
        while Client::connect(host.handle.address()).await.request("GET", "/healthz", &[], b"").await.status != 200 {}
    };
    tokio::time::timeout(crate::host::LONG, free).await.expect("the place becomes free");
    let metrics = first.request("GET", "/metrics", &[], b"").await;
    let refused = metrics.text().lines().find(|line| line.starts_with("saga_http_connections_refused_total "));
    assert!(refused.is_some_and(|line| !line.ends_with(" 0")), "{refused:?}");
}

#[tokio::test]
async fn a_client_that_stops_reading_is_cut_off() {
    let host = Host::limited(|limits| limits.write_stall_timeout = Duration::from_millis(50)).await;
    let body = format!("\"{}\"", "x".repeat(900_000));
    host.commit(completed("large", &body)).await;
    let mut client = host.client().await;
    // Answers of tens of megabytes, of which nothing is read.
    for _ in 0..30 {
        client.send("GET /v1/sagas/large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    }
    let mut watching = host.client().await;
    let gone = async {
        loop {
            let metrics = watching.request("GET", "/metrics", &[], b"").await;
            if metrics.text().contains("\nsaga_http_connections 1\n") {
                return;
            }
        }
    };
    tokio::time::timeout(crate::host::LONG, gone).await.expect("the connection is closed");
}

#[tokio::test]
async fn large_bodies_take_turns() {
    let host = Host::limited(|limits| {
        limits.bodies_bytes_max = 64 << 10;
        limits.body_bytes_max = 64 << 10;
        limits.meta_bytes_max = 0;
        limits.turn_timeout = Duration::from_millis(20);
        limits.body_timeout = Duration::from_secs(60);
    })
    .await;
    // The budget has room for one answer of a worker, whatever it is set to: as much as three messages.
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut client = host.client().await;
        client.send(format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 65536\r\n\r\n\"")).await;
        slow.push(client);
    }
    let busy = async {
        let mut other = host.client().await;
        loop {
            let reply = other.request("POST", PATH, &[], &text(60_000)).await;
            if reply.status == 503 {
                return reply.problem(503, "busy");
            }
        }
    };
    tokio::time::timeout(crate::host::LONG, busy).await.expect("the budget is used up by the slow ones");
    for client in &mut slow {
        client.send([vec![b'x'; 65_534], vec![b'"']].concat()).await;
        client.reply().await.expect(202, "started");
    }
    host.client().await.request("POST", PATH, &[], &text(60_000)).await.expect(202, "started");
}

#[tokio::test]
async fn one_body_at_its_bound_fits_however_small_the_budget() {
    let host = Host::limited(|limits| (limits.bodies_bytes_max, limits.body_bytes_max) = (1000, 100_000)).await;
    host.client().await.request("POST", PATH, &[], &text(100_000)).await.expect(202, "started");
    let chunked = [("transfer-encoding", "chunked")];
    host.client().await.request("POST", PATH, &chunked, b"2\r\n{}\r\n0\r\n\r\n").await.expect(202, "started");
}
