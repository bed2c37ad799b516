//! The stored form of summaries and groups. Start and id of a saga are its key.

use bytes::Bytes;
use host_core::envelope::UseCaseRef;
use host_core::id::{Direction, Position, StepAddress};
use host_core::saga::Status;
use host_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::group::Group;
use super::index;
use super::summary::{Summary, Trouble};
use crate::Error;

/// First byte of every value.
const FORMAT: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Stored<U, S, T> {
    use_case: U,
    status: u8,
    step: S,
    position: Position,
    direction: Direction,
    updated_at: Timestamp,
    ended: bool,
    dead_letter: T,
    pending: T,
}

type Read = Stored<Option<UseCaseRef>, Option<StepAddress>, Option<Trouble>>;

pub(super) fn encode(summary: &Summary) -> Bytes {
    let stored = Stored {
        use_case: &summary.use_case,
        status: index::status_code(summary.status),
        step: &summary.step,
        position: summary.position,
        direction: summary.direction,
        updated_at: summary.updated_at,
        ended: summary.ended,
        dead_letter: &summary.dead_letter,
        pending: &summary.pending,
    };
    encode_any(&stored)
}

pub(super) fn decode(key: &[u8], value: &[u8]) -> Result<Summary, Error> {
    let Some((started_at, global_id)) = index::parse_place(key) else {
        return Err(Error::corrupt("a key of table summaries", "it is no start and id"));
    };
    let what = || format!("the summary of saga {global_id}");
    let stored: Read = decode_any(value, what)?;
    let status = Status::ALL.get(usize::from(stored.status)).copied();
    Ok(Summary {
        status: status.ok_or_else(|| Error::corrupt(what(), format!("it has the status {}", stored.status)))?,
        global_id,
        use_case: stored.use_case,
        step: stored.step,
        position: stored.position,
        direction: stored.direction,
        started_at,
        updated_at: stored.updated_at,
        ended: stored.ended,
        dead_letter: stored.dead_letter,
        pending: stored.pending,
    })
}

pub(super) fn encode_group(group: &Group) -> Bytes {
    encode_any(group)
}

pub(super) fn decode_group(number: u64, value: &[u8]) -> Result<Group, Error> {
    decode_any(value, || format!("the error group {number:016x}"))
}

fn encode_any(value: &impl Serialize) -> Bytes {
    let bytes = postcard::to_extend(value, vec![FORMAT]).expect("a stored shape holds nothing that postcard refuses");
    Bytes::from(bytes.into_boxed_slice())
}

fn decode_any<T: for<'de> Deserialize<'de>>(bytes: &[u8], what: impl Fn() -> String) -> Result<T, Error> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => postcard::from_bytes(rest).map_err(|error| Error::corrupt(what(), error)),
        Some((other, _)) => Err(Error::corrupt(what(), format!("it has format {other}, this host reads {FORMAT}"))),
        None => Err(Error::corrupt(what(), "it is empty")),
    }
}
