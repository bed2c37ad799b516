//! Which members a message has and where each stands, so that what the host does not know is carried along byte for
//! byte, in its place, and what it does know is written anew where it stood.

use std::sync::Arc;

use super::Meta;
use crate::json::Json;

/// Bytes of a `traceparent` or `tracestate`: the bound of W3C Trace Context.
const TRACE_BYTES_MAX: usize = 512;

/// The members of `meta` that the host reads and writes. Their order is the order of a text that the host begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Known {
    GlobalId,
    Steps,
    Position,
    UseCase,
    UseCaseVersion,
    MessageId,
    CompensationLog,
    GivenUp,
    Failure,
    Deadline,
}

impl Known {
    pub(super) const ALL: [Known; 10] = [
        Known::GlobalId,
        Known::Steps,
        Known::Position,
        Known::UseCase,
        Known::UseCaseVersion,
        Known::MessageId,
        Known::CompensationLog,
        Known::GivenUp,
        Known::Failure,
        Known::Deadline,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Known::GlobalId => "global-id",
            Known::Steps => "steps",
            Known::Position => "position",
            Known::UseCase => "use-case",
            Known::UseCaseVersion => "use-case-version",
            Known::MessageId => "message-id",
            Known::CompensationLog => "compensation-log",
            Known::GivenUp => "compensation-failed",
            Known::Failure => "failure",
            Known::Deadline => "deadline",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Known> {
        match name {
            "global-id" => Some(Known::GlobalId),
            "steps" => Some(Known::Steps),
            "position" => Some(Known::Position),
            "use-case" => Some(Known::UseCase),
            "use-case-version" => Some(Known::UseCaseVersion),
            "message-id" => Some(Known::MessageId),
            "compensation-log" => Some(Known::CompensationLog),
            "compensation-failed" => Some(Known::GivenUp),
            "failure" => Some(Known::Failure),
            "deadline" => Some(Known::Deadline),
            _ => None,
        }
    }

    /// A bit of its own, for sets.
    pub(super) fn bit(self) -> u16 {
        1 << (self as u8)
    }
}

/// A member that is carried along: the key as it was written, quotes and escapes included, and the text of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) key: Json,
    pub(super) value: Json,
}

/// One member of `meta`, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Known(Known),
    Other(Member),
}

/// One member of the message, in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Meta,
    Body,
    Other(Member),
}

/// The places. A message without foreign members, whose known ones stand in the host's own order, needs none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Layout {
    /// Empty: `meta`, then `body`.
    pub(super) parts: Vec<Part>,
    /// Empty: the host's own order. A known member that is not listed comes last.
    pub(super) fields: Vec<Field>,
}

impl Layout {
    /// None for a text of the host's own.
    pub(super) fn of(parts: Vec<Part>, fields: Vec<Field>) -> Option<Arc<Layout>> {
        let is_own = parts.is_empty() && fields.is_empty();
        (!is_own).then(|| Arc::new(Layout { parts, fields }))
    }
}

impl Meta {
    /// The members the host does not know, as (key, value) JSON texts in their order, for `context.headers`.
    pub fn other_fields(&self) -> impl Iterator<Item = (&Json, &Json)> {
        self.layout.iter().flat_map(|layout| &layout.fields).filter_map(|field| match field {
            Field::Known(_) => None,
            Field::Other(member) => Some((&member.key, &member.value)),
        })
    }

    /// W3C trace context, as the message carries it; none if it is not a plain text.
    pub fn traceparent(&self) -> Option<&str> {
        self.plain_text("\"traceparent\"")
    }

    /// The companion of `traceparent`.
    pub fn tracestate(&self) -> Option<&str> {
        self.plain_text("\"tracestate\"")
    }

    fn plain_text(&self, key: &str) -> Option<&str> {
        let (_, value) = self.other_fields().find(|(other, _)| other.as_str() == key)?;
        value.as_str().strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
    }

    /// The same head with this trace context, in the place of an older one. A text that cannot be one is left out, as
    /// W3C Trace Context asks of who meets a broken one; a state without a parent means nothing.
    pub fn with_trace(mut self, parent: &str, state: Option<&str>) -> Self {
        let Some(parent) = trace_text(parent) else { return self };
        let mut layout = self.layout.as_deref().cloned().unwrap_or_default();
        if layout.fields.is_empty() {
            layout.fields.extend(Known::ALL.map(Field::Known));
        }
        layout.fields.retain(|field| !is_trace(field));
        layout.fields.push(trace_field("\"traceparent\"", parent));
        layout.fields.extend(state.and_then(trace_text).map(|state| trace_field("\"tracestate\"", state)));
        self.layout = Some(Arc::new(layout));
        self
    }
}

fn is_trace(field: &Field) -> bool {
    match field {
        Field::Known(_) => false,
        Field::Other(member) => matches!(member.key.as_str(), "\"traceparent\"" | "\"tracestate\""),
    }
}

/// The text in quotes, if it needs no escape: visible ASCII, as both headers are defined.
fn trace_text(text: &str) -> Option<String> {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
    (plain && !text.is_empty() && text.len() <= TRACE_BYTES_MAX).then(|| format!("\"{text}\""))
}

fn trace_field(key: &'static str, value: String) -> Field {
    let key = Json::from_checked(bytes::Bytes::from_static(key.as_bytes()));
    Field::Other(Member { key, value: Json::from_checked(value.into()) })
}
