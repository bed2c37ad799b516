//! Identities: every id, address, name and digest that crosses a room's door, each checked once where it is made.
//! Invariant: a value of one of these types is valid; there is no other way to make one than its constructor.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use crate::limits;

/// Why a text is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {text:?} is not valid: {reason}")]
pub struct Error {
    pub kind: &'static str,
    /// The refused text, cut to what a person can read.
    pub text: String,
    pub reason: &'static str,
}

impl Error {
    fn new(kind: &'static str, text: &str, reason: &'static str) -> Self {
        Self { kind, text: text.chars().take(80).collect(), reason }
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            pub fn try_new(text: &str) -> Result<Self, Error> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(reason) => Err(Error::new($kind, text, reason)),
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Self::try_new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextVisitor { kind: $kind, make: $name::try_new })
            }
        }
    };
}

/// Reads a text without a copy of its own: serde's `Cow` always makes one.
struct TextVisitor<T> {
    kind: &'static str,
    make: fn(&str) -> Result<T, Error>,
}

impl<T> serde::de::Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", self.kind)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.make)(text).map_err(E::custom)
    }
}

text_id!(
    /// Identity of a saga: 1 to 128 printable characters. The host mints UUIDv7 texts, which sort by time.
    GlobalId, "global-id", check_global_id
);
text_id!(
    /// Address of a step: `domain.subdomain.service`, each part `[a-z0-9][a-z0-9-]*`.
    StepAddress, "step address", check_step_address
);
text_id!(
    /// Name of a topic: dot-separated words of letters, digits, `-` and `_`, as Kafka accepts them.
    TopicName, "topic name", check_topic_name
);
text_id!(
    /// Name of a use case: `[a-z0-9][a-z0-9-]*`, at most 64 bytes.
    UseCaseName, "use-case name", check_use_case_name
);
text_id!(
    /// What a message waits for, and what a signal releases: 1 to 256 printable characters.
    WaitKey, "wait key", check_wait_key
);
text_id!(
    /// A key-value bucket: a step's address for its own bucket, `domain/name` for one that a domain's steps share.
    BucketName, "bucket name", check_bucket_name
);

/// SHA-256 of a plugin file. Written `sha256:` and 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub fn try_new(text: &str) -> Result<Self, Error> {
        let refuse = || Error::new("digest", text, "it must be 'sha256:' and 64 hexadecimal digits");
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64 && hex.is_ascii()).ok_or_else(refuse)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let (high, low) = (nibble(pair[0]).ok_or_else(refuse)?, nibble(pair[1]).ok_or_else(refuse)?);
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { self.0.serialize(serializer) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(TextVisitor { kind: "digest", make: Digest::try_new })
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

fn check_printable(text: &str, characters_max: usize) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.len() > characters_max * 4 || text.chars().count() > characters_max {
        return Err("it is too long");
    }
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    if text.chars().any(char::is_control) {
        return Err("it holds a control character");
    }
    if text.trim().len() != text.len() {
        return Err("it begins or ends with white space");
    }
    Ok(())
}

fn check_global_id(text: &str) -> Result<(), &'static str> {
    check_printable(text, limits::GLOBAL_ID_CHARACTERS_MAX)
}

fn check_wait_key(text: &str) -> Result<(), &'static str> {
    check_printable(text, limits::WAIT_KEY_CHARACTERS_MAX)
}

fn check_word(word: &str) -> Result<(), &'static str> {
    let bytes = word.as_bytes();
    match bytes.first() {
        None => return Err("a part is empty"),
        Some(b'-') => return Err("a part begins with '-'"),
        Some(_) => {}
    }
    if bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')) {
        Ok(())
    } else {
        Err("only a-z, 0-9 and '-' are allowed in a part")
    }
}

fn check_step_address(text: &str) -> Result<(), &'static str> {
    if text.len() > limits::ADDRESS_BYTES_MAX {
        return Err("it is too long");
    }
    // One look at each byte, since every message brings some addresses; the slow way finds the words for a mistake.
    let (mut dot_count, mut at_start, mut valid) = (0, true, true);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => at_start = false,
            b'-' => valid &= !at_start,
            b'.' => {
                valid &= !at_start;
                at_start = true;
                dot_count += 1;
            }
            _ => valid = false,
        }
    }
    if valid && !at_start && dot_count == 2 {
        return Ok(());
    }
    text.split('.').try_for_each(check_word)?;
    Err("it must have three parts: domain.subdomain.service")
}

fn check_use_case_name(text: &str) -> Result<(), &'static str> {
    if text.len() > 64 {
        return Err("it is too long");
    }
    check_word(text)
}

fn check_topic_name(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > limits::TOPIC_BYTES_MAX {
        return Err("it must have 1 to 249 characters");
    }
    if text == "." || text == ".." {
        return Err("'.' and '..' are no topic names");
    }
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        Ok(())
    } else {
        Err("only letters, digits, '.', '-' and '_' are allowed")
    }
}

fn check_bucket_name(text: &str) -> Result<(), &'static str> {
    match text.split_once('/') {
        None => check_step_address(text),
        Some((domain, name)) => check_word(domain).and_then(|()| check_word(name)),
    }
}

/// The three kinds of topic that every step has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TopicKind {
    In,
    Compensate,
    Error,
}

impl TopicKind {
    pub fn suffix(self) -> &'static str {
        match self {
            TopicKind::In => "in",
            TopicKind::Compensate => "compensate",
            TopicKind::Error => "error",
        }
    }
}

impl StepAddress {
    /// The topic of this kind: `<address>.in`, `<address>.compensate`, `<address>.error`.
    pub fn topic(&self, kind: TopicKind) -> TopicName {
        // Asked for with every message: joined on the stack, so that the name itself is the only allocation.
        let mut name = SmallVec::<[u8; 128]>::new();
        name.extend_from_slice(self.0.as_bytes());
        name.push(b'.');
        name.extend_from_slice(kind.suffix().as_bytes());
        TopicName(std::str::from_utf8(&name).expect("texts joined by a dot are a text").into())
    }

    pub fn domain(&self) -> &str {
        self.0.split('.').next().unwrap_or_default()
    }
}

impl TopicName {
    /// The step and kind this topic belongs to; none for a topic that is no step's.
    pub fn step(&self) -> Option<(StepAddress, TopicKind)> {
        let (address, suffix) = self.0.rsplit_once('.')?;
        let kind = match suffix {
            "in" => TopicKind::In,
            "compensate" => TopicKind::Compensate,
            "error" => TopicKind::Error,
            _ => return None,
        };
        StepAddress::try_new(address).ok().map(|address| (address, kind))
    }
}

/// Which of a step's two functions a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    Handle,
    Compensate,
}

impl Direction {
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Handle => "handle",
            Direction::Compensate => "compensate",
        }
    }

    /// The topic a message of this direction travels on.
    pub fn topic_kind(self) -> TopicKind {
        match self {
            Direction::Handle => TopicKind::In,
            Direction::Compensate => TopicKind::Compensate,
        }
    }
}

/// Index of a step in the forward itinerary. A step keeps its number in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub u16);

/// Identity of one piece of work: `global-id/direction/position`. The key for idempotency everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId {
    pub global_id: GlobalId,
    pub direction: Direction,
    pub position: Position,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.global_id, self.direction.as_str(), self.position.0)
    }
}

/// Place of a batch in the one order in which the store applied everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Lsn(pub u64);

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn addresses_are_three_words() {
        for good in ["a.b.c", "exchange.ledger.core", "a1.b-2.3c"] {
            assert!(StepAddress::try_new(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "a.b", "a.b.c.d", "A.b.c", "a..c", "-a.b.c", "a.b.c_d", "a.b.c "] {
            assert!(StepAddress::try_new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn global_ids_are_printable_and_bounded() {
        assert!(GlobalId::try_new("ordre-é-1").is_ok());
        assert!(GlobalId::try_new(&"x".repeat(128)).is_ok());
        for bad in ["", "a\n", "a\u{0}b", " a", "a "] {
            assert!(GlobalId::try_new(bad).is_err(), "{bad:?}");
        }
        assert!(GlobalId::try_new(&"x".repeat(129)).is_err());
    }

    #[test]
    fn digests_read_what_they_write_and_nothing_else() {
        let digest = Digest([0xa7; 32]);
        assert_eq!(Digest::try_new(&digest.to_string()), Ok(digest));
        for bad in ["", "sha256:", "sha256:zz", &digest.to_string().to_uppercase(), &"é".repeat(35)] {
            assert!(Digest::try_new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_topic_knows_its_step() {
        let address = StepAddress::try_new("d.s.one").unwrap();
        for kind in [TopicKind::In, TopicKind::Compensate, TopicKind::Error] {
            assert_eq!(address.topic(kind).step(), Some((address.clone(), kind)));
        }
        assert_eq!(TopicName::try_new("saga.journal").unwrap().step(), None);
        assert!(TopicName::try_new("a/b").is_err());
    }
}
