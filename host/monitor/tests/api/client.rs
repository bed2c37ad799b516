//! A small HTTP/1.1 client over a socket: it shows every byte and hides nothing that a test could be about.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is kept.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Send, unless the other side has closed.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).await.is_ok()
    }

    pub(crate) async fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
        for (name, value) in headers {
            text.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let is_framed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"));
        if !is_framed && (method != "GET" || !body.is_empty()) {
            text.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(body);
        self.send(text).await;
        self.reply().await
    }

    /// The head of the next answer; its body stays to be read.
    pub(crate) async fn head(&mut self) -> (u16, BTreeMap<String, String>) {
        let end = self.find(b"\r\n\r\n").await.expect("an answer");
        let head = String::from_utf8(self.buffer.drain(..end + 4).collect()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        (status, headers.collect())
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        let (status, headers) = self.head().await;
        let body = match headers.get("content-length") {
            Some(length) => self.take(length.parse().unwrap()).await,
            None => {
                let mut body = Vec::new();
                while let Some(chunk) = self.chunk().await {
                    body.extend(chunk);
                }
                body
            }
        };
        Reply { status, headers, body }
    }

    /// The next chunk of a chunked body; none at its end.
    pub(crate) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let end = self.find(b"\r\n").await.expect("a chunk");
        let line: Vec<u8> = self.buffer.drain(..end + 2).collect();
        let length = usize::from_str_radix(std::str::from_utf8(&line[..end]).unwrap(), 16).unwrap();
        let chunk = self.take(length).await;
        self.take(2).await;
        (length > 0).then_some(chunk)
    }

    /// Whether the other side has closed the connection; waits until it has or sends something.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.read().await
    }

    /// So many bytes of a body.
    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.read().await, "the connection ended in the middle of an answer");
        }
        self.buffer.drain(..length).collect()
    }

    async fn find(&mut self, needle: &[u8]) -> Option<usize> {
        loop {
            if let Some(place) = self.buffer.windows(needle.len()).position(|window| window == needle) {
                return Some(place);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        let count = self.stream.read(&mut bytes).await.unwrap_or(0);
        self.buffer.extend_from_slice(&bytes[..count]);
        count > 0
    }
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body for a message, whatever it is.
    pub(crate) fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.body[..self.body.len().min(4000)]).into_owned()
    }

    /// The answer, checked against this schema of openapi.json.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16, schema: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/json");
        let value = self.json();
        check(schema, &value);
        value
    }

    /// The problem that the answer is.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let value = self.json();
        check("problem", &value);
        assert_eq!(value["code"], code, "{value}");
        assert_eq!(value["status"], status);
        assert_eq!(value["type"], format!("/docs/errors/{code}"));
        value
    }
}

/// Check a value against a schema of openapi.json.
#[track_caller]
pub(crate) fn check(schema: &str, value: &Value) {
    let described: Value = serde_json::from_str(include_str!("../../src/openapi.json")).unwrap();
    check_schema(&described, &serde_json::json!({ "$ref": format!("#/components/schemas/{schema}") }), value);
}

/// Check a value against a schema whose references lead into this description.
#[track_caller]
pub(crate) fn check_schema(described: &Value, schema: &Value, value: &Value) {
    let schema = serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [schema],
        "components": described["components"],
    });
    let validator = jsonschema::validator_for(&schema).unwrap();
    if let Err(error) = validator.validate(value) {
        panic!("{error} at {}: {value}", error.instance_path());
    }
}
