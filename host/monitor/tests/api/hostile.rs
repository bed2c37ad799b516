//! What no honest client sends: broken heads, two framings at once, bytes that drip, ears that stay shut. Each is
//! answered with a problem document where somebody can still hear it, and the others are served meanwhile.

use std::time::Duration;

use crate::client::Client;
use crate::host::{Host, LONG};
use crate::records::{dead_lettered, ended};
use host_core::record::EndStatus;

const PATH: &str = "/v1/use-cases/shop/sagas";

/// What one raw text is answered, and that nothing follows on its connection.
async fn answered(host: &Host, text: &[u8], status: u16, code: &str) {
    let mut client = host.client().await;
    client.send(text).await;
    let reply = client.reply().await;
    reply.problem(status, code);
    assert!(client.is_closed().await, "{}", String::from_utf8_lossy(text));
    assert_eq!(host.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_head_that_is_no_http_is_refused_in_words() {
    let host = Host::start().await;
    let tls: &[u8] = &[0x16, 3, 1, 0, 0xa5, 1, 0, 0, 0xa1, 3, 3, b'\r', b'\n', b'\r', b'\n'];
    let heads: [&[u8]; 18] = [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1 more\r\nhost: localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"G\xffT / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost : localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n: no-name\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: +5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0x5\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5, 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked, identity\r\n\r\n",
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
        tls,
    ];
    for head in heads {
        answered(&host, head, 400, "bad-request").await;
    }
    answered(&host, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad-request").await;
    answered(&host, b"GET / HTTP/1.1\r\n\r\n", 400, "bad-request").await;
    answered(&host, b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n", 400, "bad-request").await;
}

#[tokio::test]
async fn the_answer_before_a_broken_head_goes_out_whole() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send("GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\nGARBAGE\r\n\r\n").await;
    assert_eq!(client.reply().await.json()["openapi"], "3.1.0");
    client.reply().await.problem(400, "bad-request");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn no_request_is_smuggled_behind_another() {
    let host = Host::start().await;
    let framings = [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: Chunked\r\nconnection: keep-alive\r\n",
    ];
    for framing in framings {
        let mut client = host.client().await;
        let smuggled =
            format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\nglobal-id: smuggled\r\ncontent-length: 2\r\n\r\n{{}}");
        client
            .send(format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n2\r\n{{}}\r\n0\r\n\r\n{smuggled}"))
            .await;
        client.reply().await.expect(202, "started");
        assert!(client.is_closed().await, "{framing}");
    }
    let ids = host.door.starts.lock().unwrap().iter().map(|start| start.global_id.clone().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids.len(), framings.len());
    assert!(ids.iter().all(|id| id.as_str() != "smuggled"));
}

#[tokio::test]
async fn chunks_that_lie_start_nothing() {
    let host = Host::start().await;
    for chunks in [
        "-1\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "ffffffffffffffffff\r\n{}",
        "2\r\n{}more\r\n0\r\n\r\n",
        "g\r\n\r\n",
    ] {
        let mut client = host.client().await;
        client
            .send(format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{chunks}"))
            .await;
        client.reply().await.problem(400, "bad-request");
        assert!(client.is_closed().await, "{chunks}");
    }
    assert!(host.door.starts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_asks_whether_to_go_on_is_told() {
    let host = Host::limited(|limits| limits.body_bytes_max = 100).await;
    let head = |bytes: usize| {
        format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: {bytes}\r\n\r\n")
    };
    let mut client = host.client().await;
    client.send(head(2)).await;
    assert_eq!(client.head().await.0, 100);
    client.send("{}").await;
    client.reply().await.expect(202, "started");
    let mut client = host.client().await;
    client.send(head(200)).await;
    client.reply().await.problem(413, "too-large");
    let mut client = host.client().await;
    client.send(head(2).replace("host: localhost", "host: evil.example")).await;
    client.reply().await.problem(403, "forbidden-origin");
}

#[tokio::test]
async fn requests_in_a_row_are_answered_in_a_row() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let ask = |number: usize| format!("GET /v1/sagas/s{number} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    client.send((0..200).map(ask).collect::<String>()).await;
    for number in 0..200 {
        let problem = client.reply().await.problem(404, "unknown-saga");
        assert_eq!(problem["detail"], format!("there is no saga s{number}"));
    }
}

#[tokio::test]
async fn older_and_odder_forms_of_a_request_are_understood() {
    let host = Host::start().await;
    let status = async |text: &str| {
        let mut client = host.client().await;
        client.send(text).await;
        client.reply().await
    };
    let mut old = host.client().await;
    old.send("GET /healthz HTTP/1.0\r\n\r\n").await;
    assert_eq!(old.reply().await.status, 200);
    assert!(old.is_closed().await, "HTTP/1.0 keeps no connection");
    let mut kept = host.client().await;
    for _ in 0..2 {
        kept.send("GET /healthz HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
        assert_eq!(kept.reply().await.status, 200);
    }
    let own = host.handle.address();
    assert_eq!(status(&format!("GET http://{own}/healthz HTTP/1.1\r\nhost: {own}\r\n\r\n")).await.status, 200);
    let foreign = status("GET http://evil.example/v1/sagas HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    foreign.problem(403, "forbidden-origin");
    status("OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n").await.problem(404, "unknown-path");
    status("GET no-slash HTTP/1.1\r\nhost: localhost\r\n\r\n").await.problem(403, "forbidden-origin");
    status("CONNECT evil.example:443 HTTP/1.1\r\nhost: localhost\r\n\r\n").await.problem(403, "forbidden-origin");
    let connect = status(&format!("CONNECT {own} HTTP/1.1\r\nhost: {own}\r\n\r\n")).await;
    assert!(matches!(connect.status, 404 | 405), "{}", connect.text());
    let upgrade = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n";
    assert_eq!(status(upgrade).await.status, 200, "an upgrade is an offer, and is passed over");
}

/// Feed a connection byte by byte, and ask on another one in between, until the host has had enough.
async fn dripped(host: &Host, begin: &str, drip: &str) -> Client {
    let mut slow = host.client().await;
    slow.send(begin).await;
    let mut other = host.client().await;
    let fed = async {
        while slow.try_send(drip).await {
            assert_eq!(other.request("GET", "/healthz", &[], b"").await.status, 200, "others are served");
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, fed).await.expect("the host does not listen for ever");
    slow
}

#[tokio::test]
async fn a_head_or_a_body_that_drips_is_not_waited_for_and_others_are_served() {
    let host = Host::limited(|limits| {
        limits.head_timeout = Duration::from_millis(100);
        limits.body_timeout = Duration::from_millis(100);
    })
    .await;
    dripped(&host, "GET /v1/sagas HTTP/1.1\r\nhost: localhost\r\nx: ", "x").await;
    let begin = format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n\"");
    dripped(&host, &begin, "x").await;
    let begin = format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n");
    dripped(&host, &begin, "1\r\n \r\n").await;
    assert!(host.door.starts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn connections_that_ask_nothing_make_room_for_those_that_ask() {
    let host = Host::limited(|limits| limits.connection_count_max = 20).await;
    let mut silent = Vec::new();
    for _ in 0..100 {
        silent.push(host.client().await);
        if silent.len() == 1 {
            silent[0].send("GET /v1/sagas HTTP/1.1\r\nho").await;
        }
    }
    assert_eq!(host.get("/healthz").await.status, 200, "a fresh client is served");
    for first in &mut silent[..80] {
        assert!(first.is_closed().await, "those that were silent longest are gone");
    }
    let metrics = host.get("/metrics").await;
    assert!(!metrics.text().contains("saga_http_connections_cut_total{why=\"made-room\"} 0\n"));
    assert!(metrics.text().contains("saga_http_connections_refused_total 0\n"));
}

#[tokio::test]
async fn a_connection_that_is_being_answered_keeps_its_place() {
    let host = Host::limited(|limits| limits.connection_count_max = 2).await;
    let mut follower = host.client().await;
    follower.send("GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(follower.head().await.0, 200);
    follower.chunk().await.expect("the greeting");
    let mut sending = host.client().await;
    sending
        .send(format!("POST {PATH} HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n"))
        .await;
    assert_eq!(sending.head().await.0, 100);
    for _ in 0..5 {
        host.client().await.reply().await.problem(503, "busy");
    }
    sending.send("{}").await;
    let started = sending.reply().await.expect(202, "started");
    let event = String::from_utf8(follower.chunk().await.expect("an event")).unwrap();
    assert!(event.contains(started["global-id"].as_str().unwrap()), "{event}");
}

#[tokio::test]
async fn a_follower_that_never_reads_is_cut_off_and_the_others_miss_nothing() {
    let host = Host::limited(|limits| limits.write_stall_timeout = Duration::from_millis(100)).await;
    let mut deaf = host.client().await;
    deaf.send("GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(deaf.head().await.0, 200);
    let reason = "x".repeat(4000);
    let cut = async {
        for number in 0.. {
            let batch = (0..100).map(|saga| dead_lettered(&format!("s{number}-{saga}"), 0, &reason)).collect();
            host.committer.commit(batch).await;
            let metrics = host.get("/metrics").await;
            if metrics.text().contains("saga_http_connections_cut_total{why=\"stopped-reading\"} 1\n") {
                assert!(metrics.text().contains("saga_event_followers 0\n"));
                return;
            }
        }
    };
    tokio::time::timeout(LONG, cut).await.expect("what is not read has a bound");
    let mut follower = host.client().await;
    follower.send("GET /v1/events?global-id=last HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert_eq!(follower.head().await.0, 200);
    follower.chunk().await.expect("the greeting");
    host.committer.commit(vec![dead_lettered("last", 0, "heard")]).await;
    let event = String::from_utf8(follower.chunk().await.expect("an event")).unwrap();
    assert!(event.contains("\"reason\":\"heard\""), "{event}");
}

#[tokio::test]
async fn a_preference_to_wait_for_ages_is_cut_to_what_the_host_waits() {
    let host = Host::start().await;
    host.door.after_start(|global_id| vec![vec![ended(global_id.as_str(), 0, EndStatus::Completed)]]);
    let mut client = host.client().await;
    for wait in ["wait=1000000000000", "wait=1e15", "wait=300.5"] {
        let reply = client.request("POST", PATH, &[("prefer", wait)], b"{}").await;
        reply.expect(200, "outcome");
        assert_eq!(reply.headers["preference-applied"], "wait=300", "{wait}");
    }
}

#[tokio::test]
async fn a_key_that_was_used_with_another_body_is_refused() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let mut start =
        async |header: &str, body: &str| client.request("POST", PATH, &[(header, "k-1")], body.as_bytes()).await;
    start("idempotency-key", "{\"a\":1,\"b\":[2]}").await.expect(202, "started");
    for same in ["{\"a\":1,\"b\":[2]}", " { \"b\": [ 2 ], \"a\": 1 }\n"] {
        start("idempotency-key", same).await.expect(202, "started");
        start("global-id", same).await.expect(202, "started");
    }
    for other in ["{\"a\":1,\"b\":[3]}", "{\"a\":1}", "null", "{\"a\":\"1\",\"b\":[2]}"] {
        let problem = start("idempotency-key", other).await.problem(409, "body-differs");
        assert_eq!(problem["detail"], "saga k-1 was started with another body; choose another id or key for this one");
    }
}
