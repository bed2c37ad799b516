//! The answer of a worker: the outcomes of the contract, held to the same bounds as a component's.

use host_core::call::Answered;
use host_core::id::{TopicName, WaitKey};
use host_core::json::Json;
use host_core::manifest::{Grant, Manifest};
use host_core::outcome::{Answer, Outcome, code, reason};
use host_runtime::{Effects, Report};

use crate::call::report_of;
use crate::limits;

/// What the engine goes on with, or what is wrong with the answer.
pub(crate) fn checked(answered: Answered, manifest: &Manifest) -> Result<Report, String> {
    let Answered { outcome, emits, signals } = answered;
    let effects = effects(manifest, emits, signals)?;
    let bytes_max = manifest.limits.output_bytes_max;
    let bounded = |what: &str, json: &Json| match json.len() <= bytes_max {
        true => Ok(()),
        false => Err(format!(
            "the {what} has {} bytes, more than the {bytes_max} allowed; raise [limits] output if it needs more",
            json.len()
        )),
    };
    let outcome = match outcome {
        Outcome::Done { body, compensation } => {
            bounded("body", &body)?;
            compensation.as_ref().map_or(Ok(()), |log| bounded("compensation", log))?;
            Outcome::Done { body, compensation }
        }
        Outcome::Rejected { code: text, reason: why, details } => {
            details.as_ref().map_or(Ok(()), |details| bounded("details", details))?;
            Outcome::Rejected { code: code(text)?, reason: reason(why), details }
        }
        Outcome::Retry { reason: why, after } => Outcome::Retry { reason: reason(why), after },
        Outcome::Wait { key, reason: why, timeout } => Outcome::Wait { key, reason: reason(why), timeout },
    };
    let is_done = matches!(outcome, Outcome::Done { .. });
    let effects = if is_done { effects } else { Effects::default() };
    Ok(Report { effects, ..report_of(Answer::Outcome(outcome)) })
}

fn effects(manifest: &Manifest, emits: Vec<(TopicName, Json)>, signals: Vec<WaitKey>) -> Result<Effects, String> {
    if emits.is_empty() && signals.is_empty() {
        return Ok(Effects::default());
    }
    if !manifest.grants(Grant::Events) {
        return Err("it emits or signals, and the manifest does not grant \"events\"".to_owned());
    }
    if emits.len() + signals.len() > limits::EVENT_COUNT_MAX {
        return Err(format!("a call may emit and signal {} times", limits::EVENT_COUNT_MAX));
    }
    if let Some((topic, _)) = emits.iter().find(|(topic, _)| !manifest.event_topics.contains(topic)) {
        return Err(format!("topic {topic} is not in the manifest: add it to [events] topics"));
    }
    let bytes = emits.iter().map(|(_, body)| body.len()).sum::<usize>();
    let bytes = bytes + signals.iter().map(|key| key.as_str().len()).sum::<usize>();
    if bytes > limits::EVENT_BYTES_MAX {
        return Err(format!("a call may emit {} bytes in all", limits::EVENT_BYTES_MAX));
    }
    Ok(Effects { emits, signals, ..Effects::default() })
}
