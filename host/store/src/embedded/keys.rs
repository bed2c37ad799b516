//! Layout of every key that the store writes, outside the projection. Ids hold no control character, so a zero byte
//! ends one; numbers are big-endian, so that byte order is their order.

use bytes::Bytes;
use host_core::id::{BucketName, Direction, GlobalId, Lsn, MessageId, Position, WaitKey};
use host_core::time::Timestamp;
use host_core::unit::ParkedId;

use crate::Error;

pub(crate) const META_FORMAT: &[u8] = b"format";
/// Lsn of the last batch.
pub(crate) const META_LAST_LSN: &[u8] = b"last-lsn";
/// Lsn of the last batch that the projection has folded.
pub(crate) const META_PROJECTED: &[u8] = b"projected";
/// Sagas by status.
pub(crate) const META_COUNTS: &[u8] = b"counts";

/// Ends a text inside a key.
const END: u8 = 0;
/// One more: the key after every key that continues an ended text.
const AFTER_END: u8 = 1;

pub(crate) fn lsn(lsn: Lsn) -> Bytes {
    Bytes::copy_from_slice(&lsn.0.to_be_bytes())
}

pub(crate) fn parse_lsn(bytes: &[u8]) -> Option<Lsn> {
    bytes.try_into().ok().map(|bytes| Lsn(u64::from_be_bytes(bytes)))
}

/// (global-id, lsn of the batch).
pub(crate) fn journal(global_id: &GlobalId, lsn: Lsn) -> Vec<u8> {
    let mut key = Vec::with_capacity(global_id.as_str().len() + 9);
    push_journal(&mut key, global_id, lsn);
    key
}

/// The same, behind what `bytes` holds already.
pub(crate) fn push_journal(bytes: &mut Vec<u8>, global_id: &GlobalId, lsn: Lsn) {
    push_text(bytes, global_id.as_str());
    bytes.extend_from_slice(&lsn.0.to_be_bytes());
}

/// From the first to behind the last key of a saga.
pub(crate) fn journal_range(global_id: &GlobalId) -> (Vec<u8>, Vec<u8>) {
    text_range(&[], global_id.as_str())
}

/// The batch of a journal row.
pub(crate) fn journal_lsn(key: &[u8]) -> Option<Lsn> {
    parse_lsn(key.get(key.len().checked_sub(8)?..)?)
}

/// The saga of a journal row.
pub(crate) fn journal_global_id(key: &[u8]) -> Result<GlobalId, Error> {
    let refuse = || unreadable("journal", "it is no global-id and lsn");
    let [text @ .., END] = key.get(..key.len().saturating_sub(8)).ok_or_else(refuse)? else { return Err(refuse()) };
    GlobalId::try_new(self::text(text, "journal")?).map_err(|error| unreadable("journal", error))
}

/// (bucket, key).
pub(crate) fn key_value(bucket: &BucketName, key: &str) -> Vec<u8> {
    let bucket = bucket.as_str().as_bytes();
    let mut bytes = Vec::with_capacity(bucket.len() + 1 + key.len());
    bytes.extend_from_slice(bucket);
    bytes.push(END);
    bytes.extend_from_slice(key.as_bytes());
    bytes
}

/// Keys of a bucket behind `after`.
pub(crate) fn key_value_range(bucket: &BucketName, after: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let (mut from, to) = text_range(&[], bucket.as_str());
    if let Some(after) = after {
        from.extend_from_slice(after.as_bytes());
        from.push(0);
    }
    (from, to)
}

/// The step's own part of a key-value key.
pub(crate) fn key_value_key<'a>(bucket: &BucketName, bytes: &'a [u8]) -> Option<&'a str> {
    std::str::from_utf8(bytes.get(bucket.as_str().len() + 1..)?).ok()
}

/// Prefix of the parked messages themselves, by (wait key, message-id).
const PARKED_MESSAGE: u8 = b'm';
/// Prefix of their order of arrival, by (wait key, since, message-id).
const PARKED_ORDER: u8 = b'o';

pub(crate) fn parked(id: &ParkedId) -> Vec<u8> {
    let mut bytes = vec![PARKED_MESSAGE];
    push_text(&mut bytes, id.key.as_str());
    push_message_id(&mut bytes, &id.message_id);
    bytes
}

pub(crate) fn parked_order(id: &ParkedId, since: Timestamp) -> Vec<u8> {
    let mut bytes = vec![PARKED_ORDER];
    push_text(&mut bytes, id.key.as_str());
    bytes.extend_from_slice(&since.as_ms().to_be_bytes());
    push_message_id(&mut bytes, &id.message_id);
    bytes
}

/// Order keys of all that wait for `key`.
pub(crate) fn parked_order_range(key: &WaitKey) -> (Vec<u8>, Vec<u8>) {
    text_range(&[PARKED_ORDER], key.as_str())
}

/// Who stands at an order key of `key`.
pub(crate) fn parse_parked_order(key: &WaitKey, bytes: &[u8]) -> Result<ParkedId, Error> {
    let rest = bytes.get(1 + key.as_str().len() + 1 + 8..).ok_or_else(|| unreadable("parked", "it is too short"))?;
    Ok(ParkedId { key: key.clone(), message_id: parse_message_id(rest)? })
}

/// (due, wait key, message-id).
pub(crate) fn parked_due(id: &ParkedId, until: Timestamp) -> Vec<u8> {
    let mut bytes = until.as_ms().to_be_bytes().to_vec();
    push_text(&mut bytes, id.key.as_str());
    push_message_id(&mut bytes, &id.message_id);
    bytes
}

/// When, and who.
pub(crate) fn parse_parked_due(bytes: &[u8]) -> Result<(Timestamp, ParkedId), Error> {
    let short = || unreadable("parked-due", "it is too short");
    let (due, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
    let end = rest.iter().position(|&byte| byte == END).ok_or_else(short)?;
    let key = text(&rest[..end], "parked-due")?;
    let key = WaitKey::try_new(key).map_err(|error| unreadable("parked-due", error))?;
    let message_id = parse_message_id(&rest[end + 1..])?;
    Ok((Timestamp::from_ms(u64::from_be_bytes(*due)), ParkedId { key, message_id }))
}

fn push_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(END);
}

fn push_message_id(bytes: &mut Vec<u8>, id: &MessageId) {
    push_text(bytes, id.global_id.as_str());
    bytes.push(match id.direction {
        Direction::Handle => 0,
        Direction::Compensate => 1,
    });
    bytes.extend_from_slice(&id.position.0.to_be_bytes());
}

fn parse_message_id(bytes: &[u8]) -> Result<MessageId, Error> {
    let refuse = || unreadable("parked", "it holds no message-id");
    let (global_id, rest) =
        bytes.split_at_checked(bytes.len().checked_sub(4).ok_or_else(refuse)?).ok_or_else(refuse)?;
    let &[END, direction, high, low] = rest else { return Err(refuse()) };
    let direction = match direction {
        0 => Direction::Handle,
        1 => Direction::Compensate,
        _ => return Err(refuse()),
    };
    let global_id = GlobalId::try_new(text(global_id, "parked")?).map_err(|error| unreadable("parked", error))?;
    Ok(MessageId { global_id, direction, position: Position(u16::from_be_bytes([high, low])) })
}

fn text_range(prefix: &[u8], text: &str) -> (Vec<u8>, Vec<u8>) {
    let mut from = prefix.to_vec();
    from.extend_from_slice(text.as_bytes());
    let mut to = from.clone();
    from.push(END);
    to.push(AFTER_END);
    (from, to)
}

fn text<'a>(bytes: &'a [u8], table: &str) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes).map_err(|error| unreadable(table, error))
}

fn unreadable(table: &str, cause: impl ToString) -> Error {
    Error::corrupt(format!("a key of table {table}"), cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: &str, global_id: &str) -> ParkedId {
        ParkedId {
            key: WaitKey::try_new(key).expect("a wait key"),
            message_id: MessageId {
                global_id: GlobalId::try_new(global_id).expect("a global-id"),
                direction: Direction::Compensate,
                position: Position(300),
            },
        }
    }

    #[test]
    fn parked_keys_read_what_they_write_whatever_the_ids_hold() {
        for id in [id("customer 42", "a/handle/1"), id("é", "ö"), id("x/y", "0")] {
            let due = Timestamp::from_ms(77);
            assert_eq!(parse_parked_due(&parked_due(&id, due)).expect("our own key"), (due, id.clone()));
            assert_eq!(parse_parked_order(&id.key, &parked_order(&id, due)).expect("our own key"), id);
        }
        assert!(parse_parked_due(b"short").is_err());
        assert!(parse_parked_due(&[0; 9]).is_err());
    }

    #[test]
    fn a_range_holds_its_own_text_and_no_longer_one() {
        let short = GlobalId::try_new("a").expect("a global-id");
        let long = GlobalId::try_new("a!").expect("a global-id");
        let (from, to) = journal_range(&short);
        assert!((from.clone()..to.clone()).contains(&journal(&short, Lsn(0))));
        assert!((from.clone()..to.clone()).contains(&journal(&short, Lsn(u64::MAX))));
        assert!(!(from..to).contains(&journal(&long, Lsn(5))));
        assert_eq!(journal_lsn(&journal(&long, Lsn(5))), Some(Lsn(5)));
        assert_eq!(journal_global_id(&journal(&long, Lsn(5))).expect("our own key"), long);
        assert!(journal_global_id(b"short").is_err());
    }
}
