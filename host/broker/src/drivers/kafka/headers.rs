//! What travels beside an envelope, as the headers of a Kafka record: one header for each thing, in text, so that every
//! client and every tool can read them.
//!
//! A record is ours if `saga-for` names the topic that it is on. A record without it was produced by somebody else, and
//! so was one with another topic's name: its producer handed on the headers of what it had read.

use std::sync::Arc;

use host_core::failure::{Failure, FailureKind};
use host_core::id::{Digest, Direction, Position, StepAddress, TopicName, WaitKey};
use host_core::time::Timestamp;
use host_core::unit::{Attempts, Cause, Headers};
use serde::Deserialize as _;
use serde::de::value::{self, StrDeserializer};

/// The topic that one of our commits published this record to.
pub(super) const FOR: &str = "saga-for";
/// On a record that passed through us and may come twice all the same: what a person published by hand.
const FOREIGN: &str = "saga-foreign";
/// Failed attempts so far, `retries/faults`.
const ATTEMPTS: &str = "saga-attempts";
/// When the first attempt began.
const FIRST_AT: &str = "saga-first-at";
/// The signal that released the message: its time, a space, its key.
const SIGNALLED: &str = "saga-signalled";

/// On a dead letter: what failed. The names are those of `meta.failure`.
const CAUSE_POSITION: &str = "saga-cause-position";
const CAUSE_ADDRESS: &str = "saga-cause-address";
const CAUSE_DIRECTION: &str = "saga-cause-direction";
const CAUSE_KIND: &str = "saga-cause-kind";
const CAUSE_CODE: &str = "saga-cause-code";
const CAUSE_REASON: &str = "saga-cause-reason";
const CAUSE_AT: &str = "saga-cause-at";
const CAUSE_ATTEMPTS: &str = "saga-cause-attempts";
const CAUSE_FIRST_AT: &str = "saga-cause-first-at";
const CAUSE_LAST_AT: &str = "saga-cause-last-at";
const CAUSE_DIGEST: &str = "saga-cause-digest";
const CAUSE_HOST: &str = "saga-cause-host";

/// A header of a record.
pub(super) type Pair = (&'static str, String);

/// The headers of a record on `topic`.
pub(super) fn write(headers: &Headers, topic: &TopicName) -> Vec<Pair> {
    let mut pairs = vec![(FOR, topic.as_str().to_owned())];
    if headers.foreign {
        pairs.push((FOREIGN, "yes".to_owned()));
    }
    let Attempts { retry_count, fault_count } = headers.attempts;
    if headers.attempts != Attempts::default() {
        pairs.push((ATTEMPTS, format!("{retry_count}/{fault_count}")));
    }
    pairs.extend(headers.first_at.map(|at| (FIRST_AT, at.to_string())));
    pairs.extend(headers.signalled.as_ref().map(|(key, at)| (SIGNALLED, format!("{at} {key}"))));
    if let Some(cause) = &headers.cause {
        write_cause(cause, &mut pairs);
    }
    pairs
}

fn write_cause(cause: &Cause, pairs: &mut Vec<Pair>) {
    let failure = &cause.failure;
    pairs.extend([
        (CAUSE_POSITION, failure.position.0.to_string()),
        (CAUSE_ADDRESS, failure.address.to_string()),
        (CAUSE_DIRECTION, failure.direction.as_str().to_owned()),
        (CAUSE_KIND, failure.kind.as_str().to_owned()),
        (CAUSE_CODE, failure.code.clone()),
        (CAUSE_REASON, failure.reason.clone()),
        (CAUSE_AT, failure.at.to_string()),
        (CAUSE_ATTEMPTS, cause.attempts.to_string()),
        (CAUSE_FIRST_AT, cause.first_at.to_string()),
        (CAUSE_LAST_AT, cause.last_at.to_string()),
        (CAUSE_HOST, cause.host.clone()),
    ]);
    pairs.extend(cause.digest.map(|digest| (CAUSE_DIGEST, digest.to_string())));
}

/// The headers of a record that was read from `topic`. Of a record that is not ours nothing is believed: its attempts
/// begin anew, and a cause is only what our own dead letters carry.
pub(super) fn read<'a>(topic: &TopicName, pairs: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Headers {
    let ours: Vec<(&str, &str)> = pairs
        .into_iter()
        .filter(|(name, _)| name.starts_with("saga-"))
        .filter_map(|(name, value)| Some((name, std::str::from_utf8(value).ok()?)))
        .collect();
    let texts = Texts(&ours);
    if texts.get(FOR) != Some(topic.as_str()) {
        return Headers { foreign: true, ..Headers::default() };
    }
    Headers {
        attempts: texts.get(ATTEMPTS).and_then(attempts).unwrap_or_default(),
        first_at: texts.time(FIRST_AT),
        signalled: texts.get(SIGNALLED).and_then(signalled),
        cause: texts.cause().map(Arc::new),
        foreign: texts.get(FOREIGN).is_some(),
    }
}

fn attempts(text: &str) -> Option<Attempts> {
    let (retries, faults) = text.split_once('/')?;
    Some(Attempts { retry_count: retries.parse().ok()?, fault_count: faults.parse().ok()? })
}

fn signalled(text: &str) -> Option<(WaitKey, Timestamp)> {
    let (at, key) = text.split_once(' ')?;
    Some((WaitKey::try_new(key).ok()?, Timestamp::parse(at).ok()?))
}

/// Headers whose values are text. Where a name comes twice the last one holds, as with Kafka's own clients.
struct Texts<'a>(&'a [(&'a str, &'a str)]);

impl<'a> Texts<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().rev().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        Timestamp::parse(self.get(name)?).ok()
    }

    fn cause(&self) -> Option<Cause> {
        let direction = match self.get(CAUSE_DIRECTION)? {
            word if word == Direction::Handle.as_str() => Direction::Handle,
            word if word == Direction::Compensate.as_str() => Direction::Compensate,
            _ => return None,
        };
        let failure = Failure {
            position: Position(self.get(CAUSE_POSITION)?.parse().ok()?),
            address: StepAddress::try_new(self.get(CAUSE_ADDRESS)?).ok()?,
            direction,
            kind: kind(self.get(CAUSE_KIND)?)?,
            code: self.get(CAUSE_CODE)?.to_owned(),
            reason: self.get(CAUSE_REASON)?.to_owned(),
            at: self.time(CAUSE_AT)?,
        };
        Some(Cause {
            failure,
            attempts: self.get(CAUSE_ATTEMPTS)?.parse().ok()?,
            first_at: self.time(CAUSE_FIRST_AT)?,
            last_at: self.time(CAUSE_LAST_AT)?,
            digest: self.get(CAUSE_DIGEST).and_then(|text| Digest::try_new(text).ok()),
            host: self.get(CAUSE_HOST)?.to_owned(),
        })
    }
}

fn kind(word: &str) -> Option<FailureKind> {
    FailureKind::deserialize(StrDeserializer::<value::Error>::new(word)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> TopicName {
        TopicName::try_new(name).expect("is a topic name")
    }

    fn there_and_back(headers: &Headers, from: &TopicName, to: &TopicName) -> Headers {
        let pairs = write(headers, from);
        read(to, pairs.iter().map(|(name, value)| (*name, value.as_bytes())))
    }

    fn full() -> Headers {
        let at = Timestamp::from_ms(1_700_000_000_123);
        let failure = Failure {
            position: Position(2),
            address: StepAddress::try_new("a.b.c").expect("is an address"),
            direction: Direction::Compensate,
            kind: FailureKind::RetryExhausted,
            code: "retry-exhausted".to_owned(),
            reason: "der Dienst antwortet nicht\n…".to_owned(),
            at,
        };
        let cause = Cause {
            failure,
            attempts: 7,
            first_at: at,
            last_at: Timestamp::MAX,
            digest: Some(Digest([0xab; 32])),
            host: "host-1".to_owned(),
        };
        Headers {
            attempts: Attempts { retry_count: 3, fault_count: 4 },
            first_at: Some(at),
            signalled: Some((WaitKey::try_new("customer 42").expect("is a wait key"), at)),
            cause: Some(Arc::new(cause)),
            foreign: false,
        }
    }

    #[test]
    fn headers_come_as_they_were_sent() {
        let topic = topic("a.b.c.in");
        let by_hand = Headers { foreign: true, ..full() };
        for headers in [full(), by_hand, Headers::default()] {
            assert_eq!(there_and_back(&headers, &topic, &topic), headers);
        }
    }

    #[test]
    fn every_kind_of_failure_is_read_back() {
        let words = ["rejected", "retry-exhausted", "trap", "time-limit", "memory-limit", "output-limit"];
        let more = ["invalid-output", "unavailable", "wait-timeout", "deadline", "undecodable", "operator"];
        for word in words.into_iter().chain(more) {
            assert_eq!(kind(word).map(FailureKind::as_str), Some(word));
        }
        assert_eq!(kind("bad-luck"), None);
    }

    #[test]
    fn a_record_that_is_not_ours_is_foreign_and_nothing_of_it_is_believed() {
        let (here, there) = (topic("a.b.c.in"), topic("a.b.d.in"));
        let nothing = Headers { foreign: true, ..Headers::default() };
        assert_eq!(read(&here, []), nothing);
        // A service in between handed on the headers of what it had read.
        assert_eq!(there_and_back(&full(), &here, &there), nothing);
    }

    #[test]
    fn headers_that_cannot_be_read_are_as_if_they_were_not_there() {
        let here = topic("a.b.c.in");
        let pairs: [(&str, &[u8]); 6] = [
            (FOR, b"a.b.c.in"),
            (ATTEMPTS, b"many"),
            (FIRST_AT, b"yesterday"),
            (SIGNALLED, b"\xff\xff"),
            (CAUSE_KIND, b"trap"),
            ("other", b"\xff"),
        ];
        assert_eq!(read(&here, pairs), Headers::default());
        let twice: [(&str, &[u8]); 3] = [(FOR, b"a.b.c.in"), (ATTEMPTS, b"1/0"), (ATTEMPTS, b"2/1")];
        assert_eq!(read(&here, twice).attempts, Attempts { retry_count: 2, fault_count: 1 });
    }
}
