//! What can be asked about many sagas at once: summaries by start, status, use case and step, and what stands in the
//! way, grouped by cause. Folded from the journal beside the hot path; it must not know who asks.

pub(crate) mod audit;
mod cursor;
pub(crate) mod fold;
mod group;
mod index;
pub(crate) mod list;
mod retain;
mod stored;
mod summary;

use host_core::id::{Direction, GlobalId, StepAddress, UseCaseName};
use host_core::saga::Status;
use host_core::time::Timestamp;

pub use audit::{Audit, Difference};
pub(crate) use fold::Projector;
pub use group::GroupId;
pub use summary::{Summary, Trouble};

/// Which sagas to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListQuery {
    pub use_case: Option<UseCaseName>,
    pub status: Option<Status>,
    /// The step at which the saga stands.
    pub step: Option<StepAddress>,
    /// Started at this time or later.
    pub since: Option<Timestamp>,
    /// From the page before; with the same other fields only.
    pub cursor: Option<String>,
    /// Items of the page, at most.
    pub limit: usize,
}

/// Which causes to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorQuery {
    pub use_case: Option<UseCaseName>,
    pub cursor: Option<String>,
    pub limit: usize,
}

/// A part of an answer. A page does a bounded piece of work: it may hold fewer items than asked for, even none, and
/// there is more as long as it has a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Opaque.
    pub next_cursor: Option<String>,
}

/// Sagas that stand for the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorGroup {
    pub group: GroupId,
    pub use_case: Option<UseCaseName>,
    pub step: StepAddress,
    pub direction: Direction,
    /// A failure kind, or `retrying`.
    pub kind: String,
    pub code: String,
    /// As the saga that opened the group has it; others may differ in numbers, ids and quoted words.
    pub reason: String,
    pub count: u64,
    /// Since when the saga stands that stands longest.
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// Those that stand longest.
    pub examples: Vec<GlobalId>,
}
