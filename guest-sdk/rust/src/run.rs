//! One call from text to text: reads the body as the step's type, calls the step, writes what goes on.
//! Must not know who calls: the component's exports and the test host do the same through here.

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::answer::{Done, NextBody, Outcome, StepResult, rejected};
use crate::context::Context;
use crate::splice::splice;

/// Code of the refusal when a body is not what the step's type reads.
///
/// A refusal, not a retry: the bytes will be the same next time, so trying again only delays the moment at which
/// the steps before are undone and somebody sees serde's words.
pub const INVALID_BODY: &str = "invalid-body";

/// Code of the refusal when a compensation log is not what the step's type reads. A person has to look: the undo
/// cannot run, and running it again would not change that.
pub const INVALID_COMPENSATION_LOG: &str = "invalid-compensation-log";

#[doc(hidden)]
pub fn handle<B, F>(step: F, context: &Context, body: String) -> Outcome
where
    B: DeserializeOwned + Serialize,
    F: FnOnce(&Context, B) -> StepResult,
{
    match Arrived::read(context, &body) {
        Ok((arrived, value)) => arrived.answer(step(context, value)),
        Err(outcome) => outcome,
    }
}

#[doc(hidden)]
pub fn compensate<B, L, F>(step: F, context: &Context, body: String, log: Option<String>) -> Outcome
where
    B: DeserializeOwned + Serialize,
    L: DeserializeOwned,
    F: FnOnce(&Context, B, Option<L>) -> StepResult,
{
    let log = match log.map(|text| serde_json::from_str::<L>(&text)).transpose() {
        Ok(log) => log,
        Err(error) => {
            let reason = format!("the compensation log is not what {} reads: {error}", context.address);
            return Outcome::Rejected(rejected(INVALID_COMPENSATION_LOG, reason));
        }
    };
    match Arrived::read(context, &body) {
        Ok((arrived, value)) => arrived.answer(step(context, value, log)),
        Err(outcome) => outcome,
    }
}

/// For a step that leaves nothing behind: `export!(handle)` compensates with this.
#[doc(hidden)]
pub fn nothing_to_undo(_context: &Context, _body: AnyBody, _log: Option<IgnoredAny>) -> StepResult {
    Ok(crate::unchanged())
}

/// Whatever came: nobody is going to look at it.
#[doc(hidden)]
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct AnyBody(Box<RawValue>);

/// The text that came, and what the step's type makes of it before the step touches it.
struct Arrived<'a> {
    raw: &'a str,
    before: String,
}

impl<'a> Arrived<'a> {
    fn read<B: DeserializeOwned + Serialize>(context: &Context, raw: &'a str) -> Result<(Self, B), Outcome> {
        let value: B = serde_json::from_str(raw).map_err(|error| {
            Outcome::Rejected(rejected(
                INVALID_BODY,
                format!("the body is not what {} reads: {error}", context.address),
            ))
        })?;
        match serde_json::to_string(&value) {
            Ok(before) => Ok((Self { raw, before }, value)),
            Err(error) => panic!("the body's type cannot be written as JSON: {error}"),
        }
    }

    fn answer(self, result: StepResult) -> Outcome {
        match result {
            Ok(Done { body, compensation }) => {
                let body = match body {
                    NextBody::Unchanged => self.raw.to_owned(),
                    NextBody::Merged(after) => splice(self.raw, &self.before, &after),
                    NextBody::Replaced(body) => body,
                };
                Outcome::Done { body, compensation }
            }
            Err(stop) => stop.into(),
        }
    }
}
