//! From bytes to an envelope: bounded first, then parsed, then trusted. Only `meta` is looked into; `body` is found to
//! be JSON and stays a slice of the input. No input makes this panic or recurse.

mod error;
mod walk;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::layout::{Field, Known, Layout, Member, Part};
use super::{CompensationEntry, CompensationLog, Envelope, Meta, UseCaseRef};
use crate::failure::Failure;
use crate::id::{self, Digest, Direction, GlobalId, Position, StepAddress, UseCaseName};
use crate::json::Json;
use crate::limits::{Limits, STEPS_HARD_MAX};
use crate::time::Timestamp;

pub use error::{DecodeError, DecodeReason};
use walk::{each_element, each_member, text_of};

/// Bytes that a message may have beside the texts of `meta` and `body`: their names, punctuation, white space.
const FRAME_BYTES_MAX: usize = 1024;

/// Read a message that arrived for `address` on its topic of `direction`.
pub fn decode(
    bytes: &Bytes,
    direction: Direction,
    address: &StepAddress,
    limits: &Limits,
) -> Result<Envelope, DecodeError> {
    read(bytes, direction, address, limits).map_err(|reason| DecodeError::new(reason, global_id_of(bytes)))
}

fn read(bytes: &Bytes, direction: Direction, address: &StepAddress, limits: &Limits) -> Result<Envelope, DecodeReason> {
    let bytes_max = limits.body_bytes_max.saturating_add(limits.meta_bytes_max).saturating_add(FRAME_BYTES_MAX);
    bound("message", bytes.len(), bytes_max)?;
    let text = std::str::from_utf8(bytes).map_err(|error| DecodeReason::NotUtf8 { at: error.valid_up_to() })?;
    let source = Source { bytes, text };
    let frame = Frame::read(source, limits)?;
    let fields = Fields::read(source, frame.meta, address, limits)?;
    let index = fields.index(address)?;
    let layout = Layout::of(frame.parts, fields.places);
    let use_case = use_case(fields.use_case, fields.use_case_version)?;
    let body = frame.body.map_or_else(Json::null, |body| source.json(body));
    let steps = fields.steps;
    let last = steps.len() - 1;
    let compensation_log = match fields.compensation_log {
        Some(text) => compensation_log(source, text, last)?,
        None => CompensationLog::from([]),
    };
    let given_up = fields.given_up.map(|text| given_up(text, last)).transpose()?.unwrap_or_default();
    let meta = Meta {
        global_id: fields.global_id,
        direction,
        steps,
        index,
        use_case,
        compensation_log,
        failure: fields.failure.map(Arc::new),
        given_up,
        deadline: fields.deadline,
        layout,
    };
    Ok(Envelope { meta, body })
}

fn bound(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), DecodeReason> {
    if bytes <= bytes_max { Ok(()) } else { Err(DecodeReason::TooLarge { what, bytes, bytes_max }) }
}

/// The message, as bytes to share and as the same text to read.
#[derive(Clone, Copy)]
struct Source<'a> {
    bytes: &'a Bytes,
    text: &'a str,
}

impl Source<'_> {
    /// A part of the text, which the walk found to be one JSON value, as a slice of the message.
    fn json(&self, part: &str) -> Json {
        let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
        Json::from_checked(self.bytes.slice(start..start + part.len()))
    }

    fn member(&self, key: &str, value: &str) -> Member {
        Member { key: self.json(key), value: self.json(value) }
    }
}

/// The message's own members.
struct Frame<'a> {
    meta: &'a str,
    body: Option<&'a str>,
    parts: Vec<Part>,
}

impl<'a> Frame<'a> {
    fn read(source: Source<'a>, limits: &Limits) -> Result<Self, DecodeReason> {
        let (mut meta, mut body, mut others_bytes) = (None, None, 0usize);
        // Stays empty while the members are the host's own, in its order.
        let mut parts = Vec::new();
        each_member(source.text, |key, value| {
            match &*text_of(key).unwrap_or_default() {
                "meta" => {
                    once("meta", meta.replace(value))?;
                    if !parts.is_empty() {
                        parts.push(Part::Meta);
                    }
                }
                "body" => {
                    bound("body", value.len(), limits.body_bytes_max)?;
                    once("body", body.replace(value))?;
                    if meta.is_none() || !parts.is_empty() {
                        parts.push(Part::Body);
                    }
                }
                _ => {
                    let member = source.member(key, value);
                    others_bytes = others_bytes.saturating_add(member.bytes());
                    bound("meta", others_bytes, limits.meta_bytes_max)?;
                    if parts.is_empty() {
                        parts.extend(meta.map(|_| Part::Meta));
                        parts.extend(body.map(|_| Part::Body));
                    }
                    parts.push(Part::Other(member));
                }
            }
            Ok(())
        })
        .map_err(|stopped| stopped.into_reason(|problem| DecodeReason::NotAnEnvelope { problem }))?;
        let meta = meta.ok_or(DecodeReason::Missing { field: "meta" })?;
        // Foreign members beside `meta` are carried like those within, and count like them.
        bound("meta", meta.len().saturating_add(others_bytes), limits.meta_bytes_max)?;
        Ok(Self { meta, body, parts })
    }
}

fn once<T>(field: &'static str, earlier: Option<T>) -> Result<(), DecodeReason> {
    if earlier.is_none() { Ok(()) } else { Err(DecodeReason::Twice { field }) }
}

/// The members of `meta`, each checked by itself.
struct Fields<'a> {
    global_id: GlobalId,
    steps: Arc<[StepAddress]>,
    position: Option<&'a str>,
    use_case: Option<UseCaseName>,
    use_case_version: Option<u32>,
    compensation_log: Option<&'a str>,
    given_up: Option<&'a str>,
    failure: Option<Failure>,
    deadline: Option<Timestamp>,
    places: Vec<Field>,
}

impl<'a> Fields<'a> {
    fn read(source: Source<'a>, text: &'a str, address: &StepAddress, limits: &Limits) -> Result<Self, DecodeReason> {
        // By `Known`: each value's text, `null` meaning absent.
        let mut values = [None; Known::ALL.len()];
        // Stays empty while all members are known ones in the host's own order.
        let mut places = Vec::new();
        let mut seen = 0u16;
        each_member(text, |key, value| {
            let known = text_of(key).and_then(|name| Known::parse(&name));
            if let Some(known) = known {
                once(known.as_str(), (seen & known.bit() != 0).then_some(()))?;
            }
            let in_order = known.is_some_and(|known| seen < known.bit());
            if !in_order && places.is_empty() {
                places.extend(Known::ALL.into_iter().filter(|known| seen & known.bit() != 0).map(Field::Known));
            }
            match known {
                None => places.push(Field::Other(source.member(key, value))),
                Some(known) => {
                    if !places.is_empty() || !in_order {
                        places.push(Field::Known(known));
                    }
                    seen |= known.bit();
                    values[known as usize] = Some(value).filter(|value| *value != "null");
                }
            }
            Ok(())
        })
        .map_err(|stopped| stopped.into_reason(|problem| invalid("meta", problem, "write it as an object")))?;
        let value = |known: Known| values[known as usize];
        let required = |known: Known| value(known).ok_or(DecodeReason::Missing { field: known.as_str() });
        Ok(Self {
            global_id: global_id(required(Known::GlobalId)?)?,
            steps: steps(required(Known::Steps)?, address, limits)?,
            position: value(Known::Position),
            use_case: value(Known::UseCase).map(use_case_name).transpose()?,
            use_case_version: value(Known::UseCaseVersion).map(use_case_version).transpose()?,
            compensation_log: value(Known::CompensationLog),
            given_up: value(Known::GivenUp),
            failure: value(Known::Failure).map(failure).transpose()?,
            deadline: value(Known::Deadline).map(deadline).transpose()?,
            places,
        })
    }

    /// Where the addressee stands. A step that occurs once needs no position, and a wrong one is forgiven it: a foreign
    /// service hands on the whole `meta` as it came, the position of its own stop included.
    fn index(&self, address: &StepAddress) -> Result<u16, DecodeReason> {
        let given = self.position.map(|text| position(text, self.steps.len())).transpose()?;
        if let Some(index) = given
            && self.steps[usize::from(index)] == *address
        {
            return Ok(index);
        }
        let mut indexes = (0u16..).zip(self.steps.iter()).filter(|(_, step)| *step == address).map(|(index, _)| index);
        match (indexes.next(), indexes.next()) {
            (Some(index), None) => Ok(index),
            (None, _) => Err(DecodeReason::NotInSteps { address: address.clone() }),
            (Some(_), Some(_)) => Err(match given {
                None => DecodeReason::AmbiguousPosition { address: address.clone() },
                Some(index) => DecodeReason::WrongPosition {
                    address: address.clone(),
                    index,
                    found: self.steps[usize::from(index)].clone(),
                },
            }),
        }
    }
}

fn invalid(field: &'static str, problem: impl ToString, cure: &'static str) -> DecodeReason {
    DecodeReason::Invalid { field, problem: problem.to_string(), cure }
}

fn invalid_id(field: &'static str, cure: &'static str) -> impl Fn(id::Error) -> DecodeReason {
    move |error| invalid(field, error, cure)
}

fn text<'a>(field: &'static str, value: &'a str, cure: &'static str) -> Result<Cow<'a, str>, DecodeReason> {
    text_of(value).ok_or_else(|| invalid(field, "it is not a text", cure))
}

fn global_id(value: &str) -> Result<GlobalId, DecodeReason> {
    const CURE: &str = "write a text of 1 to 128 printable characters";
    GlobalId::try_new(&text("global-id", value, CURE)?).map_err(invalid_id("global-id", CURE))
}

fn steps(value: &str, address: &StepAddress, limits: &Limits) -> Result<Arc<[StepAddress]>, DecodeReason> {
    const CURE: &str = "write a list of step addresses, like [\"d.s.one\",\"d.s.two\"]";
    let step_count_max = limits.step_count_max.min(STEPS_HARD_MAX);
    let mut steps = Vec::with_capacity(8);
    each_element(value, |element| {
        if steps.len() == step_count_max {
            return Err(DecodeReason::TooManySteps { step_count_max });
        }
        let step = text("steps", element, CURE)?;
        // Most often it is the addressee's own, of which there is a checked copy at hand.
        if *step == *address.as_str() {
            steps.push(address.clone());
        } else {
            steps.push(StepAddress::try_new(&step).map_err(invalid_id("steps", CURE))?);
        }
        Ok(())
    })
    .map_err(|stopped| stopped.into_reason(|problem| invalid("steps", problem, CURE)))?;
    if steps.is_empty() { Err(invalid("steps", "it is empty", CURE)) } else { Ok(steps.into()) }
}

fn position(value: &str, step_count: usize) -> Result<u16, DecodeReason> {
    let number: Option<u16> = value.parse().ok();
    number
        .filter(|index| usize::from(*index) < step_count)
        .ok_or_else(|| DecodeReason::PositionOutside { found: crate::limits::cut(value, 40), step_count })
}

fn use_case_name(value: &str) -> Result<UseCaseName, DecodeReason> {
    const CURE: &str = "write the name of a use case, or leave it out together with use-case-version";
    UseCaseName::try_new(&text("use-case", value, CURE)?).map_err(invalid_id("use-case", CURE))
}

fn use_case_version(value: &str) -> Result<u32, DecodeReason> {
    const CURE: &str = "write a whole number from 1, or leave it out together with use-case";
    let version: Option<u32> = value.parse().ok();
    version
        .filter(|version| *version > 0)
        .ok_or_else(|| invalid("use-case-version", format!("{} is no version", crate::limits::cut(value, 40)), CURE))
}

/// The rules of a saga are found by both, so one of them alone is a mistake.
fn use_case(name: Option<UseCaseName>, version: Option<u32>) -> Result<Option<UseCaseRef>, DecodeReason> {
    match (name, version) {
        (Some(name), Some(version)) => Ok(Some(UseCaseRef { name, version })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(DecodeReason::Missing { field: "use-case-version" }),
        (None, Some(_)) => Err(DecodeReason::Missing { field: "use-case" }),
    }
}

fn given_up(value: &str, last: usize) -> Result<SmallVec<[Position; 2]>, DecodeReason> {
    const CURE: &str = "write a list of positions, each once, or leave it out";
    let refuse = |problem: String| invalid("compensation-failed", problem, CURE);
    let mut given_up = SmallVec::new();
    each_element(value, |element| {
        let position: Option<u16> = element.parse().ok();
        match position.filter(|position| usize::from(*position) <= last).map(Position) {
            Some(position) if !given_up.contains(&position) => given_up.push(position),
            Some(_) | None => {
                let found = crate::limits::cut(element, 40);
                return Err(refuse(format!("{found} is no position of this itinerary, or stands in it twice")));
            }
        }
        Ok(())
    })
    .map_err(|stopped| stopped.into_reason(refuse))?;
    Ok(given_up)
}

fn deadline(value: &str) -> Result<Timestamp, DecodeReason> {
    const CURE: &str = "write it as RFC 3339, like \"2026-11-22T18:00:00.000Z\"";
    Timestamp::parse(&text("deadline", value, CURE)?).map_err(|error| invalid("deadline", error, CURE))
}

fn failure(value: &str) -> Result<Failure, DecodeReason> {
    const CURE: &str = "write position, address, direction, kind, code, reason and at, or leave it out";
    serde_json::from_str(value).map_err(|error| invalid("failure", error, CURE))
}

/// An object by forward position: `{"0":{"digest":"sha256:…","log":…},…}`, both members optional.
fn compensation_log(source: Source<'_>, value: &str, last: usize) -> Result<CompensationLog, DecodeReason> {
    const FIELD: &str = "compensation-log";
    const CURE: &str = "write it as {\"<position>\":{\"digest\":\"sha256:…\",\"log\":…},…}, or leave it out";
    let refuse = |problem: String| invalid(FIELD, problem, CURE);
    let mut entries: Vec<CompensationEntry> = Vec::new();
    each_member(value, |key, value| {
        let position: Option<u16> = text_of(key).and_then(|name| name.parse().ok());
        let position = position
            .filter(|position| usize::from(*position) <= last)
            .ok_or_else(|| refuse(format!("{} is no position of this itinerary", crate::limits::cut(key, 40))))?;
        if entries.iter().any(|entry| entry.position == Position(position)) {
            return Err(refuse(format!("position {position} stands in it twice")));
        }
        let mut entry = CompensationEntry { position: Position(position), digest: None, log: None };
        each_member(value, |key, value| {
            match &*text_of(key).unwrap_or_default() {
                "digest" if value == "null" => {}
                "digest" => {
                    let digest = Digest::try_new(&text(FIELD, value, CURE)?).map_err(invalid_id(FIELD, CURE))?;
                    once(FIELD, entry.digest.replace(digest))?;
                }
                "log" => once(FIELD, entry.log.replace(source.json(value)))?,
                _ => return Err(refuse(format!("it has a member {}", crate::limits::cut(key, 40)))),
            }
            Ok(())
        })
        .map_err(|stopped| stopped.into_reason(refuse))?;
        entries.push(entry);
        Ok(())
    })
    .map_err(|stopped| stopped.into_reason(refuse))?;
    entries.sort_by_key(|entry| entry.position);
    Ok(entries.into())
}

/// The id of a message that could not be read as a whole, if it can be read so far. Walks over the text without
/// keeping any of it, and no further than `meta`.
fn global_id_of(bytes: &[u8]) -> Option<GlobalId> {
    // A message cut off in the middle of a character is still read up to there.
    let text = bytes.utf8_chunks().next()?.valid();
    let mut found = None;
    // How a walk ends does not matter here: an error is most often the sign to stop, since the id was found.
    let _ = each_member(text, |key, value| {
        if text_of(key).as_deref() != Some("meta") {
            return Ok(());
        }
        let _ = each_member(value, |key, value| {
            if text_of(key).as_deref() != Some("global-id") {
                return Ok(());
            }
            found = text_of(value).and_then(|text| GlobalId::try_new(&text).ok());
            Err(())
        });
        Err(())
    });
    found
}
