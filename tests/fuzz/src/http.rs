//! Bodies of requests, on a connection that is kept. The first byte says for which operation. Promised: whatever
//! the body is, one whole answer comes, a refusal is a problem document with a code, what is handed on is what was
//! sent, and the connection is good for the next request.

mod host;

use serde_json::Value;

use crate::{envelope, meta};
use host::{Caused, Reply, ask};

const PATHS: [&str; 6] = [
    "/v1/use-cases/shop/sagas",
    "/v1/topics/orders.placed",
    "/v1/sagas/o-1/retry",
    "/v1/errors/0123456789abcdef/retry",
    "/v1/signals/k",
    "/v1/sagas/o-1/close",
];

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let acts = [
        "",
        "{}",
        "{\"reason\":\"the bank is back\",\"who\":\"ada\",\"dry-run\":true}",
        "null",
        "[]",
        " { \"who\" : null } ",
    ];
    let bodies = acts.iter().map(|text| text.as_bytes().to_vec()).chain(envelope::seeds());
    bodies.enumerate().map(|(number, body)| [&[(number % PATHS.len()) as u8][..], &body].concat()).collect()
}

pub(crate) fn run(input: &[u8]) {
    let Some((&which, body)) = input.split_first() else { return };
    let path = PATHS[usize::from(which) % PATHS.len()];
    let (reply, caused) = ask(path, body);
    match reply.status {
        200 | 202 => taken(path, body, &caused),
        400 | 404 | 409 | 413 => refused(&reply, &caused),
        other => panic!("{path} answered {other}: {}", reply.body),
    }
}

fn taken(path: &str, body: &[u8], caused: &[Caused]) {
    let [caused] = caused else { panic!("{path} caused {} things", caused.len()) };
    match caused {
        Caused::Start(taken) => {
            assert!(meta::is_json(body), "a start with a body that is no JSON");
            assert_eq!(taken, body.trim_ascii(), "the body was changed");
        }
        Caused::Publish(taken) => assert_eq!(taken, body, "the message was changed"),
        Caused::Act { who, reason, dry_run } => {
            let wish = meta::value(body).unwrap_or_default();
            let said = |name: &str| wish[name].as_str().filter(|text| !text.trim().is_empty()).map(str::to_owned);
            assert_eq!(*who, said("who").unwrap_or_else(|| "api".to_owned()));
            assert_eq!(reason.is_some(), said("reason").is_some());
            assert_eq!(*dry_run, wish["dry-run"] == Value::Bool(true));
        }
        Caused::Signal => {}
    }
}

fn refused(reply: &Reply, caused: &[Caused]) {
    assert!(caused.is_empty(), "refused, and done all the same");
    assert_eq!(reply.content_type, "application/problem+json");
    let problem: Value = serde_json::from_str(&reply.body).expect("a problem is JSON");
    assert_eq!(problem["status"], reply.status);
    assert!(problem["code"].as_str().is_some_and(|code| problem["type"] == format!("/docs/errors/{code}")));
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() < 1000 && !detail.contains("panicked")));
}
