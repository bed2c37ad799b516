//! What came of a call, as it is kept beside its key-values until the broker holds it.

use host_core::id::{Digest, MessageId, TopicName, WaitKey};
use host_core::json::Json;
use host_core::outcome::{Answer, Outcome};
use host_core::time::Timestamp;
use host_runtime::{Effects, Report, Usage};
use serde::{Deserialize, Serialize};

use crate::settle::CallFacts;

/// The version of the shape below.
const FORMAT: u8 = 1;

/// A call that was done: the only end that changes key-values.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Stored {
    format: u8,
    body: String,
    compensation: Option<String>,
    digest: Option<Digest>,
    emits: Vec<(TopicName, String)>,
    signals: Vec<WaitKey>,
    began_at: Option<Timestamp>,
    at: Timestamp,
    attempt: u32,
}

impl Stored {
    /// None for a call that ended otherwise, which may run again.
    pub(crate) fn of(answer: &Answer, report: &Report, facts: CallFacts) -> Option<Self> {
        let Answer::Outcome(Outcome::Done { body, compensation }) = answer else { return None };
        let text = |json: &Json| json.as_str().to_owned();
        Some(Self {
            format: FORMAT,
            body: text(body),
            compensation: compensation.as_ref().map(text),
            digest: report.digest,
            emits: report.effects.emits.iter().map(|(topic, body)| (topic.clone(), text(body))).collect(),
            signals: report.effects.signals.clone(),
            began_at: facts.began_at,
            at: facts.at,
            attempt: facts.attempt,
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }

    /// None for one that cannot be read, which is told: the step then runs again.
    pub(crate) fn decode(message_id: &MessageId, bytes: &[u8]) -> Option<Self> {
        match serde_json::from_slice::<Self>(bytes) {
            Ok(stored) if stored.format == FORMAT => Some(stored),
            Ok(stored) => {
                tracing::error!(%message_id, format = stored.format, "an outcome was stored by a newer host; update this one");
                None
            }
            Err(error) => {
                tracing::error!(%message_id, %error, "a stored outcome cannot be read, and its step runs again");
                None
            }
        }
    }

    /// As if the call had just been made.
    pub(crate) fn into_report(self) -> Option<(Report, CallFacts)> {
        let json = |text: String| Json::try_from_text(&text).ok();
        let compensation = match self.compensation {
            Some(text) => Some(json(text)?),
            None => None,
        };
        let emits = self.emits.into_iter().map(|(topic, body)| Some((topic, json(body)?))).collect::<Option<_>>()?;
        let facts = CallFacts { began_at: self.began_at, attempt: self.attempt, digest: self.digest, at: self.at };
        let answer = Answer::Outcome(Outcome::Done { body: json(self.body)?, compensation });
        let effects = Effects { emits, signals: self.signals, ..Effects::default() };
        Some((Report { answer, digest: self.digest, effects, usage: Usage::default() }, facts))
    }
}

#[cfg(test)]
mod tests {
    use host_core::id::{Direction, GlobalId, Position};

    use super::*;

    fn message_id() -> MessageId {
        let global_id = GlobalId::try_new("g-1").expect("an id");
        MessageId { global_id, direction: Direction::Handle, position: Position(2) }
    }

    fn report(answer: Answer) -> Report {
        let effects = Effects {
            emits: vec![(TopicName::try_new("shop.told").expect("a topic"), json("{\"n\":1.10}"))],
            signals: vec![WaitKey::try_new("customer-1").expect("a key")],
            ..Effects::default()
        };
        Report { answer, digest: None, effects, usage: Usage::default() }
    }

    fn json(text: &str) -> Json {
        Json::try_from_text(text).expect("JSON")
    }

    fn facts() -> CallFacts {
        CallFacts { began_at: Some(Timestamp::from_ms(5)), attempt: 3, digest: None, at: Timestamp::from_ms(9) }
    }

    #[test]
    fn what_was_done_comes_back_to_the_last_digit() {
        let done =
            Outcome::Done { body: json("{\"amount\":12345678901234567890.10}"), compensation: Some(json("[1]")) };
        let report = report(Answer::Outcome(done));
        let stored = Stored::of(&report.answer, &report, facts()).expect("it is done");
        let read = Stored::decode(&message_id(), &stored.encode()).expect("it was written so");
        assert_eq!(read, stored);
        let (again, told) = read.into_report().expect("its texts are JSON");
        assert_eq!(
            (again.answer, again.effects.emits, again.effects.signals),
            (report.answer, report.effects.emits, report.effects.signals)
        );
        assert_eq!((told.began_at, told.at, told.attempt), (facts().began_at, facts().at, facts().attempt));
    }

    #[test]
    fn other_ends_are_not_kept_and_what_is_not_ours_is_not_believed() {
        let retry = report(Answer::Outcome(Outcome::Retry { reason: "later".to_owned(), after: None }));
        assert_eq!(Stored::of(&retry.answer, &retry, facts()), None);
        for bytes in [&b"{}"[..], b"nothing", b"{\"format\":9}"] {
            assert_eq!(Stored::decode(&message_id(), bytes), None);
        }
    }
}
