//! The shapes that other programs read: contract section 8, JSON with kebab-case keys. Fields may be added, never
//! renamed. The one place where the monitor's answers get their form; it must not know HTTP.

mod looks;
mod saga;

use host_core::failure::Failure;
use host_core::id::{GlobalId, StepAddress, TopicName, UseCaseName, WaitKey};
use host_core::json::Json;
use host_core::time::Timestamp;
use host_store::{ErrorGroup, Page, Summary};
use serde::Serialize;

use crate::waiters;

pub use host_core::record::line::Line as Record;
pub use looks::{Accepted, Plugins, Renewed, Topics, UseCases};
pub use saga::Saga;

/// `start`: 202.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Started<'a> {
    pub global_id: &'a GlobalId,
    pub status: &'static str,
}

/// `start`, waited for: 200.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome<'a> {
    pub global_id: &'a GlobalId,
    pub status: &'static str,
    pub body: &'a Json,
    pub failure: Option<&'a Failure>,
}

impl<'a> From<&'a waiters::Outcome> for Outcome<'a> {
    fn from(outcome: &'a waiters::Outcome) -> Self {
        Self {
            global_id: &outcome.global_id,
            status: outcome.status.as_str(),
            body: &outcome.body,
            failure: outcome.failure.as_ref(),
        }
    }
}

/// `list`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct List<'a> {
    pub sagas: Vec<Listed<'a>>,
    pub next_cursor: Option<&'a str>,
}

/// One line of `list`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Listed<'a> {
    pub global_id: &'a GlobalId,
    pub use_case: Option<&'a UseCaseName>,
    pub status: &'static str,
    pub step: Option<&'a StepAddress>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
}

impl<'a> From<&'a Page<Summary>> for List<'a> {
    fn from(page: &'a Page<Summary>) -> Self {
        let listed = |summary: &'a Summary| Listed {
            global_id: &summary.global_id,
            use_case: summary.use_case.as_ref().map(|reference| &reference.name),
            status: summary.status.as_str(),
            step: summary.step.as_ref(),
            started_at: summary.started_at,
            updated_at: summary.updated_at,
        };
        Self { sagas: page.items.iter().map(listed).collect(), next_cursor: page.next_cursor.as_deref() }
    }
}

/// `errors`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Errors<'a> {
    pub groups: Vec<Group<'a>>,
    pub next_cursor: Option<&'a str>,
}

/// One line of `errors`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Group<'a> {
    pub group: &'a str,
    pub use_case: Option<&'a UseCaseName>,
    pub step: &'a StepAddress,
    pub direction: &'static str,
    pub kind: &'a str,
    pub code: &'a str,
    pub reason: &'a str,
    pub count: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    pub examples: &'a [GlobalId],
}

impl<'a> From<&'a Page<ErrorGroup>> for Errors<'a> {
    fn from(page: &'a Page<ErrorGroup>) -> Self {
        let group = |group: &'a ErrorGroup| Group {
            group: group.group.as_str(),
            use_case: group.use_case.as_ref(),
            step: &group.step,
            direction: group.direction.as_str(),
            kind: &group.kind,
            code: &group.code,
            reason: &group.reason,
            count: group.count,
            first_at: group.first_at,
            last_at: group.last_at,
            examples: &group.examples,
        };
        Self { groups: page.items.iter().map(group).collect(), next_cursor: page.next_cursor.as_deref() }
    }
}

/// An act on one saga.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Acted<'a> {
    pub global_id: &'a GlobalId,
    pub verb: &'static str,
    pub dry_run: bool,
}

/// An act on an error group.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GroupActed {
    pub matched: usize,
    pub accepted: usize,
    pub refused: Vec<RefusedMember>,
    /// The group has more members than one act touches: ask again.
    pub more: bool,
    pub dry_run: bool,
}

/// A saga of a group that would not have the act.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RefusedMember {
    pub global_id: GlobalId,
    pub code: &'static str,
    pub reason: String,
}

/// A signal that was taken.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Signalled<'a> {
    pub key: &'a WaitKey,
}

/// A message that was taken.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Published<'a> {
    pub topic: &'a TopicName,
}

#[cfg(test)]
mod tests;
