//! One saga as `show --json` and `GET /v1/sagas/{id}` answer it.

use host_core::failure::Failure;
use host_core::id::{Digest, GlobalId, StepAddress, WaitKey};
use host_core::json::Json;
use host_core::saga;
use host_core::time::Timestamp;
use serde::Serialize;

/// A saga.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Saga<'a> {
    pub global_id: &'a GlobalId,
    pub use_case: Option<&'a str>,
    pub use_case_version: Option<u32>,
    pub status: &'static str,
    /// No message of it is on its way, and none will be.
    pub ended: bool,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    pub deadline: Option<Timestamp>,
    pub steps: Vec<Step<'a>>,
    pub failure: Option<&'a Failure>,
    pub waiting: Option<Waiting<'a>>,
    /// When the next attempt is due, while the saga waits for a retry.
    pub retry_at: Option<Timestamp>,
    pub actions: Vec<Action<'a>>,
    pub body: &'a Json,
}

/// One stop.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step<'a> {
    pub position: u16,
    pub address: &'a StepAddress,
    pub handle: Call<'a>,
    pub compensate: Option<Call<'a>>,
}

/// One direction of a stop.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Call<'a> {
    pub state: &'static str,
    pub attempts: u32,
    pub digest: Option<Digest>,
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    pub code: Option<&'a str>,
    pub reason: Option<&'a str>,
}

/// What it waits for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Waiting<'a> {
    pub key: &'a WaitKey,
    pub reason: &'a str,
    pub since: Timestamp,
    pub until: Timestamp,
}

/// What a person did.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Action<'a> {
    pub verb: &'static str,
    pub who: &'a str,
    pub reason: Option<&'a str>,
    pub at: Timestamp,
}

impl<'a> From<&'a saga::Saga> for Saga<'a> {
    fn from(saga: &'a saga::Saga) -> Self {
        Self {
            global_id: &saga.global_id,
            use_case: saga.use_case.as_ref().map(|reference| reference.name.as_str()),
            use_case_version: saga.use_case.as_ref().map(|reference| reference.version),
            status: saga.status.as_str(),
            ended: saga.ended,
            started_at: saga.started_at,
            updated_at: saga.updated_at,
            deadline: saga.deadline,
            steps: saga.steps.iter().map(Step::from).collect(),
            failure: saga.failure.as_ref(),
            waiting: saga.waiting.as_ref().map(Waiting::from),
            retry_at: saga.retry_due,
            actions: saga.actions.iter().map(Action::from).collect(),
            body: &saga.body,
        }
    }
}

impl<'a> From<&'a saga::StepState> for Step<'a> {
    fn from(step: &'a saga::StepState) -> Self {
        Self {
            position: step.position.0,
            address: &step.address,
            handle: Call::from(&step.handle),
            compensate: step.compensate.as_ref().map(Call::from),
        }
    }
}

impl<'a> From<&'a saga::Call> for Call<'a> {
    fn from(call: &'a saga::Call) -> Self {
        Self {
            state: call.state.as_str(),
            attempts: call.attempts,
            digest: call.digest,
            started_at: call.started_at,
            ended_at: call.ended_at,
            code: call.code.as_deref(),
            reason: call.reason.as_deref(),
        }
    }
}

impl<'a> From<&'a saga::Waiting> for Waiting<'a> {
    fn from(waiting: &'a saga::Waiting) -> Self {
        Self { key: &waiting.key, reason: &waiting.reason, since: waiting.since, until: waiting.until }
    }
}

impl<'a> From<&'a saga::Action> for Action<'a> {
    fn from(action: &'a saga::Action) -> Self {
        Self { verb: action.verb.as_str(), who: &action.who, reason: action.reason.as_deref(), at: action.at }
    }
}
