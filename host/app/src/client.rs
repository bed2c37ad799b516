//! The command line's view of a running host: HTTP requests, problem documents, event streams.
//! It must not print, and it knows of the host only what docs/http.md promises.

pub mod view;

use std::io::{BufRead, BufReader};
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http;

use crate::cli::Target;
use crate::exit::{Exit, Stop};

/// Bytes of an answer that are read at most: the largest page of the largest list is far below.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take, apart from what the request itself asks to wait.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks one host.
#[derive(Debug, Clone)]
pub struct Client {
    agent: ureq::Agent,
    base: String,
    token: Option<String>,
}

/// What the host answered, other than a refusal.
#[derive(Debug, Clone)]
pub struct Answer {
    pub text: String,
}

impl Answer {
    /// The shape that the contract promises.
    pub fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_str(&self.text).map_err(|error| {
            anyhow::anyhow!("the host's answer cannot be read: {error}; is it of the same version as this `saga`?")
        })
    }
}

/// A request on its way.
#[derive(Debug, Default)]
pub struct Request<'a> {
    pub query: Vec<(&'a str, String)>,
    pub headers: Vec<(&'a str, String)>,
    pub body: Option<String>,
    /// How long the host was asked to wait before it answers.
    pub wait: Duration,
}

impl Client {
    pub fn new(target: &Target) -> anyhow::Result<Self> {
        Self::of(&target.host, target.token.clone())
    }

    pub fn of(host: &str, token: Option<String>) -> anyhow::Result<Self> {
        let base = if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
        let base = base.strip_suffix('/').unwrap_or(&base).to_owned();
        let uri: http::Uri = base.parse().map_err(|error| {
            Stop::usage(format!("{host:?} is no address of a host: {error}; write --host http://127.0.0.1:7070"))
        })?;
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return Err(Stop::usage(format!(
                "{host:?} is not an http:// address; a host speaks plain HTTP, reach a far one through a tunnel"
            ))
            .into());
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("saga/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), base, token })
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn get(&self, path: &str, query: Vec<(&str, String)>) -> anyhow::Result<Answer> {
        self.send("GET", path, Request { query, ..Request::default() })
    }

    pub fn post(&self, path: &str, request: Request<'_>) -> anyhow::Result<Answer> {
        self.send("POST", path, request)
    }

    /// Whether a host answers at all.
    pub fn is_reachable(&self) -> bool {
        self.get("/healthz", Vec::new()).is_ok()
    }

    fn send(&self, method: &str, path: &str, request: Request<'_>) -> anyhow::Result<Answer> {
        let body = request.body.unwrap_or_default();
        let http = self.request(method, path, &request.query, &request.headers, body)?;
        let http = self.agent.configure_request(http).timeout_global(Some(request.wait + ANSWER_TIMEOUT)).build();
        let mut response = self.agent.run(http).map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string();
        let text = text.map_err(|error| self.unreachable(&error))?;
        if (200..300).contains(&status) { Ok(Answer { text }) } else { Err(refusal(status, &text).into()) }
    }

    /// Follow a stream of server-sent events until the host ends it.
    pub fn events(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Events> {
        let http = self.request("GET", path, query, &[("accept", "text/event-stream".to_owned())], String::new())?;
        let http = self.agent.configure_request(http).timeout_recv_response(Some(ANSWER_TIMEOUT)).build();
        let mut response = self.agent.run(http).map_err(|error| self.unreachable(&error))?;
        let status = response.status().as_u16();
        if status != 200 {
            let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string();
            return Err(refusal(status, &text.unwrap_or_default()).into());
        }
        Ok(Events { lines: Box::new(BufReader::new(response.into_body().into_reader())) })
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, String)],
        headers: &[(&str, String)],
        body: String,
    ) -> anyhow::Result<http::Request<String>> {
        let mut uri = format!("{}{path}", self.base);
        for (index, (name, value)) in query.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            uri.push_str(&format!("{mark}{name}={}", encode(value)));
        }
        let mut request = http::Request::builder().method(method).uri(uri);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            // Ids may hold letters beyond ASCII, which a header carries as bytes of UTF-8.
            let value = http::HeaderValue::from_bytes(value.as_bytes());
            let value = value.map_err(|_| Stop::usage(format!("{name} cannot be sent in a header")))?;
            request = request.header(*name, value);
        }
        request.body(body).map_err(|error| Stop::usage(format!("the request cannot be written: {error}")).into())
    }

    fn unreachable(&self, error: &ureq::Error) -> Stop {
        Stop::unreachable(format!(
            "no host answers at {}: {error}\n  start it with `saga run`, or name another one with --host (SAGA_HOST)",
            self.base
        ))
    }
}

/// What a problem document says, as an error with the right exit status.
fn refusal(status: u16, text: &str) -> Stop {
    let problem: view::Problem = serde_json::from_str(text).unwrap_or_default();
    let said = problem.detail.or(problem.title).unwrap_or_else(|| format!("the host answered {status}"));
    let code = problem.code.map(|code| format!(" ({code})")).unwrap_or_default();
    let exit = match status {
        400 | 401 | 403 | 415 => Exit::Usage,
        _ => Exit::No,
    };
    let hint = if status == 401 { "\n  pass --token or set SAGA_TOKEN" } else { "" };
    Stop { exit, message: format!("{}{code}{hint}", crate::terminal::printable(&said)) }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    pub kind: String,
    pub data: String,
}

/// A stream of server-sent events.
pub struct Events {
    lines: Box<dyn BufRead>,
}

impl Iterator for Events {
    type Item = std::io::Result<Event>;

    /// The next event; heartbeats are passed over.
    fn next(&mut self) -> Option<Self::Item> {
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            match self.lines.read_line(&mut line) {
                Ok(0) => return None,
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                if event.data.is_empty() {
                    event = Event::default();
                    continue;
                }
                return Some(Ok(event));
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => event.kind = value.to_owned(),
                "data" => {
                    if !event.data.is_empty() {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                }
                // Comments are heartbeats; ids are for those who resume.
                _ => {}
            }
        }
    }
}

/// One segment of a path or one value of a query, percent-encoded.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(text: &'static str) -> Vec<Event> {
        Events { lines: Box::new(text.as_bytes()) }.map(|event| event.expect("memory does not fail")).collect()
    }

    #[test]
    fn events_are_read_across_heartbeats_and_lines() {
        let text = ": hello\n\nid: 1\nevent: journal\ndata: {\"a\":1}\n\n:\n\nevent: lagged\ndata: 1\ndata: 2\n\ndata: cut off";
        let expected = [
            Event { kind: "journal".to_owned(), data: "{\"a\":1}".to_owned() },
            Event { kind: "lagged".to_owned(), data: "1\n2".to_owned() },
        ];
        assert_eq!(events(text), expected);
    }

    #[test]
    fn a_refusal_tells_the_problem_and_the_right_status() {
        let stop = refusal(404, r#"{"type":"x","title":"no","detail":"there is no saga x","code":"unknown-saga"}"#);
        assert_eq!((stop.exit, stop.message.as_str()), (Exit::No, "there is no saga x (unknown-saga)"));
        assert_eq!(refusal(400, "").exit, Exit::Usage);
        assert!(refusal(401, "{}").message.contains("SAGA_TOKEN"));
        assert_eq!(refusal(503, "<html>").message, "the host answered 503");
    }

    #[test]
    fn ids_of_any_letters_fit_into_a_path() {
        assert_eq!(encode("ordre/é 1?"), "ordre%2F%C3%A9%201%3F");
    }

    #[test]
    fn only_plain_http_addresses_are_taken() {
        assert_eq!(Client::of("127.0.0.1:7070/", None).expect("an address").base(), "http://127.0.0.1:7070");
        for bad in ["https://x", "ftp://x", "http://", "not a host"] {
            let error = Client::of(bad, None).expect_err(bad);
            assert_eq!(crate::exit::of_error(&error), Exit::Usage, "{bad}");
        }
    }

    #[test]
    fn a_host_that_is_not_there_is_told_with_the_cure() {
        // A port that was just free: nobody listens on it.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let client = Client::of(&format!("127.0.0.1:{port}"), None).expect("an address");
        let error = client.get("/healthz", Vec::new()).expect_err("nobody listens");
        assert_eq!(crate::exit::of_error(&error), Exit::Unreachable);
        assert!(error.to_string().contains("saga run"), "{error}");
    }
}
