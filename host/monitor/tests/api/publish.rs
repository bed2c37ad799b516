//! Signals, and messages of foreign producers.

use host_monitor::door::Refusal;

use crate::host::Host;

#[tokio::test]
async fn a_signal_reaches_the_door() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let value = client.request("POST", "/v1/signals/customer%2F42", &[], b"").await.expect(202, "signalled");
    assert_eq!(value["key"], "customer/42");
    client.request("POST", "/v1/signals/other", &[], b"{\"ignored\":true}").await.expect(202, "signalled");
    let keys: Vec<_> = host.door.signals.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(keys, ["customer/42", "other"]);
    client.request("POST", "/v1/signals/%09", &[], b"").await.problem(400, "invalid-parameter");
    *host.door.refusal.lock().unwrap() = Some(Refusal::NotReady("it is stopping".to_owned()));
    client.request("POST", "/v1/signals/a", &[], b"").await.problem(503, "not-ready");
}

#[tokio::test]
async fn a_message_is_published_as_it_is() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let message = b"{\"meta\":{\"global-id\":\"a\",\"steps\":[\"shop.order.create\"]},\"body\":{}}";
    let reply = client.request("POST", "/v1/topics/shop.order.create.in?key=a%20b", &[], message).await;
    assert_eq!(reply.expect(202, "published")["topic"], "shop.order.create.in");
    client
        .request("POST", "/v1/topics/news", &[("content-type", "image/png")], b"\xff\x00not json")
        .await
        .expect(202, "published");
    let published = host.door.published.lock().unwrap();
    assert_eq!((published[0].1.as_deref(), &published[0].2[..]), (Some("a b"), &message[..]));
    assert_eq!((published[1].1.as_deref(), &published[1].2[..]), (None, &b"\xff\x00not json"[..]));
}

#[tokio::test]
async fn the_hosts_own_topics_and_names_that_are_none_are_refused() {
    let host = Host::start().await;
    for topic in ["saga.journal", "saga.commands", "saga.signals"] {
        host.post(&format!("/v1/topics/{topic}"), "{}").await.problem(403, "reserved-topic");
    }
    for topic in ["a%2Fb", "%2e%2e", "%20"] {
        host.post(&format!("/v1/topics/{topic}"), "{}").await.problem(400, "invalid-parameter");
    }
    host.post("/v1/topics/news?partition=1", "{}").await.problem(400, "invalid-parameter");
    host.post(&format!("/v1/topics/news?key={}", "x".repeat(600)), "{}").await.problem(400, "invalid-parameter");
    assert!(host.door.published.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_message_may_have_a_body_and_a_meta_at_their_bounds() {
    let host = Host::limited(|limits| (limits.body_bytes_max, limits.meta_bytes_max) = (4000, 1000)).await;
    host.post("/v1/topics/news", &"x".repeat(5000)).await.expect(202, "published");
    host.post("/v1/topics/news", &"x".repeat(7000)).await.problem(413, "too-large");
}
