//! The journal record: one per transition, the single source of truth about a saga. It is the processed mark and the
//! stored outcome as well, so a step commits one record and nothing else for these three purposes.
//! The stored form is versioned by its first byte.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::envelope::UseCaseRef;
use crate::failure::Failure;
use crate::id::{Digest, Direction, GlobalId, MessageId, Position, StepAddress, WaitKey};
use crate::json::Json;
use crate::limits::STEPS_HARD_MAX;
use crate::time::Timestamp;

pub mod line;

/// One transition of one saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub global_id: GlobalId,
    pub position: Position,
    pub address: StepAddress,
    pub direction: Direction,
    /// When the transition was decided.
    pub at: Timestamp,
    /// When the call that led to it began; `at` where there was no call.
    pub began_at: Timestamp,
    /// Number of the call, from 1; 0 where there was no call.
    pub attempt: u32,
    /// The plugin version that was called.
    pub digest: Option<Digest>,
    pub use_case: Option<UseCaseRef>,
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The saga began: its itinerary counted forward, and the body its first step gets.
    Started { steps: Arc<[StepAddress]>, body: Json, deadline: Option<Timestamp> },
    /// `handle` is finished.
    Done { body: Json, compensation: Option<Json> },
    /// The saga turned round at this step: it refused, or a policy says to compensate.
    Rejected { failure: Failure, details: Option<Json> },
    /// The call failed technically and comes again.
    Retried { reason: String, fault: Option<crate::failure::FailureKind>, due: Timestamp },
    /// Parked.
    Waiting { key: WaitKey, reason: String, until: Timestamp },
    /// Released by a signal.
    Signalled { key: WaitKey },
    /// Put before a person. `letter` is the encoded message, from which it can be sent again.
    DeadLettered { failure: Failure, letter: Bytes, standing: Standing },
    /// `compensate` is finished.
    Compensated { body: Json },
    /// A message that must not run any more was dropped: a `handle` after its compensation, a saga that has ended.
    LateDropped { reason: String },
    /// `compensate` was asked for a `handle` that never ran; answered without calling the plugin.
    NotRun,
    /// A person acted.
    Acted { verb: Verb, who: String, reason: Option<String> },
    /// The saga is over.
    Ended { status: EndStatus },
}

/// Where a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// In the saga's way: the letter is its message.
    InTheWay,
    /// Beside it: a compensation was given up and the saga goes on behind it.
    Beside,
}

/// What a person can do to a saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Send the message at which the saga stands again, with a fresh budget.
    Retry,
    /// Turn the saga round where it stands.
    Compensate,
    /// Treat the call at which the saga stands as done, without its effects.
    Skip,
    /// End the saga as it is.
    Close,
}

impl Verb {
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Retry => "retry",
            Verb::Compensate => "compensate",
            Verb::Skip => "skip",
            Verb::Close => "close",
        }
    }
}

/// How a saga can be over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndStatus {
    Completed,
    Compensated,
    /// Every compensation was tried, at least one was given up.
    CompensationFailed,
    Closed,
}

impl Event {
    /// The word for this event on every surface.
    pub fn as_str(&self) -> &'static str {
        match self {
            Event::Started { .. } => "started",
            Event::Done { .. } => "done",
            Event::Rejected { .. } => "rejected",
            Event::Retried { .. } => "retried",
            Event::Waiting { .. } => "waiting",
            Event::Signalled { .. } => "signalled",
            Event::DeadLettered { .. } => "dead-lettered",
            Event::Compensated { .. } => "compensated",
            Event::LateDropped { .. } => "late-dropped",
            Event::NotRun => "not-run",
            Event::Acted { .. } => "acted",
            Event::Ended { .. } => "ended",
        }
    }

    /// Code and reason, where the event has them.
    pub fn cause(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Event::Rejected { failure, .. } | Event::DeadLettered { failure, .. } => {
                (Some(&failure.code), Some(&failure.reason))
            }
            Event::Retried { reason, fault, .. } => (fault.map(|kind| kind.as_str()), Some(reason)),
            Event::Waiting { reason, .. } | Event::LateDropped { reason } => (None, Some(reason)),
            Event::Acted { verb, reason, .. } => (Some(verb.as_str()), reason.as_deref()),
            Event::Signalled { key } => (None, Some(key.as_str())),
            Event::Started { .. }
            | Event::Done { .. }
            | Event::Compensated { .. }
            | Event::NotRun
            | Event::Ended { .. } => (None, None),
        }
    }
}

/// The first byte of every stored record. A reader that meets another one refuses with the cure.
pub const FORMAT: u8 = 1;

/// Why stored bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    #[error(
        "a journal record has format {found}, this host reads format {FORMAT}; run the version of saga that wrote it"
    )]
    Format { found: u8 },
    #[error("a journal record is corrupt: {0}")]
    Corrupt(String),
}

/// The stored part of a record: all but the global-id, which is its key.
#[derive(Serialize, Deserialize)]
struct Stored<A, U, E> {
    position: Position,
    address: A,
    direction: Direction,
    at: Timestamp,
    took: Duration,
    attempt: u32,
    digest: Option<Digest>,
    use_case: U,
    event: E,
}

impl Record {
    pub fn message_id(&self) -> MessageId {
        MessageId { global_id: self.global_id.clone(), direction: self.direction, position: self.position }
    }

    /// Append the stored form. Records of one saga stand one after the other in one value.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let stored = Stored {
            position: self.position,
            address: &self.address,
            direction: self.direction,
            at: self.at,
            took: self.at.since(self.began_at),
            attempt: self.attempt,
            digest: self.digest,
            use_case: &self.use_case,
            event: &self.event,
        };
        let start = out.len();
        out.extend_from_slice(&[FORMAT, 0, 0, 0, 0]);
        let mut taken = std::mem::take(out);
        taken = postcard::to_extend(&stored, taken).expect("a record holds nothing that postcard refuses");
        let length = u32::try_from(taken.len() - start - 5).expect("limits hold a record far below 4 GiB");
        taken[start + 1..start + 5].copy_from_slice(&length.to_le_bytes());
        *out = taken;
    }

    /// Read back every record of a value.
    pub fn decode_all(global_id: &GlobalId, mut bytes: &[u8]) -> Result<Vec<Record>, StoredError> {
        let mut records = Vec::new();
        while let Some((&format, rest)) = bytes.split_first() {
            if format != FORMAT {
                return Err(StoredError::Format { found: format });
            }
            let short = || StoredError::Corrupt("it ends in the middle".to_owned());
            let (length, rest) = rest.split_at_checked(4).ok_or_else(short)?;
            let length = u32::from_le_bytes(length.try_into().map_err(|_| short())?);
            let (stored, rest) = rest.split_at_checked(length as usize).ok_or_else(short)?;
            records.push(Self::decode(global_id, stored)?);
            bytes = rest;
        }
        Ok(records)
    }

    fn decode(global_id: &GlobalId, bytes: &[u8]) -> Result<Record, StoredError> {
        let stored: Stored<StepAddress, Option<UseCaseRef>, Event> =
            postcard::from_bytes(bytes).map_err(|error| StoredError::Corrupt(error.to_string()))?;
        check(&stored)?;
        let took_ms = u64::try_from(stored.took.as_millis()).unwrap_or(u64::MAX);
        Ok(Record {
            global_id: global_id.clone(),
            position: stored.position,
            address: stored.address,
            direction: stored.direction,
            at: stored.at,
            began_at: Timestamp::from_ms(stored.at.as_ms().saturating_sub(took_ms)),
            attempt: stored.attempt,
            digest: stored.digest,
            use_case: stored.use_case,
            event: stored.event,
        })
    }
}

/// What the types do not hold by themselves, and readers rely on.
fn check<A, U>(stored: &Stored<A, U, Event>) -> Result<(), StoredError> {
    let step_count = match &stored.event {
        Event::Started { steps, .. } => steps.len(),
        Event::Done { .. }
        | Event::Rejected { .. }
        | Event::Retried { .. }
        | Event::Waiting { .. }
        | Event::Signalled { .. }
        | Event::DeadLettered { .. }
        | Event::Compensated { .. }
        | Event::LateDropped { .. }
        | Event::NotRun
        | Event::Acted { .. }
        | Event::Ended { .. } => STEPS_HARD_MAX,
    };
    let position = usize::from(stored.position.0);
    if step_count <= STEPS_HARD_MAX && position < step_count {
        Ok(())
    } else {
        Err(StoredError::Corrupt(format!("position {position} is outside an itinerary of {step_count} steps")))
    }
}

#[cfg(test)]
mod tests;
