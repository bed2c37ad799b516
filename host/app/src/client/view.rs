//! The JSON of the API as the command line reads it. Every field that is only shown is optional or has a default, so
//! that a newer or older host can still be asked.

use host_core::json::Json;
use serde::Deserialize;

/// RFC 9457.
#[derive(Debug, Default, Deserialize)]
pub struct Problem {
    pub title: Option<String>,
    pub detail: Option<String>,
    pub code: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Saga {
    pub global_id: String,
    pub use_case: Option<String>,
    pub use_case_version: Option<u32>,
    pub status: String,
    pub started_at: String,
    pub updated_at: String,
    pub deadline: Option<String>,
    #[serde(default)]
    pub steps: Vec<Step>,
    pub failure: Option<Failure>,
    pub waiting: Option<Waiting>,
    #[serde(default)]
    pub actions: Vec<Action>,
    #[serde(default)]
    /// As the host sent it: a person must see the digits that the steps see.
    pub body: Option<Json>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    pub position: u32,
    pub address: String,
    pub handle: Call,
    pub compensate: Option<Call>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Call {
    pub state: String,
    #[serde(default)]
    pub attempts: u32,
    pub digest: Option<String>,
    pub started_at: Option<String>,
    pub ended_at: Option<String>,
    pub code: Option<String>,
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Failure {
    pub address: String,
    pub direction: String,
    pub kind: String,
    pub code: String,
    pub reason: String,
    pub at: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Waiting {
    pub key: String,
    pub reason: String,
    pub since: String,
    pub until: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Action {
    pub verb: String,
    pub who: String,
    pub reason: Option<String>,
    pub at: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Started {
    pub global_id: String,
    pub status: String,
    #[serde(default)]
    pub body: Option<Json>,
    #[serde(default)]
    pub failure: Option<Failure>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SagaList {
    pub sagas: Vec<Listed>,
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed {
    pub global_id: String,
    pub use_case: Option<String>,
    pub status: String,
    pub step: Option<String>,
    pub started_at: String,
    pub updated_at: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ErrorGroups {
    pub groups: Vec<ErrorGroup>,
    pub next_cursor: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ErrorGroup {
    pub group: String,
    pub use_case: Option<String>,
    pub step: Option<String>,
    pub direction: Option<String>,
    pub kind: String,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub count: u64,
    pub first_at: String,
    pub last_at: String,
    #[serde(default)]
    pub examples: Vec<String>,
}

/// What became of an act on a group.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct GroupActed {
    pub matched: u64,
    pub accepted: u64,
    #[serde(default)]
    pub refused: Vec<Refused>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Refused {
    pub global_id: String,
    pub reason: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Plugins {
    pub plugins: Vec<Plugin>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plugin {
    pub address: String,
    pub digest: Option<String>,
    pub state: String,
    pub since: Option<String>,
    #[serde(default)]
    pub grants: Vec<String>,
    pub reason: Option<String>,
    pub wasm_bytes: Option<u64>,
    /// Of a step that runs elsewhere.
    pub workers: Option<Vec<Worker>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Worker {
    pub name: String,
    pub last_seen: String,
    pub in_flight: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UseCases {
    pub use_cases: Vec<UseCase>,
    #[serde(default)]
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct UseCase {
    pub name: String,
    pub version: u32,
    #[serde(default)]
    pub owner: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub steps: Vec<String>,
    pub trigger_topic: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Topics {
    pub topics: Vec<Topic>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Topic {
    pub topic: String,
    #[serde(default)]
    pub messages: u64,
    #[serde(default)]
    pub delayed: u64,
    #[serde(default)]
    pub in_flight: u64,
    /// None for a topic that is no step's.
    pub served_here: Option<bool>,
    /// `in`, `compensate`, `error`; none for a topic that is no step's.
    pub kind: Option<String>,
    pub oldest_at: Option<String>,
}

/// A record of the journal, as events carry it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Record {
    pub global_id: String,
    pub address: String,
    pub direction: String,
    pub event: String,
    pub at: String,
    #[serde(default)]
    pub attempt: u32,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub use_case: Option<String>,
}
