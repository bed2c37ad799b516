//! Keys of the projection. A summary's key begins with its start counted backwards, so that the newest saga stands
//! first and lists are plain scans; a finished saga is one row and nothing else.
//! Invariant: every row of `Index` is derived from one summary and changes in the same batch.

use host_core::id::GlobalId;
use host_core::saga::Status;
use host_core::time::Timestamp;

use super::summary::{Summary, Trouble};

/// Rows (status, start backwards, global-id) of all sagas but the completed ones, which a plain scan meets first.
const BY_STATUS: u8 = b's';
/// Rows (group, since, global-id): the members of error groups.
const MEMBER: u8 = b'e';
/// Rows (group): what is the same for all members.
const GROUP: u8 = b'g';

/// Place of a saga in the order of lists: newest start first, then by id.
pub(super) fn place(started_at: Timestamp, global_id: &GlobalId) -> Vec<u8> {
    let mut key = before(started_at).to_vec();
    key.extend_from_slice(global_id.as_str().as_bytes());
    key
}

/// The first place of sagas that started at this time; later starts stand before it.
pub(super) fn before(started_at: Timestamp) -> [u8; 8] {
    (u64::MAX - started_at.as_ms()).to_be_bytes()
}

/// The first place of sagas that started earlier than this time.
pub(super) fn behind(started_at: Timestamp) -> [u8; 8] {
    (u64::MAX - started_at.as_ms() + 1).to_be_bytes()
}

/// Start and id of a place.
pub(super) fn parse_place(key: &[u8]) -> Option<(Timestamp, GlobalId)> {
    let (backwards, text) = key.split_first_chunk::<8>()?;
    let started_at = Timestamp::from_ms(u64::MAX - u64::from_be_bytes(*backwards));
    let global_id = GlobalId::try_new(std::str::from_utf8(text).ok()?).ok()?;
    Some((started_at, global_id))
}

pub(super) fn is_by_status(status: Status) -> bool {
    match status {
        Status::Completed => false,
        Status::Running
        | Status::Waiting
        | Status::Compensating
        | Status::Compensated
        | Status::Failed
        | Status::CompensationFailed
        | Status::Closed => true,
    }
}

pub(super) fn status_code(status: Status) -> u8 {
    Status::ALL.iter().position(|each| *each == status).expect("`ALL` holds every status") as u8
}

/// Everything of a status: what stands before a place in the keys of the status's rows.
pub(super) fn by_status_prefix(status: Status) -> [u8; 2] {
    [BY_STATUS, status_code(status)]
}

pub(super) fn by_status(summary: &Summary) -> Option<Vec<u8>> {
    is_by_status(summary.status).then(|| {
        let mut key = by_status_prefix(summary.status).to_vec();
        key.extend_from_slice(&place(summary.started_at, &summary.global_id));
        key
    })
}

pub(super) fn group(number: u64) -> Vec<u8> {
    let mut key = vec![GROUP];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

pub(super) fn groups() -> [u8; 1] {
    [GROUP]
}

pub(super) fn parse_group(key: &[u8]) -> Option<u64> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes)
}

pub(super) fn member(number: u64, trouble: &Trouble, global_id: &GlobalId) -> Vec<u8> {
    let mut key = members(number);
    key.extend_from_slice(&trouble.since.as_ms().to_be_bytes());
    key.extend_from_slice(global_id.as_str().as_bytes());
    key
}

/// What the keys of a group's members begin with.
pub(super) fn members(number: u64) -> Vec<u8> {
    let mut key = vec![MEMBER];
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// Since when, and who.
pub(super) fn parse_member(key: &[u8]) -> Option<(Timestamp, GlobalId)> {
    let (since, text) = key.get(9..)?.split_first_chunk::<8>()?;
    let global_id = GlobalId::try_new(std::str::from_utf8(text).ok()?).ok()?;
    Some((Timestamp::from_ms(u64::from_be_bytes(*since)), global_id))
}
