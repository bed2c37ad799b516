//! The HTTP interface as the load generator uses it: status and text, and no answer at all is an ordinary case.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

/// How long an answer may take, beyond what it was asked to wait.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read at most.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A client with its own connections.
pub struct Api {
    agent: ureq::Agent,
}

/// An answer that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    /// A member of a JSON answer, null if there is none.
    pub fn member(&self, name: &str) -> serde_json::Value {
        let json: serde_json::Value = serde_json::from_str(&self.text).unwrap_or_default();
        json[name].clone()
    }
}

impl Api {
    pub fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_TIME_MAX))
            .max_redirects(0)
            .proxy(None)
            .build();
        Self { agent: config.new_agent() }
    }

    /// None: the host is down, or went down meanwhile.
    pub fn get(&self, base: &str, path: &str) -> Option<Answer> {
        read(self.agent.get(format!("{base}{path}")).call())
    }

    pub fn post(&self, base: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Answer> {
        let mut request = self.agent.post(format!("{base}{path}")).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send(body))
    }
}

/// How long one stream of events is followed. Silence must not outlast the round.
const FOLLOW_TIME_MAX: Duration = Duration::from_secs(1);

/// The data of live events, for a moment. They come while they are read; what went by between two calls was not heard.
pub fn events(base: &str) -> Option<impl Iterator<Item = String> + use<>> {
    let config = ureq::Agent::config_builder().timeout_global(Some(FOLLOW_TIME_MAX)).proxy(None).build();
    let response = config.new_agent().get(format!("{base}/v1/events")).call().ok()?;
    let lines = BufReader::new(response.into_body().into_reader()).lines().map_while(Result::ok);
    Some(lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned)))
}

fn read(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Option<Answer> {
    let mut response = result.ok()?;
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string().ok()?;
    Some(Answer { status, text })
}
