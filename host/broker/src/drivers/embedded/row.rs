//! The broker's rows as bytes: keys that sort in the order they are read in, values with a version before them.
//! Must not know windows, consumers or commits. What is read is checked: another program's bytes are an error.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use host_core::id::{Lsn, TopicName};
use host_core::time::Timestamp;
use host_core::unit::{Headers, Message, Payload};
use serde::{Deserialize, Serialize};

/// First byte of every value; another one is another program's.
const FORMAT: u8 = 1;

/// Number of a topic: short, so that keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct TopicId(pub u32);

/// Place of a delayed message among all of them: by due time, then in the order of publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DelayedKey {
    pub due: Timestamp,
    pub topic: TopicId,
    pub lsn: Lsn,
    /// Number within the unit that published it.
    pub index: u32,
}

impl DelayedKey {
    pub(super) const MIN: DelayedKey = DelayedKey { due: Timestamp::MIN, topic: TopicId(0), lsn: Lsn(0), index: 0 };

    /// The smallest key after this one.
    pub(super) fn successor(self) -> Self {
        match self.index.checked_add(1) {
            Some(index) => Self { index, ..self },
            None => Self { lsn: Lsn(self.lsn.0.saturating_add(1)), index: 0, ..self },
        }
    }

    pub(super) fn encode(self) -> Bytes {
        let mut key = BytesMut::with_capacity(24);
        key.extend_from_slice(&self.due.as_ms().to_be_bytes());
        key.extend_from_slice(&self.topic.0.to_be_bytes());
        key.extend_from_slice(&self.lsn.0.to_be_bytes());
        key.extend_from_slice(&self.index.to_be_bytes());
        key.freeze()
    }

    pub(super) fn decode(key: &[u8]) -> Option<Self> {
        let (due, rest) = key.split_first_chunk::<8>()?;
        let (topic, rest) = rest.split_first_chunk::<4>()?;
        let (lsn, rest) = rest.split_first_chunk::<8>()?;
        let index = <[u8; 4]>::try_from(rest).ok()?;
        Some(Self {
            due: Timestamp::from_ms(u64::from_be_bytes(*due)),
            topic: TopicId(u32::from_be_bytes(*topic)),
            lsn: Lsn(u64::from_be_bytes(*lsn)),
            index: u32::from_be_bytes(index),
        })
    }
}

/// Key of a message in its topic.
pub(super) fn message_key(topic: TopicId, offset: u64) -> Bytes {
    let mut key = BytesMut::with_capacity(12);
    key.extend_from_slice(&topic.0.to_be_bytes());
    key.extend_from_slice(&offset.to_be_bytes());
    key.freeze()
}

pub(super) fn message_offset(key: &[u8]) -> Option<u64> {
    let offset = key.get(4..)?;
    Some(u64::from_be_bytes(offset.try_into().ok()?))
}

/// What is stored of a message beside its payload.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub published_at: Timestamp,
    pub key: String,
    pub headers: Headers,
}

#[derive(Serialize)]
struct HeadRef<'a> {
    published_at: Timestamp,
    key: &'a str,
    headers: &'a Headers,
}

/// A message as a value: the format, the head, then the payload as it is.
pub(super) fn encode_message(published_at: Timestamp, message: &Message) -> Bytes {
    let payload = message.payload.encode();
    let head = HeadRef { published_at, key: &message.key, headers: &message.headers };
    let mut value = Vec::with_capacity(payload.len() + message.key.len() + 64);
    value.push(FORMAT);
    let mut value = postcard::to_extend(&head, value).expect("a head is plain data and the buffer grows");
    value.extend_from_slice(&payload);
    value.into()
}

/// The message again, its payload a slice of the value.
pub(super) fn decode_message(topic: &TopicName, value: &Bytes) -> Result<(Timestamp, Message), String> {
    let (head, payload) = decode_head(value)?;
    let payload = Payload::Encoded(value.slice_ref(payload));
    let message = Message { topic: topic.clone(), key: Arc::from(head.key), headers: head.headers, payload };
    Ok((head.published_at, message))
}

/// The head and the payload behind it.
pub(super) fn decode_head(value: &[u8]) -> Result<(Head, &[u8]), String> {
    postcard::take_from_bytes(checked(value)?).map_err(|error| error.to_string())
}

/// The row of a topic, under its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TopicRow {
    pub id: TopicId,
    pub kind: Kind,
}

/// Whether a message goes when it is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    Queue,
    Log,
}

/// What the commits made of a topic so far; written with each batch that changes it, so a start need not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Queue: messages here. Log: messages ever written.
    pub count: u64,
    /// Log: bytes ever written.
    pub bytes: u64,
    pub delayed_count: u64,
    /// Every message has a lower offset.
    pub next: u64,
    /// Queue: every message has this offset or a higher one, so a scan need not pass over what was removed.
    pub low: u64,
}

/// What retention removed from a log so far. A row of its own, because retention writes beside the commits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trimmed {
    pub count: u64,
    pub bytes: u64,
    /// Every message that is still here has this offset or a higher one.
    pub first: u64,
}

/// The parts of the table of topics, by the first byte of the key.
pub(super) const PART_NAMES: u8 = 0;
pub(super) const PART_TALLIES: u8 = 1;
pub(super) const PART_TRIMMED: u8 = 2;

pub(super) fn topic_key(name: &TopicName) -> Bytes {
    [&[PART_NAMES], name.as_str().as_bytes()].concat().into()
}

pub(super) fn tally_key(topic: TopicId) -> Bytes {
    [&[PART_TALLIES], &topic.0.to_be_bytes()[..]].concat().into()
}

pub(super) fn trimmed_key(topic: TopicId) -> Bytes {
    [&[PART_TRIMMED], &topic.0.to_be_bytes()[..]].concat().into()
}

/// Key of a group's position in a log.
pub(super) fn position_key(topic: TopicId, group: &str) -> Bytes {
    [&topic.0.to_be_bytes()[..], group.as_bytes()].concat().into()
}

/// The topic and the group of a position's key.
pub(super) fn decode_position_key(key: &[u8]) -> Option<(TopicId, &str)> {
    let (topic, group) = key.split_first_chunk::<4>()?;
    Some((TopicId(u32::from_be_bytes(*topic)), std::str::from_utf8(group).ok()?))
}

/// Any small value of this file.
pub(super) fn encode_value<T: Serialize>(value: &T) -> Bytes {
    postcard::to_extend(value, vec![FORMAT]).expect("the value is plain data and the buffer grows").into()
}

pub(super) fn decode_value<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, String> {
    postcard::from_bytes(checked(value)?).map_err(|error| error.to_string())
}

fn checked(value: &[u8]) -> Result<&[u8], String> {
    match value.split_first() {
        Some((&FORMAT, rest)) => Ok(rest),
        Some((&other, _)) => Err(format!("it has format {other}, this host reads format {FORMAT}")),
        None => Err("it is empty".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delayed_keys_sort_by_due_time_and_read_what_they_write() {
        let key = |due, topic, lsn, index| DelayedKey {
            due: Timestamp::from_ms(due),
            topic: TopicId(topic),
            lsn: Lsn(lsn),
            index,
        };
        let keys = [key(1, 9, 9, 9), key(2, 0, 0, 0), key(2, 0, 0, 1), key(2, 0, 256, 0), key(2, 1, 0, 0)];
        assert!(keys.is_sorted());
        assert!(keys.windows(2).all(|two| two[0].encode() < two[1].encode()));
        for key in keys {
            assert_eq!(DelayedKey::decode(&key.encode()), Some(key));
            assert!(key.successor() > key);
        }
        assert_eq!(DelayedKey::decode(b"short"), None);
    }

    #[test]
    fn a_damaged_message_is_refused_with_its_reason() {
        let topic = TopicName::try_new("t").expect("is a topic name");
        for bad in [&b""[..], b"\x02abc", b"\x01", b"\x01\xff\xff"] {
            assert!(decode_message(&topic, &Bytes::copy_from_slice(bad)).is_err(), "{bad:?}");
        }
    }
}
