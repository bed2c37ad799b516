//! What came of one call in a test: the answer, and what of its results was kept.

use serde::de::DeserializeOwned;

use super::world::Results;
use crate::answer::{Outcome, Rejected, Retry, Wait};
use crate::log::Level;

/// One call and what came of it.
#[derive(Debug)]
pub struct Run {
    /// The answer, as the host gets it.
    pub outcome: Outcome,
    /// What was logged, also by a call that failed.
    pub logs: Vec<Line>,
    /// What was published; empty unless the answer is done.
    pub events: Vec<Event>,
    /// What was signalled; empty unless the answer is done.
    pub signals: Vec<String>,
    body: String,
    log: Option<String>,
}

/// A log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// The module that wrote it.
    pub target: String,
    /// What it says.
    pub message: String,
}

/// A published message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Where to.
    pub topic: String,
    /// A JSON text.
    pub body: String,
}

impl Run {
    pub(super) fn new(body: String, log: Option<String>, outcome: Outcome, results: Results) -> Self {
        let Results { logs, events, signals } = results;
        Self { outcome, logs, events, signals, body, log }
    }

    /// Body and compensation log of an answer that is done.
    ///
    /// # Panics
    /// If it is another one.
    #[track_caller]
    pub fn done(&self) -> (&str, Option<&str>) {
        match &self.outcome {
            Outcome::Done { body, compensation } => (body, compensation.as_deref()),
            other => self.unexpected("done", other),
        }
    }

    /// The text of the body that goes on.
    ///
    /// # Panics
    /// If the answer is not done.
    #[track_caller]
    pub fn body(&self) -> &str {
        self.done().0
    }

    /// The compensation log, read as `T`.
    ///
    /// # Panics
    /// If the answer is not done, or the log cannot be read as `T`.
    #[track_caller]
    pub fn compensation<T: DeserializeOwned>(&self) -> Option<T> {
        let (_, log) = self.done();
        log.map(|text| {
            serde_json::from_str(text).unwrap_or_else(|error| panic!("the compensation log {text}: {error}"))
        })
    }

    /// The refusal.
    ///
    /// # Panics
    /// If the answer is another one.
    #[track_caller]
    pub fn rejected(&self) -> &Rejected {
        match &self.outcome {
            Outcome::Rejected(rejected) => rejected,
            other => self.unexpected("rejected", other),
        }
    }

    /// The request to be called again.
    ///
    /// # Panics
    /// If the answer is another one.
    #[track_caller]
    pub fn retry(&self) -> &Retry {
        match &self.outcome {
            Outcome::Retry(retry) => retry,
            other => self.unexpected("retry", other),
        }
    }

    /// What is waited for.
    ///
    /// # Panics
    /// If the answer is another one.
    #[track_caller]
    pub fn waits(&self) -> &Wait {
        match &self.outcome {
            Outcome::Wait(wait) => wait,
            other => self.unexpected("wait", other),
        }
    }

    /// Whether a line of at least this level says `text`.
    pub fn logged(&self, level: Level, text: &str) -> bool {
        self.logs.iter().any(|line| line.level >= level && line.message.contains(text))
    }

    #[track_caller]
    fn unexpected(&self, expected: &str, outcome: &Outcome) -> ! {
        panic!("expected {expected}, got {outcome:?} for body {} and log {:?}", self.body, self.log)
    }
}
