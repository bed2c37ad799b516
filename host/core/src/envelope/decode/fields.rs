//! The fields of `meta`, each from its text to its type, each refusal with its cure.

use std::borrow::Cow;
use std::sync::Arc;

use smallvec::SmallVec;

use super::walk::{Scanner, text_of};
use super::{DecodeReason, Source, missing, once};
use crate::envelope::layout::Known;
use crate::envelope::{CompensationEntry, CompensationLog, UseCaseRef};
use crate::failure::Failure;
use crate::id::{self, Digest, GlobalId, Position, StepAddress, UseCaseName};
use crate::limits::{Limits, STEPS_HARD_MAX, cut};
use crate::time::Timestamp;

pub(super) fn invalid(field: &'static str, problem: impl ToString, cure: &'static str) -> DecodeReason {
    DecodeReason::Invalid { field, problem: problem.to_string(), cure }
}

fn invalid_id(field: &'static str, cure: &'static str) -> impl Fn(id::Error) -> DecodeReason {
    move |error| invalid(field, error, cure)
}

fn text<'a>(field: &'static str, value: &'a str, cure: &'static str) -> Result<Cow<'a, str>, DecodeReason> {
    text_of(value).ok_or_else(|| invalid(field, "it is not a text", cure))
}

pub(super) fn global_id(value: &str) -> Result<GlobalId, DecodeReason> {
    const CURE: &str = "write a text of 1 to 128 printable characters";
    GlobalId::try_new(&text("global-id", value, CURE)?).map_err(invalid_id("global-id", CURE))
}

pub(super) fn steps(
    scanner: &mut Scanner<'_>,
    address: &StepAddress,
    limits: &Limits,
) -> Result<Arc<[StepAddress]>, DecodeReason> {
    const CURE: &str = "write a list of step addresses, like [\"d.s.one\",\"d.s.two\"]";
    let step_count_max = limits.step_count_max.min(STEPS_HARD_MAX);
    let mut steps: SmallVec<[StepAddress; 8]> = SmallVec::new();
    let walked = scanner.elements(|element| {
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
    });
    walked.map_err(|stopped| stopped.into_reason(|problem| invalid("steps", problem, CURE)))?;
    if steps.is_empty() { Err(invalid("steps", "it is empty", CURE)) } else { Ok(Arc::from(steps.as_slice())) }
}

pub(super) fn position(value: &str, step_count: usize) -> Result<u16, DecodeReason> {
    let number: Option<u16> = value.parse().ok();
    let inside = number.filter(|index| usize::from(*index) < step_count);
    inside.ok_or_else(|| DecodeReason::PositionOutside { found: cut(value, 40), step_count })
}

/// The rules of a saga are found by both, so one of them alone is a mistake.
pub(super) fn use_case(name: Option<&str>, version: Option<&str>) -> Result<Option<UseCaseRef>, DecodeReason> {
    match (name, version) {
        (Some(name), Some(version)) => {
            Ok(Some(UseCaseRef { name: use_case_name(name)?, version: use_case_version(version)? }))
        }
        (None, None) => Ok(None),
        (Some(_), None) => Err(missing(Known::UseCaseVersion)),
        (None, Some(_)) => Err(missing(Known::UseCase)),
    }
}

fn use_case_name(value: &str) -> Result<UseCaseName, DecodeReason> {
    const CURE: &str = "write the name of a use case, or leave it out together with use-case-version";
    UseCaseName::try_new(&text("use-case", value, CURE)?).map_err(invalid_id("use-case", CURE))
}

fn use_case_version(value: &str) -> Result<u32, DecodeReason> {
    const CURE: &str = "write a whole number from 1, or leave it out together with use-case";
    let version: Option<u32> = value.parse().ok();
    let counted = version.filter(|version| *version > 0);
    counted.ok_or_else(|| invalid("use-case-version", format!("{} is no version", cut(value, 40)), CURE))
}

pub(super) fn given_up(value: &str, last: usize) -> Result<SmallVec<[Position; 2]>, DecodeReason> {
    const CURE: &str = "write a list of positions, each once, or leave it out";
    let refuse = |problem: String| invalid("compensation-failed", problem, CURE);
    let mut given_up = SmallVec::new();
    let walked = Scanner::new(value).elements(|element| {
        let position: Option<u16> = element.parse().ok();
        match position.filter(|position| usize::from(*position) <= last).map(Position) {
            Some(position) if !given_up.contains(&position) => given_up.push(position),
            Some(_) | None => {
                let found = cut(element, 40);
                return Err(refuse(format!("{found} is no position of this itinerary, or stands in it twice")));
            }
        }
        Ok(())
    });
    walked.map_err(|stopped| stopped.into_reason(refuse))?;
    Ok(given_up)
}

pub(super) fn deadline(value: &str) -> Result<Timestamp, DecodeReason> {
    const CURE: &str = "write it as RFC 3339, like \"2026-11-22T18:00:00.000Z\"";
    Timestamp::parse(&text("deadline", value, CURE)?).map_err(|error| invalid("deadline", error, CURE))
}

pub(super) fn failure(value: &str) -> Result<Failure, DecodeReason> {
    const CURE: &str = "write position, address, direction, kind, code, reason and at, or leave it out";
    serde_json::from_str(value).map_err(|error| invalid("failure", error, CURE))
}

const LOG: &str = Known::CompensationLog.as_str();
const LOG_CURE: &str = "write it as {\"<position>\":{\"digest\":\"sha256:…\",\"log\":…},…}, or leave it out";

fn refuse_log(problem: impl ToString) -> DecodeReason {
    invalid(LOG, problem, LOG_CURE)
}

/// An object by forward position: `{"0":{"digest":"sha256:…","log":…},…}`, both members optional.
pub(super) fn compensation_log(
    source: Source<'_>,
    scanner: &mut Scanner<'_>,
) -> Result<Vec<CompensationEntry>, DecodeReason> {
    let mut entries: Vec<CompensationEntry> = Vec::new();
    let walked = scanner.members(|scanner, key| {
        let position: Option<u16> = text_of(key).and_then(|name| name.parse().ok());
        let position = position.filter(|position| usize::from(*position) < STEPS_HARD_MAX).map(Position);
        let position = position.ok_or_else(|| refuse_log(format!("{} is no position", cut(key, 40))))?;
        if entries.iter().any(|entry| entry.position == position) {
            return Err(refuse_log(format!("position {} stands in it twice", position.0)).into());
        }
        entries.push(log_entry(source, scanner, position)?);
        Ok(())
    });
    walked.map_err(|stopped| stopped.into_reason(refuse_log))?;
    if !entries.is_sorted_by_key(|entry| entry.position) {
        entries.sort_by_key(|entry| entry.position);
    }
    Ok(entries)
}

fn log_entry(
    source: Source<'_>,
    scanner: &mut Scanner<'_>,
    position: Position,
) -> Result<CompensationEntry, DecodeReason> {
    let mut entry = CompensationEntry { position, digest: None, log: None };
    let walked = scanner.members(|scanner, key| {
        let value = scanner.value()?;
        match &*text_of(key).unwrap_or_default() {
            "digest" if value == "null" => {}
            "digest" => {
                let digest = Digest::try_new(&text(LOG, value, LOG_CURE)?).map_err(invalid_id(LOG, LOG_CURE))?;
                once(LOG, entry.digest.replace(digest))?;
            }
            "log" => once(LOG, entry.log.replace(source.json(value)))?,
            _ => return Err(refuse_log(format!("it has a member {}", cut(key, 40))).into()),
        }
        Ok(())
    });
    walked.map_err(|stopped| stopped.into_reason(refuse_log))?;
    Ok(entry)
}

/// Entries come in order, so the last one tells whether all of them are of this itinerary.
pub(super) fn of_itinerary(entries: Vec<CompensationEntry>, last: usize) -> Result<CompensationLog, DecodeReason> {
    match entries.last() {
        Some(entry) if usize::from(entry.position.0) > last => {
            Err(refuse_log(format!("position {} is no position of this itinerary", entry.position.0)))
        }
        Some(_) | None => Ok(entries.into()),
    }
}
