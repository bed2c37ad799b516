//! From bytes to an envelope: bounded first, then parsed in one walk, then trusted. Only `meta` is looked into; `body`
//! is found to be JSON and stays a slice of the input. No input makes this panic or recurse.

mod error;
mod fields;
mod walk;

use std::sync::Arc;

use bytes::Bytes;

use super::layout::{Field, Known, Layout, Member, Part};
use super::{CompensationEntry, Envelope, Meta};
use crate::id::{Direction, GlobalId, StepAddress};
use crate::json::Json;
use crate::limits::Limits;

pub use error::{DecodeError, DecodeReason};
use walk::{Scanner, Stopped, text_of};

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
    let Frame { found, body, parts } = Frame::read(source, address, limits)?;
    let value = |known: Known| found.values[known as usize];
    let global_id = fields::global_id(value(Known::GlobalId).ok_or(missing(Known::GlobalId))?)?;
    let steps = found.steps.ok_or(missing(Known::Steps))?;
    let index = index(value(Known::Position), &steps, address)?;
    let last = steps.len() - 1;
    let meta = Meta {
        global_id,
        direction,
        steps,
        index,
        use_case: fields::use_case(value(Known::UseCase), value(Known::UseCaseVersion))?,
        compensation_log: fields::of_itinerary(found.compensation_log, last)?,
        given_up: value(Known::GivenUp).map(|text| fields::given_up(text, last)).transpose()?.unwrap_or_default(),
        failure: value(Known::Failure).map(fields::failure).transpose()?.map(Arc::new),
        deadline: value(Known::Deadline).map(fields::deadline).transpose()?,
        layout: Layout::of(parts, found.places),
    };
    Ok(Envelope { meta, body: body.map_or_else(Json::null, |body| source.json(body)) })
}

fn bound(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), DecodeReason> {
    if bytes <= bytes_max { Ok(()) } else { Err(DecodeReason::TooLarge { what, bytes, bytes_max }) }
}

fn missing(known: Known) -> DecodeReason {
    DecodeReason::Missing { field: known.as_str() }
}

fn once<T>(field: &'static str, earlier: Option<T>) -> Result<(), DecodeReason> {
    if earlier.is_none() { Ok(()) } else { Err(DecodeReason::Twice { field }) }
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
    found: Found<'a>,
    body: Option<&'a str>,
    /// Stays empty while the members are the host's own, in its order.
    parts: Vec<Part>,
}

impl<'a> Frame<'a> {
    fn read(source: Source<'a>, address: &StepAddress, limits: &Limits) -> Result<Self, DecodeReason> {
        let (mut found, mut body) = (None, None);
        // Foreign members beside `meta` are carried like those within, and count like them.
        let mut meta_bytes = 0usize;
        let mut parts = Vec::new();
        let mut scanner = Scanner::new(source.text);
        let walked = scanner.members(|scanner, key| {
            match &*text_of(key).unwrap_or_default() {
                "meta" => {
                    once("meta", found.as_ref())?;
                    scanner.skip_space();
                    let start = scanner.at();
                    found = Some(Found::read(source, scanner, address, limits)?);
                    meta_bytes = meta_bytes.saturating_add(scanner.at() - start);
                    if !parts.is_empty() {
                        parts.push(Part::Meta);
                    }
                }
                "body" => {
                    let value = scanner.value()?;
                    bound("body", value.len(), limits.body_bytes_max)?;
                    once("body", body.replace(value))?;
                    if found.is_none() || !parts.is_empty() {
                        parts.push(Part::Body);
                    }
                }
                _ => {
                    let member = source.member(key, scanner.value()?);
                    meta_bytes = meta_bytes.saturating_add(member.bytes());
                    if parts.is_empty() {
                        parts.extend(found.as_ref().map(|_| Part::Meta));
                        parts.extend(body.map(|_| Part::Body));
                    }
                    parts.push(Part::Other(member));
                }
            }
            Ok(bound("meta", meta_bytes, limits.meta_bytes_max)?)
        });
        let walked = walked.and_then(|()| Ok(scanner.end()?));
        walked.map_err(|stopped| stopped.into_reason(|problem| DecodeReason::NotAnEnvelope { problem }))?;
        Ok(Self { found: found.ok_or(DecodeReason::Missing { field: "meta" })?, body, parts })
    }
}

/// The members of `meta` as they stand there.
struct Found<'a> {
    steps: Option<Arc<[StepAddress]>>,
    compensation_log: Vec<CompensationEntry>,
    /// The texts of the others, by `Known`; `null` means absent.
    values: [Option<&'a str>; Known::ALL.len()],
    /// Stays empty while all members are known ones in the host's own order.
    places: Vec<Field>,
}

impl<'a> Found<'a> {
    fn read(
        source: Source<'a>,
        scanner: &mut Scanner<'a>,
        address: &StepAddress,
        limits: &Limits,
    ) -> Result<Self, DecodeReason> {
        let mut found =
            Found { steps: None, compensation_log: Vec::new(), values: Default::default(), places: Vec::new() };
        let start = scanner.at();
        let mut seen = 0u16;
        let walked = scanner.members(|scanner, key| {
            // What is kept of the members has a bound before all of them are read.
            if scanner.at() - start > limits.meta_bytes_max {
                let bytes = Scanner::starting_at(source.text, start).value()?.len();
                return Ok(bound("meta", bytes, limits.meta_bytes_max)?);
            }
            let Some(known) = text_of(key).and_then(|name| Known::parse(&name)) else {
                found.place(seen, Field::Other(source.member(key, scanner.value()?)));
                return Ok(());
            };
            once(known.as_str(), (seen & known.bit() != 0).then_some(()))?;
            if seen > known.bit() || !found.places.is_empty() {
                found.place(seen, Field::Known(known));
            }
            seen |= known.bit();
            found.take(source, scanner, known, address, limits)
        });
        walked.map_err(|stopped| {
            stopped.into_reason(|problem| fields::invalid("meta", problem, "write it as an object"))
        })?;
        Ok(found)
    }

    fn take(
        &mut self,
        source: Source<'a>,
        scanner: &mut Scanner<'a>,
        known: Known,
        address: &StepAddress,
        limits: &Limits,
    ) -> Result<(), Stopped<DecodeReason>> {
        match known {
            Known::Steps if !scanner.null()? => self.steps = Some(fields::steps(scanner, address, limits)?),
            Known::CompensationLog if !scanner.null()? => {
                self.compensation_log = fields::compensation_log(source, scanner)?;
            }
            Known::Steps | Known::CompensationLog => {}
            Known::GlobalId
            | Known::Position
            | Known::UseCase
            | Known::UseCaseVersion
            | Known::MessageId
            | Known::GivenUp
            | Known::Failure
            | Known::Deadline => {
                self.values[known as usize] = Some(scanner.value()?).filter(|value| *value != "null");
            }
        }
        Ok(())
    }

    /// Note a place, and before the first one those of the members seen so far, which came in order.
    fn place(&mut self, seen: u16, field: Field) {
        if self.places.is_empty() {
            self.places.extend(Known::ALL.into_iter().filter(|known| seen & known.bit() != 0).map(Field::Known));
        }
        self.places.push(field);
    }
}

/// Where the addressee stands. A step that occurs once needs no position, and a wrong one is forgiven it: a foreign
/// service hands on the whole `meta` as it came, the position of its own stop included.
fn index(given: Option<&str>, steps: &[StepAddress], address: &StepAddress) -> Result<u16, DecodeReason> {
    let given = given.map(|text| fields::position(text, steps.len())).transpose()?;
    if let Some(index) = given
        && steps[usize::from(index)] == *address
    {
        return Ok(index);
    }
    let mut indexes = (0u16..).zip(steps).filter(|(_, step)| *step == address).map(|(index, _)| index);
    match (indexes.next(), indexes.next()) {
        (Some(index), None) => Ok(index),
        (None, _) => Err(DecodeReason::NotInSteps { address: address.clone() }),
        (Some(_), Some(_)) => Err(match given {
            None => DecodeReason::AmbiguousPosition { address: address.clone() },
            Some(index) => DecodeReason::WrongPosition {
                address: address.clone(),
                index,
                found: steps[usize::from(index)].clone(),
            },
        }),
    }
}

/// The id of a message that could not be read as a whole, if it can be read so far. Walks over the text without
/// keeping any of it, and no further than `meta`.
fn global_id_of(bytes: &[u8]) -> Option<GlobalId> {
    // A message cut off in the middle of a character is still read up to there.
    let text = bytes.utf8_chunks().next()?.valid();
    let mut found = None;
    // How a walk ends does not matter here: an error is most often the sign to stop, since the id was found.
    let _ = Scanner::new(text).members(|scanner, key| {
        if text_of(key).as_deref() != Some("meta") {
            scanner.value()?;
            return Ok(());
        }
        scanner.members(|scanner, key| {
            let value = scanner.value()?;
            if text_of(key).as_deref() != Some("global-id") {
                return Ok(());
            }
            found = text_of(value).and_then(|text| GlobalId::try_new(&text).ok());
            Err(Stopped::Refused(()))
        })?;
        Err(Stopped::Refused(()))
    });
    found
}
