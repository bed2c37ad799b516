//! Who may ask at all.

use std::net::SocketAddr;

use host_monitor::{Error, Inputs, Monitor, Options};

use crate::host::{Host, options};

async fn start(listen: &str, token: Option<&str>) -> Result<(), Error> {
    let around = Host::start().await;
    let options = Options { listen: listen.parse().unwrap(), token: token.map(str::to_owned), ..options() };
    let inputs = Inputs {
        door: around.door.clone(),
        store: around.committer.store.clone(),
        broker: around.broker.clone(),
        journal: around.committer.follow(),
    };
    Monitor::start(options, inputs).await.map(|_| ())
}

#[tokio::test]
async fn an_address_that_others_can_reach_needs_a_token() {
    for open in ["0.0.0.0:0", "[::]:0"] {
        let error = start(open, None).await.unwrap_err();
        assert!(matches!(error, Error::TokenMissing { .. }));
        let text = error.to_string();
        assert!(text.contains("set `token` in saga.toml") && text.contains("SAGA_TOKEN"), "{text}");
    }
    start("0.0.0.0:0", Some("s3cret")).await.unwrap();
    start("127.0.0.1:0", None).await.unwrap();
}

#[tokio::test]
async fn a_token_that_nobody_could_send_is_refused() {
    assert!(matches!(start("127.0.0.1:0", Some("  ")).await.unwrap_err(), Error::TokenEmpty));
    assert!(matches!(start("127.0.0.1:0", Some("a b\n")).await.unwrap_err(), Error::TokenUnsendable));
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_the_cure() {
    let taken = Host::start().await;
    let address = taken.handle.address().to_string();
    let error = start(&address, None).await.unwrap_err().to_string();
    assert!(error.contains(&address) && error.contains("choose another `listen`"), "{error}");
}

#[tokio::test]
async fn with_a_token_every_path_but_the_probes_asks_for_it() {
    let options = Options { token: Some("s3cret".to_owned()), ..options() };
    let host = Host::start_with(options).await;
    let mut client = host.client().await;
    for path in ["/", "/v1/sagas", "/metrics", "/openapi.json", "/v1/events", "/nothing"] {
        let reply = client.request("GET", path, &[], b"").await;
        reply.problem(401, "unauthorized");
        assert_eq!(reply.headers["www-authenticate"], "Bearer realm=\"saga\"");
    }
    client.request("GET", "/", &[("authorization", "Bearer wrong")], b"").await.problem(401, "unauthorized");
    let start = "/v1/use-cases/shop/sagas";
    client.request("POST", start, &[], b"{}").await.problem(401, "unauthorized");
    for path in ["/healthz", "/readyz"] {
        client.request("GET", path, &[], b"").await.expect(200, "health");
    }
    let right = [("authorization", "Bearer s3cret")];
    client.request("GET", "/v1/sagas", &right, b"").await.expect(200, "list");
    client.request("POST", start, &right, b"{}").await.expect(202, "started");
}

#[tokio::test]
async fn without_a_token_a_foreign_web_page_causes_nothing() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let foreign = [("origin", "https://evil.example"), ("content-type", "text/plain")];
    client.request("POST", "/v1/use-cases/shop/sagas", &foreign, b"{}").await.problem(403, "forbidden-origin");
    client.send("GET /v1/sagas HTTP/1.1\r\nhost: evil.example\r\n\r\n").await;
    client.reply().await.problem(403, "forbidden-origin");
    assert!(host.door.starts.lock().unwrap().is_empty());
    let own: SocketAddr = host.handle.address();
    client.send(format!("GET /v1/sagas HTTP/1.1\r\nhost: {own}\r\norigin: http://{own}\r\n\r\n")).await;
    client.reply().await.expect(200, "list");
}
