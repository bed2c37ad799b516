//! The HTTP interface as a program sees it: one function per endpoint, JSON in and out. It must not hide a status code
//! that a test has not asked to be hidden.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use serde_json::{Value, json};

/// A client of one host.
#[derive(Debug, Clone)]
pub struct Api {
    base: String,
    agent: ureq::Agent,
}

/// An answer that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

/// No answer came: the host is down, or went down meanwhile.
#[derive(Debug)]
pub struct NoAnswer(pub String);

impl Api {
    pub fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self { base: base.to_owned(), agent: config.into() }
    }

    /// `GET`; `path` begins with `/`.
    pub fn get(&self, path: &str) -> Result<Answer, NoAnswer> {
        answer(self.agent.get(format!("{}{path}", self.base)).call())
    }

    /// `POST` of this text with these headers.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer, NoAnswer> {
        let mut request = self.agent.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send(body))
    }

    pub fn is_ready(&self) -> bool {
        self.get("/readyz").is_ok_and(|answer| answer.status == 200)
    }

    /// The answer of a `GET` that must succeed.
    pub fn ask(&self, path: &str) -> Value {
        let answer = self.get(path).unwrap_or_else(|error| panic!("GET {path}: {}", error.0));
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.body
    }

    /// The same as it came, for questions about bytes.
    pub fn get_text(&self, path: &str) -> String {
        let result = self.agent.get(format!("{}{path}", self.base)).call();
        let mut response = result.unwrap_or_else(|error| panic!("GET {path}: {error}"));
        response.body_mut().read_to_string().unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Start a saga and answer its global-id.
    pub fn start(&self, use_case: &str, body: &Value) -> String {
        let path = format!("/v1/use-cases/{use_case}/sagas");
        let answer =
            self.post(&path, &[], &body.to_string()).unwrap_or_else(|error| panic!("POST {path}: {}", error.0));
        assert_eq!(answer.status, 202, "POST {path}: {}", answer.body);
        text(&answer.body, "global-id")
    }

    /// Start a saga and wait for its outcome: `{"global-id","status","body","failure"}`.
    pub fn run(&self, use_case: &str, body: &Value) -> Value {
        let path = format!("/v1/use-cases/{use_case}/sagas");
        let answer = self
            .post(&path, &[("prefer", "wait=30")], &body.to_string())
            .unwrap_or_else(|error| panic!("POST {path}: {}", error.0));
        assert_eq!(answer.status, 200, "POST {path}: {}", answer.body);
        answer.body
    }

    /// Follow the journal from now on: what was greeted is connected. `query` narrows it.
    pub fn follow(&self, query: &str) -> impl Iterator<Item = Value> + use<> {
        let path = format!("{}/v1/events?{query}", self.base);
        let response = self.agent.get(path).call().unwrap_or_else(|error| panic!("GET /v1/events: {error}"));
        assert_eq!(response.status().as_u16(), 200);
        let mut lines = BufReader::new(response.into_body().into_reader()).lines().map_while(Result::ok);
        let greeting = lines.next();
        assert!(greeting.is_some(), "the host greets a follower");
        lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
    }

    pub fn saga(&self, global_id: &str) -> Value {
        self.ask(&format!("/v1/sagas/{}", escaped(global_id)))
    }

    /// All sagas that a query such as `status=running` gives, page after page.
    pub fn list(&self, query: &str) -> Vec<Value> {
        let mut sagas = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = match &cursor {
                None => self.ask(&format!("/v1/sagas?{query}")),
                Some(cursor) => self.ask(&format!("/v1/sagas?{query}&cursor={}", escaped(cursor))),
            };
            sagas.extend(page["sagas"].as_array().expect("a page has sagas").iter().cloned());
            match page["next-cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return sagas,
            }
        }
    }

    pub fn errors(&self) -> Vec<Value> {
        self.ask("/v1/errors")["groups"].as_array().expect("errors have groups").clone()
    }

    /// An operator's act that must be accepted.
    pub fn act(&self, global_id: &str, verb: &str, reason: &str) {
        let answer = self.try_act(global_id, verb, reason);
        assert!((200..300).contains(&answer.status), "{verb} {global_id}: {} {}", answer.status, answer.body);
    }

    pub fn try_act(&self, global_id: &str, verb: &str, reason: &str) -> Answer {
        let path = format!("/v1/sagas/{}/{verb}", escaped(global_id));
        let body = json!({"who": "tester", "reason": reason});
        self.post(&path, &[], &body.to_string()).unwrap_or_else(|error| panic!("POST {path}: {}", error.0))
    }

    pub fn signal(&self, key: &str) {
        let path = format!("/v1/signals/{}", escaped(key));
        let answer = self.post(&path, &[], "").unwrap_or_else(|error| panic!("POST {path}: {}", error.0));
        assert!((200..300).contains(&answer.status), "POST {path}: {} {}", answer.status, answer.body);
    }

    /// Publish as a service that is not ours would.
    pub fn publish(&self, topic: &str, payload: &str) {
        let path = format!("/v1/topics/{topic}");
        let answer = self.post(&path, &[], payload).unwrap_or_else(|error| panic!("POST {path}: {}", error.0));
        assert!((200..300).contains(&answer.status), "POST {path}: {} {}", answer.status, answer.body);
    }

    /// The same with bytes that need not be text, and with a `query` such as `?key=k`; whatever is answered.
    pub fn try_publish(&self, topic: &str, query: &str, payload: &[u8]) -> Answer {
        let path = format!("/v1/topics/{topic}{query}");
        let request = self.agent.post(format!("{}{path}", self.base)).header("content-type", "application/json");
        answer(request.send(payload)).unwrap_or_else(|error| panic!("POST {path}: {}", error.0))
    }

    /// The entry of a plugin; none if there is no such file.
    pub fn plugin(&self, address: &str) -> Option<Value> {
        let plugins = self.ask("/v1/plugins");
        let list = plugins["plugins"].as_array().expect("plugins are a list");
        list.iter().find(|plugin| plugin["address"] == address && plugin["state"] != "draining").cloned()
    }

    /// The entry of a topic; none if nobody ever used it.
    pub fn topic(&self, name: &str) -> Option<Value> {
        let topics = self.ask("/v1/topics");
        topics["topics"].as_array().expect("topics are a list").iter().find(|topic| topic["topic"] == name).cloned()
    }
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Answer, NoAnswer> {
    let mut response = result.map_err(|error| NoAnswer(error.to_string()))?;
    let status = response.status().as_u16();
    let text = response.body_mut().read_to_string().map_err(|error| NoAnswer(error.to_string()))?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status, body })
}

/// A text member that must be there.
pub fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_else(|| panic!("{member} is missing in {value}")).to_owned()
}

/// Percent-encoding for one segment of a path.
pub fn escaped(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
