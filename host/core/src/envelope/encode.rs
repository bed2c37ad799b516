//! From an envelope to its text. Infallible: everything in an envelope was checked when it was made.

use std::fmt::Write;

use bytes::Bytes;

use super::layout::{Field, Known, Layout, Member, Part};
use super::{Envelope, Meta};
use crate::failure::Failure;

/// Room for the names of all members and the punctuation between them.
const NAMES_BYTES: usize = 320;

/// The text of a message. What the host does not know stands where it stood, byte for byte.
pub fn encode(envelope: &Envelope) -> Bytes {
    let mut text = Text { out: String::with_capacity(meta_bytes_at_most(&envelope.meta) + envelope.body.len()) };
    let parts = envelope.meta.layout.as_deref().map_or(&[][..], |layout| &layout.parts);
    text.open();
    let mut has_body = false;
    if parts.is_empty() {
        text.plain_key("meta");
        text.meta(&envelope.meta);
    }
    for part in parts {
        match part {
            Part::Meta => {
                text.plain_key("meta");
                text.meta(&envelope.meta);
            }
            Part::Body => {
                has_body = true;
                text.body(envelope);
            }
            Part::Other(member) => text.member(member),
        }
    }
    if !has_body {
        text.body(envelope);
    }
    text.close();
    Bytes::from(text.out)
}

/// Bytes of the text of this head, counted as `decode` counts them: foreign members beside `meta` included.
pub fn meta_bytes(meta: &Meta) -> usize {
    let mut text = Text { out: String::with_capacity(meta_bytes_at_most(meta)) };
    text.meta(meta);
    text.out.len() + beside_meta(meta.layout.as_deref()).map(Member::bytes).sum::<usize>()
}

/// A bound of what `meta_bytes` gives, cheap to find.
pub fn meta_bytes_at_most(meta: &Meta) -> usize {
    let steps: usize = meta.steps.iter().map(|step| step.as_str().len() + 3).sum();
    let log: usize =
        meta.compensation_log.iter().map(|entry| 110 + entry.log.as_ref().map_or(0, |log| log.len())).sum();
    let failure = meta.failure.as_deref().map_or(0, failure_bytes_at_most);
    let use_case = meta.use_case.as_ref().map_or(0, |use_case| use_case.name.as_str().len() + 12);
    let others: usize = meta.other_fields().map(|(key, value)| key.len() + value.len() + 2).sum();
    let beside: usize = beside_meta(meta.layout.as_deref()).map(Member::bytes).sum();
    NAMES_BYTES
        + 6 * meta.given_up.len()
        + 4 * meta.global_id.as_str().len()
        + steps
        + log
        + failure
        + use_case
        + others
        + beside
}

/// Each byte of a text can become an escape of six.
fn failure_bytes_at_most(failure: &Failure) -> usize {
    200 + failure.address.as_str().len() + 6 * (failure.code.len() + failure.reason.len())
}

fn beside_meta(layout: Option<&Layout>) -> impl Iterator<Item = &Member> {
    layout.into_iter().flat_map(|layout| &layout.parts).filter_map(|part| match part {
        Part::Meta | Part::Body => None,
        Part::Other(member) => Some(member),
    })
}

impl Member {
    /// Bytes with the colon and the comma.
    pub(super) fn bytes(&self) -> usize {
        self.key.len() + self.value.len() + 2
    }
}

/// The text being written.
struct Text {
    out: String,
}

impl Text {
    fn open(&mut self) {
        self.out.push('{');
    }

    fn close(&mut self) {
        self.out.push('}');
    }

    /// A member begins: a comma unless it is the first of its object. No value of ours ends in `{`.
    fn key(&mut self, key: &str) {
        if !self.out.ends_with('{') {
            self.out.push(',');
        }
        self.out.push_str(key);
        self.out.push(':');
    }

    /// A key of ours, which needs no escape.
    fn plain_key(&mut self, name: &str) {
        if !self.out.ends_with('{') {
            self.out.push(',');
        }
        self.plain(name);
        self.out.push(':');
    }

    /// A text that needs no escape, by its type.
    fn plain(&mut self, text: &str) {
        self.out.push('"');
        self.out.push_str(text);
        self.out.push('"');
    }

    fn member(&mut self, member: &Member) {
        self.key(member.key.as_str());
        self.out.push_str(member.value.as_str());
    }

    fn body(&mut self, envelope: &Envelope) {
        self.plain_key("body");
        self.out.push_str(envelope.body.as_str());
    }

    fn meta(&mut self, meta: &Meta) {
        self.open();
        let mut written = 0;
        let fields = meta.layout.as_deref().map_or(&[][..], |layout| &layout.fields);
        for field in fields {
            match field {
                Field::Known(known) => {
                    written |= known.bit();
                    self.known(meta, *known);
                }
                Field::Other(member) => self.member(member),
            }
        }
        for known in Known::ALL {
            if written & known.bit() == 0 {
                self.known(meta, known);
            }
        }
        self.close();
    }

    fn known(&mut self, meta: &Meta, known: Known) {
        match known {
            Known::GlobalId => {
                self.plain_key(known.as_str());
                self.out.push('"');
                self.escaped(meta.global_id.as_str());
                self.out.push('"');
            }
            Known::Steps => self.steps(meta),
            Known::Position => {
                self.plain_key(known.as_str());
                self.number(meta.index.into());
            }
            Known::UseCase => {
                if let Some(use_case) = &meta.use_case {
                    self.plain_key(known.as_str());
                    self.plain(use_case.name.as_str());
                }
            }
            Known::UseCaseVersion => {
                if let Some(use_case) = &meta.use_case {
                    self.plain_key(known.as_str());
                    self.number(use_case.version);
                }
            }
            Known::MessageId => self.message_id(meta),
            Known::CompensationLog => self.compensation_log(meta),
            Known::GivenUp => self.given_up(meta),
            Known::Failure => {
                if let Some(failure) = &meta.failure {
                    self.plain_key(known.as_str());
                    self.out.push_str(&serde_json::to_string(failure).expect("a failure is texts and numbers"));
                }
            }
            Known::Deadline => {
                if let Some(deadline) = meta.deadline {
                    self.plain_key(known.as_str());
                    write!(self.out, "\"{deadline}\"").expect("a String takes every text");
                }
            }
        }
    }

    fn steps(&mut self, meta: &Meta) {
        self.plain_key(Known::Steps.as_str());
        self.out.push('[');
        for (index, step) in meta.steps.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.plain(step.as_str());
        }
        self.out.push(']');
    }

    fn given_up(&mut self, meta: &Meta) {
        if meta.given_up.is_empty() {
            return;
        }
        self.plain_key(Known::GivenUp.as_str());
        self.out.push('[');
        for (index, position) in meta.given_up.iter().enumerate() {
            if index > 0 {
                self.out.push(',');
            }
            self.number(position.0.into());
        }
        self.out.push(']');
    }

    fn message_id(&mut self, meta: &Meta) {
        self.plain_key(Known::MessageId.as_str());
        self.out.push('"');
        self.escaped(meta.global_id.as_str());
        self.out.push('/');
        self.out.push_str(meta.direction.as_str());
        self.out.push('/');
        self.number(meta.position().0.into());
        self.out.push('"');
    }

    /// An object by forward position; a member that has nothing to say is left out.
    fn compensation_log(&mut self, meta: &Meta) {
        if meta.compensation_log.is_empty() {
            return;
        }
        self.plain_key(Known::CompensationLog.as_str());
        self.open();
        for entry in meta.compensation_log.iter() {
            if !self.out.ends_with('{') {
                self.out.push(',');
            }
            self.out.push('"');
            self.number(entry.position.0.into());
            self.out.push_str("\":{");
            if let Some(digest) = entry.digest {
                self.plain_key("digest");
                self.out.push_str("\"sha256:");
                self.hexadecimal(&digest.0);
                self.out.push('"');
            }
            if let Some(log) = &entry.log {
                self.plain_key("log");
                self.out.push_str(log.as_str());
            }
            self.close();
        }
        self.close();
    }

    fn number(&mut self, mut number: u32) {
        let mut digits = [0u8; 10];
        let mut start = digits.len();
        loop {
            start -= 1;
            digits[start] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.out.extend(digits[start..].iter().map(|digit| char::from(*digit)));
    }

    fn hexadecimal(&mut self, bytes: &[u8]) {
        const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
        for byte in bytes {
            self.out.push(DIGITS[usize::from(byte >> 4)]);
            self.out.push(DIGITS[usize::from(byte & 15)]);
        }
    }

    /// A text without control characters: only the quote and the backslash need an escape.
    fn escaped(&mut self, text: &str) {
        if !text.contains(['"', '\\']) {
            return self.out.push_str(text);
        }
        for character in text.chars() {
            if matches!(character, '"' | '\\') {
                self.out.push('\\');
            }
            self.out.push(character);
        }
    }
}
