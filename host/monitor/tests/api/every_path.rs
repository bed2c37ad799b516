//! Every path of `/openapi.json` with every method, and every operation with hostile parameters and bodies. The table
//! is the description itself, as the host serves it: a new path is tested by being described. Whatever comes, the
//! answer is one that the description names, it tells nothing of the host's inside, and the host goes on.

use std::collections::BTreeSet;

use host_monitor::Limits;
use serde_json::{Value, json};

use crate::client::{Reply, check_schema};
use crate::host::Host;
use crate::records::{completed, dead_lettered, started};

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"];
/// Nothing of these may ever be told.
const INSIDE: [&str; 8] =
    ["panicked", "backtrace", ".rs:", "host_monitor", "/target/", "/src/", env!("CARGO_MANIFEST_DIR"), "RUST_"];
/// Texts that are some parameter's value and no other's. Each is valid for those whose schema says so.
const TEXTS: [&str; 22] = [
    "!",
    "UPPER",
    "two words",
    "é",
    "\u{7}",
    "..",
    "-",
    "0",
    "1001",
    "-1",
    "1.5",
    "many",
    "a.b",
    "a.b.c",
    "15m",
    "2026-13-45T00:00:00Z",
    "../../etc/passwd",
    "<script>",
    "\u{0}",
    "%2e",
    "\u{202e}",
    "' or 1=1",
];
/// Parts of a path or query as no client of ours would write them.
const RAW: [&str; 9] = ["%00", "%ff", "%c0%af", "%2f", "%zz", "%", "..%2f..%2fetc%2fpasswd", "%0d%0aset-cookie:x", "+"];

/// One operation of the description, with every `$ref` of its own looked up.
struct Operation {
    method: String,
    path: String,
    described: Value,
    parameters: Vec<Value>,
}

/// The whole description.
struct Description(Value);

impl Description {
    async fn of(host: &Host) -> Self {
        Self(host.get("/openapi.json").await.json())
    }

    fn resolved(&self, value: &Value) -> Value {
        match value["$ref"].as_str() {
            Some(place) => self.resolved(self.0.pointer(&place[1..]).expect(place)),
            None => value.clone(),
        }
    }

    fn operations(&self) -> Vec<Operation> {
        let paths = self.0["paths"].as_object().unwrap();
        let all = paths.iter().flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, described)| (method, path, described))
        });
        all.map(|(method, path, described)| Operation {
            method: method.to_uppercase(),
            path: path.clone(),
            described: described.clone(),
            parameters: described["parameters"]
                .as_array()
                .unwrap_or(&Vec::new())
                .iter()
                .map(|p| self.resolved(p))
                .collect(),
        })
        .collect()
    }

    fn methods_of(&self, path: &str) -> BTreeSet<String> {
        let mut methods: BTreeSet<_> =
            self.0["paths"][path].as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        if methods.contains("GET") {
            methods.insert("HEAD".to_owned());
        }
        methods
    }

    fn is_valid(&self, parameter: &Value, text: &str) -> bool {
        let schema = json!({ "allOf": [parameter["schema"]], "components": self.0["components"] });
        let value = match text.parse::<i64>() {
            Ok(number) if parameter["name"] == "limit" => json!(number),
            Ok(_) | Err(_) => json!(text),
        };
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap().is_valid(&value)
    }

    /// The answer is one that the description names for this operation.
    fn judge(&self, operation: &Operation, case: &str, reply: &Reply) {
        let case = format!("{} {} with {case}: {} {}", operation.method, operation.path, reply.status, reply.lossy());
        let named = &operation.described["responses"][reply.status.to_string()];
        assert!(named.is_object(), "a status that is not described: {case}");
        let named = self.resolved(named);
        for (header, described) in named["headers"].as_object().into_iter().flatten() {
            let is_required = self.resolved(described)["required"] == true;
            assert!(!is_required || reply.headers.contains_key(&header.to_lowercase()), "{header} is missing: {case}");
        }
        let sent = reply.headers["content-type"].split(';').next().unwrap();
        let content = &named["content"][sent];
        assert!(content.is_object(), "a content type that is not described: {case}");
        if sent.ends_with("json") {
            check_schema(&self.0, &content["schema"], &reply.json());
        }
        for inside in INSIDE.iter().filter(|_| reply.status >= 400) {
            assert!(!reply.lossy().contains(inside), "{inside} is told: {case}");
        }
        assert!(reply.status != 500 && reply.status != 503, "the host is well: {case}");
    }
}

impl Operation {
    fn example(&self, parameter: &Value) -> String {
        match &parameter["example"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// The path with the examples, and `text` (percent-encoded already) in the place of one parameter.
    fn target(&self, instead: Option<(&str, &str)>) -> String {
        let mut path = self.path.clone();
        for parameter in self.parameters.iter().filter(|parameter| parameter["in"] == "path") {
            let name = parameter["name"].as_str().unwrap();
            let value = match instead {
                Some((other, text)) if other == name => text.to_owned(),
                _ => encoded(&self.example(parameter)),
            };
            path = path.replace(&format!("{{{name}}}"), &value);
        }
        path
    }

    fn takes_body(&self) -> bool {
        self.described["requestBody"].is_object()
    }

    fn body(&self) -> Vec<u8> {
        let example = &self.described["requestBody"]["content"]["application/json"]["example"];
        if example.is_null() { Vec::new() } else { example.to_string().into_bytes() }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

async fn host() -> Host {
    let host =
        Host::limited(|limits: &mut Limits| (limits.body_bytes_max, limits.meta_bytes_max) = (20_000, 1_000)).await;
    host.commit(completed("o-1", "1")).await;
    host.commit(vec![started("o-2", "{}"), dead_lettered("o-2", 0, "no answer")]).await;
    host
}

/// One request on a connection of its own; then the connection, if it is kept, must still be good.
async fn ask(host: &Host, method: &str, target: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Reply {
    let mut client = host.client().await;
    let mut text =
        format!("{method} {target} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in headers {
        text.extend_from_slice(&[name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    client.send([&text[..], b"\r\n", body].concat()).await;
    let (status, headers) = client.head().await;
    // The events do not end, and neither HEAD has a body.
    let has_end = headers.contains_key("content-length") && method != "HEAD";
    let body = if has_end { client.take(headers["content-length"].parse().unwrap()).await } else { Vec::new() };
    if has_end && headers.get("connection").is_none_or(|value| value != "close") {
        assert_eq!(client.request("GET", "/healthz", &[], b"").await.status, 200, "after {method} {target}");
    }
    Reply { status, headers, body }
}

#[tokio::test]
async fn every_path_answers_the_methods_it_describes_and_refuses_all_others() {
    let host = host().await;
    let description = Description::of(&host).await;
    let operations = description.operations();
    assert!(operations.len() >= 24, "{} operations", operations.len());
    for operation in &operations {
        let known = description.methods_of(&operation.path);
        for method in METHODS {
            let body = if method == operation.method { operation.body() } else { Vec::new() };
            let reply = ask(&host, method, &operation.target(None), &[], &body).await;
            if method == operation.method {
                description.judge(operation, "its examples", &reply);
            } else if !known.contains(method) {
                assert_eq!(reply.status, 405, "{method} {}", operation.path);
                assert_eq!(reply.headers["content-type"], "application/problem+json");
                let allowed: BTreeSet<_> =
                    reply.headers["allow"].split(',').map(|word| word.trim().to_owned()).collect();
                assert_eq!(allowed, known, "{method} {}", operation.path);
                if method != "HEAD" {
                    reply.problem(405, "method-not-allowed");
                }
            } else {
                let described = operation.described["responses"].as_object().unwrap();
                assert!(described.contains_key(&reply.status.to_string()), "{method} {}", operation.path);
            }
        }
    }
}

#[tokio::test]
async fn a_parameter_is_taken_if_its_schema_says_so_and_refused_if_not() {
    let host = host().await;
    let description = Description::of(&host).await;
    let long = "x".repeat(9_000);
    let mut refused_count = 0;
    for operation in description.operations() {
        for parameter in &operation.parameters {
            let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
            for text in TEXTS.iter().copied().chain([long.as_str()]) {
                // What cannot stand in a header is another test's.
                if place == "header" && (text.chars().any(char::is_control) || name == "traceparent") {
                    continue;
                }
                let reply = match place {
                    "path" => {
                        ask(
                            &host,
                            &operation.method,
                            &operation.target(Some((name, &encoded(text)))),
                            &[],
                            &operation.body(),
                        )
                        .await
                    }
                    "query" => {
                        let target = format!("{}?{name}={}", operation.target(None), encoded(text));
                        ask(&host, &operation.method, &target, &[], &operation.body()).await
                    }
                    _ => {
                        let headers = [(name, text.as_bytes())];
                        ask(&host, &operation.method, &operation.target(None), &headers, &operation.body()).await
                    }
                };
                let case = format!("{place} {name} = {:?}", &text[..text.len().min(40)]);
                description.judge(&operation, &case, &reply);
                let is_refused = matches!(reply.status, 400 | 403 | 404);
                if !description.is_valid(parameter, text) {
                    assert!(is_refused, "{} {case} was taken: {}", operation.path, reply.lossy());
                    refused_count += 1;
                } else if place == "query" && name != "cursor" {
                    assert!(!is_refused, "{} {case} was refused: {}", operation.path, reply.lossy());
                }
            }
        }
    }
    assert!(refused_count > 300, "only {refused_count} refusals");
}

#[tokio::test]
async fn tricks_of_encoding_and_doubled_parameters_are_answered_in_order() {
    let host = host().await;
    let description = Description::of(&host).await;
    for operation in description.operations() {
        for parameter in &operation.parameters {
            let (name, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
            let example = operation.example(parameter);
            if place == "header" {
                let twice = [(name, example.as_bytes()), (name, example.as_bytes())];
                for headers in [&twice[..], &[(name, b"\xff\xfe")], &[(name, b"")]] {
                    let reply =
                        ask(&host, &operation.method, &operation.target(None), headers, &operation.body()).await;
                    description.judge(&operation, &format!("odd header {name}"), &reply);
                }
                continue;
            }
            let odd = RAW.iter().map(|raw| {
                if place == "path" {
                    operation.target(Some((name, raw)))
                } else {
                    format!("{}?{name}={raw}", operation.target(None))
                }
            });
            let twice = format!("{}?{name}={example}&{name}={example}", operation.target(None));
            for target in odd.chain([twice, format!("{}?%00=%ff&&=&=x;y", operation.target(None))]) {
                let reply = ask(&host, &operation.method, &target, &[], &operation.body()).await;
                description.judge(&operation, &target, &reply);
            }
        }
    }
}

#[tokio::test]
async fn bodies_of_every_wrong_kind_are_answered_in_order() {
    let host = host().await;
    let description = Description::of(&host).await;
    let deep = "[".repeat(9_000);
    let bodies: [&[u8]; 14] = [
        b"",
        b"{",
        b"[]",
        b"1",
        b"null",
        b"\"\\ud800\"",
        b"{\"who\":1}",
        b"{\"dry-run\":\"yes\"}",
        b"{\"other\":1}",
        b"\xff\xfe\x00",
        b"{\"who\":\"a\\u0000b\"}",
        b"who=ada",
        deep.as_bytes(),
        &[b' '; 100],
    ];
    let kinds: [&[u8]; 7] = [
        b"text/html",
        b"multipart/form-data; boundary=x",
        b"\xff",
        b"",
        b"application/json; charset=utf-16",
        b"/",
        b"a/b+json",
    ];
    for operation in description.operations() {
        for body in bodies {
            let reply = ask(&host, &operation.method, &operation.target(None), &[], body).await;
            description.judge(
                &operation,
                &format!("the body {:?}", String::from_utf8_lossy(&body[..body.len().min(30)])),
                &reply,
            );
        }
        for kind in kinds {
            let reply =
                ask(&host, &operation.method, &operation.target(None), &[("content-type", kind)], &operation.body())
                    .await;
            description.judge(&operation, &format!("content-type {:?}", String::from_utf8_lossy(kind)), &reply);
        }
        let coded =
            ask(&host, &operation.method, &operation.target(None), &[("content-encoding", b"gzip")], &operation.body())
                .await;
        description.judge(&operation, "a compressed body", &coded);
        if operation.takes_body() {
            assert_eq!(coded.status, 415, "{} {}", operation.method, operation.path);
        }
        if operation.method == "POST" {
            let large = ask(&host, &operation.method, &operation.target(None), &[], &vec![b' '; 200_000]).await;
            description.judge(&operation, "a body over every bound", &large);
            assert_eq!(large.status, 413, "{}", operation.path);
        }
    }
}

#[tokio::test]
async fn paths_that_are_not_described_are_not_there() {
    let host = host().await;
    for path in [
        "/v1",
        "/v1/",
        "/v1/sagas/",
        "/v1/sagas/o-1/",
        "/v1/sagas/o-1/nothing",
        "//",
        "/%2e%2e/",
        "/../../etc/passwd",
        "/v1//sagas",
        "/V1/sagas",
        "/v1/sagas%00",
        "/docs/errors/",
        "/docs/errors/..%2f..%2fCargo.toml",
        "/*",
        "/index.html",
    ] {
        let reply = ask(&host, "GET", path, &[], b"").await;
        reply.problem(404, "unknown-path");
    }
}
