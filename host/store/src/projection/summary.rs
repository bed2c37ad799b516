//! One saga in a line: what lists need of the saga that `host_core::saga` folds from its journal. Nothing is folded
//! here, so a list cannot disagree with `show`.

use host_core::envelope::UseCaseRef;
use host_core::failure::Failure;
use host_core::id::{Direction, GlobalId, Position, StepAddress};
use host_core::saga::{CallState, Saga, Status};
use host_core::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A saga as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub global_id: GlobalId,
    pub use_case: Option<UseCaseRef>,
    pub status: Status,
    /// The step at which the saga stands, or stood at its end; none if no record names it.
    pub step: Option<StepAddress>,
    pub position: Position,
    pub direction: Direction,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    /// No message of this saga is on its way any more.
    pub ended: bool,
    /// A dead letter that stands, in the saga's way or beside it: nobody has acted on it.
    pub dead_letter: Option<Trouble>,
    /// Why the saga does not go on at this moment: it waits, or comes again for a retry.
    pub pending: Option<Trouble>,
}

/// Why a saga stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    pub address: StepAddress,
    pub position: Position,
    pub direction: Direction,
    /// A failure kind, `retrying` or `waiting`.
    pub kind: String,
    pub code: String,
    pub reason: String,
    /// When it began to stand for this cause.
    pub since: Timestamp,
    /// The last time it was tried.
    pub at: Timestamp,
}

/// Kind of a trouble that goes away by itself if all is well.
pub(super) const RETRYING: &str = "retrying";
const WAITING: &str = "waiting";

impl From<&Saga> for Summary {
    fn from(saga: &Saga) -> Self {
        let (position, direction) = saga.at;
        Self {
            global_id: saga.global_id.clone(),
            use_case: saga.use_case.clone(),
            status: saga.status,
            step: saga.steps.get(usize::from(position.0)).map(|step| step.address.clone()),
            position,
            direction,
            started_at: saga.started_at,
            updated_at: saga.updated_at,
            ended: saga.ended,
            dead_letter: dead_letter(saga).map(Trouble::of_failure),
            pending: pending(saga),
        }
    }
}

impl Summary {
    /// What an operator is to see: the dead letter, else the retry under way. Waiting is no error.
    pub fn error(&self) -> Option<&Trouble> {
        self.dead_letter.as_ref().or(self.pending.as_ref().filter(|trouble| trouble.kind == RETRYING))
    }
}

impl Trouble {
    fn of_failure(failure: &Failure) -> Self {
        Self {
            address: failure.address.clone(),
            position: failure.position,
            direction: failure.direction,
            kind: failure.kind.as_str().to_owned(),
            code: failure.code.clone(),
            reason: failure.reason.clone(),
            since: failure.at,
            at: failure.at,
        }
    }
}

fn dead_letter(saga: &Saga) -> Option<&Failure> {
    match saga.status {
        Status::Failed | Status::CompensationFailed => saga.failure.as_ref(),
        Status::Running | Status::Waiting | Status::Compensating => {
            saga.given_up.last().map(|given_up| &given_up.failure)
        }
        Status::Completed | Status::Compensated | Status::Closed => None,
    }
}

fn pending(saga: &Saga) -> Option<Trouble> {
    let (position, direction) = saga.at;
    let address = saga.steps.get(usize::from(position.0))?.address.clone();
    let call = saga.call(position, direction)?;
    let trouble = |kind: &str, code: &str, reason: &str, since| Trouble {
        address: address.clone(),
        position,
        direction,
        kind: kind.to_owned(),
        code: code.to_owned(),
        reason: reason.to_owned(),
        since,
        at: saga.updated_at,
    };
    if let Some(waiting) = &saga.waiting {
        return Some(trouble(WAITING, WAITING, &waiting.reason, waiting.since));
    }
    if saga.ended || call.state != CallState::Retrying {
        return None;
    }
    let since = call.started_at.unwrap_or(saga.updated_at);
    let code = call.code.as_deref().unwrap_or("retry");
    Some(trouble(RETRYING, code, call.reason.as_deref().unwrap_or_default(), since))
}
