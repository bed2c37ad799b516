//! Messages as Kafka records, there and back.

use std::sync::Arc;

use bytes::Bytes;
use host_core::id::TopicName;
use host_core::time::Timestamp;
use host_core::unit::{Message, Payload};
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, OwnedHeaders};

use super::headers;

/// On a delayed record: when it is due, and where it goes then.
const DUE: &str = "saga-due";
const TO: &str = "saga-to";

/// The headers of a message that is published to the topic `on`, which for a delayed one is not its own.
pub(super) fn headers_of(message: &Message, due: Option<Timestamp>) -> OwnedHeaders {
    let mut owned = OwnedHeaders::new();
    for (name, value) in headers::write(&message.headers, &message.topic) {
        owned = owned.insert(Header { key: name, value: Some(&value) });
    }
    if let Some(due) = due {
        owned = owned.insert(Header { key: DUE, value: Some(&due.as_ms().to_string()) });
        owned = owned.insert(Header { key: TO, value: Some(message.topic.as_str()) });
    }
    owned
}

/// A record as it was read.
pub(super) struct Arrived {
    pub message: Message,
    pub published_at: Timestamp,
    /// On a topic of delayed messages: when it is due.
    pub due: Option<Timestamp>,
}

/// A record of `topic`, or of a topic of delayed messages, where the record itself says where it goes.
pub(super) fn read(topic: &TopicName, record: &BorrowedMessage<'_>) -> Arrived {
    let pairs: Vec<(&str, &[u8])> = record
        .headers()
        .map(|headers| headers.iter().map(|header| (header.key, header.value.unwrap_or_default())).collect())
        .unwrap_or_default();
    let text = |name: &str| {
        let value = pairs.iter().rev().find(|(other, _)| *other == name).map(|(_, value)| *value)?;
        std::str::from_utf8(value).ok()
    };
    let due = text(DUE).and_then(|text| text.parse().ok()).map(Timestamp::from_ms);
    let to = text(TO).and_then(|text| TopicName::try_new(text).ok());
    let topic = to.filter(|_| due.is_some()).unwrap_or_else(|| topic.clone());
    let headers = headers::read(&topic, pairs.iter().copied());
    let key = record.key().map(String::from_utf8_lossy).unwrap_or_default();
    let payload = Payload::Encoded(Bytes::copy_from_slice(record.payload().unwrap_or_default()));
    let published_at = record.timestamp().to_millis().and_then(|ms| u64::try_from(ms).ok()).unwrap_or_default();
    Arrived {
        message: Message { topic, key: Arc::from(key.as_ref()), headers, payload },
        published_at: Timestamp::from_ms(published_at),
        due,
    }
}
