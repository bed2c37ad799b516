//! The text form of a use case. Every mistake is reported, with its place and its cure.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{OnCompensationFailure, OnExhausted, Policy, UseCase};
use crate::files::FileError;
use crate::files::reader::{Placed, Repeats, Table, read};
use crate::id::{Position, StepAddress, TopicName, UseCaseName};
use crate::limits::{JOURNAL_TOPIC, STEPS_HARD_MAX, cut};

/// Bytes of an owner's name.
const OWNER_BYTES_MAX: usize = 200;
/// Bytes of the name of a schema file.
const FILE_NAME_BYTES_MAX: usize = 200;
/// A saga lasts a moment at least, and ten years at most: past that a deadline was a mistake.
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3660 * 24 * 3600);

/// Read `use-cases/<name>.toml`. `file` is the file's name, which must be the use case's with `.toml`.
pub fn parse(file: &str, text: &str) -> Result<UseCase, Vec<FileError>> {
    read(file, text, |table| {
        table.demand("name", "write name = \"…\", the same as the file's");
        table.demand("version", "write version = 1, and count up with every change");
        table.demand("owner", "write owner = \"…\": the team that answers for this use case");
        table.demand("steps", "write steps = [\"domain.subdomain.service\", …] in order");
        let name = table.parsed("name", "write the file's name without .toml", |text| name(file, text));
        let version = table.whole("version", 1..=u64::from(u32::MAX));
        let owner = table.parsed("owner", "name the team that answers for this use case", owner);
        let description = table.text("description");
        let steps = steps(table);
        let pivot = steps.as_deref().and_then(|steps| pivot(table, steps));
        let deadline = table.span("deadline", DEADLINE);
        let on_exhausted =
            table.word("on-exhausted", &[("error", OnExhausted::Error), ("compensate", OnExhausted::Compensate)]);
        let on_compensation_failure = table.word(
            "on-compensation-failure",
            &[("stop", OnCompensationFailure::Stop), ("continue", OnCompensationFailure::Continue)],
        );
        let trigger_topic = trigger_topic(table, steps.as_deref().unwrap_or_default());
        let body_schema = table.parsed("body-schema", "write the name of a file beside this one", file_name);
        Some(UseCase {
            name: name?.value,
            version: u32::try_from(version?.value).ok()?,
            owner: owner?.value,
            description: description.map_or_else(String::new, |text| text.value),
            steps: steps?.into(),
            policy: Policy {
                pivot,
                on_exhausted: on_exhausted.unwrap_or_default(),
                on_compensation_failure: on_compensation_failure.unwrap_or_default(),
            },
            deadline: deadline.map(|span| span.value),
            trigger_topic,
            body_schema: body_schema.map(|name| name.value),
        })
    })
}

/// Two files cannot then define the same use case, and a person finds the file of one.
fn name(file: &str, text: &str) -> Result<UseCaseName, String> {
    let name = UseCaseName::try_new(text).map_err(|error| error.to_string())?;
    if file.rsplit(['/', '\\']).next().and_then(|file| file.strip_suffix(".toml")) == Some(name.as_str()) {
        Ok(name)
    } else {
        Err(format!("{text:?} is not the name of its file"))
    }
}

fn owner(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        Err("it is empty".to_owned())
    } else if text.len() > OWNER_BYTES_MAX {
        Err(format!("it has more than {OWNER_BYTES_MAX} bytes"))
    } else {
        Ok(text.to_owned())
    }
}

fn steps(table: &mut Table<'_>) -> Option<Vec<StepAddress>> {
    let cure = "write addresses of the form domain.subdomain.service";
    let steps = table.list("steps", STEPS_HARD_MAX, Repeats::Allowed, cure, StepAddress::try_new)?;
    if steps.value.is_empty() {
        table.refuse(&steps, "it has no valid step", "name at least one");
        return None;
    }
    Some(steps.value)
}

/// By address, which must then say which step is meant.
fn pivot(table: &mut Table<'_>, steps: &[StepAddress]) -> Option<Position> {
    let pivot: Placed<StepAddress> =
        table.parsed("pivot", "write the address of one of the steps", StepAddress::try_new)?;
    let mut positions = (0u16..).zip(steps).filter(|(_, step)| **step == pivot.value).map(|(index, _)| Position(index));
    match (positions.next(), positions.next()) {
        (Some(position), None) => Some(position),
        (None, _) => {
            table.refuse(
                &pivot,
                format!("{} is not one of the steps", pivot.value),
                "write the address of one of them",
            );
            None
        }
        (Some(_), Some(_)) => {
            let problem = format!("{} is a step more than once", pivot.value);
            table.refuse(&pivot, problem, "choose a step that occurs once");
            None
        }
    }
}

/// A topic that starts sagas cannot be one that their own steps consume: each saga would start the next.
fn trigger_topic(table: &mut Table<'_>, steps: &[StepAddress]) -> Option<TopicName> {
    const CURE: &str = "write a topic that no step and no host of this system uses";
    let topic = table.parsed("trigger-topic", CURE, TopicName::try_new)?;
    if topic.value.as_str() == JOURNAL_TOPIC {
        table.refuse(&topic, format!("{JOURNAL_TOPIC} is the host's own"), CURE);
        return None;
    }
    if topic.value.step().is_some_and(|(address, _)| steps.contains(&address)) {
        table.refuse(&topic, format!("{} belongs to one of the steps", topic.value), CURE);
        return None;
    }
    Some(topic.value)
}

/// A file beside the definition or below it: an installation refers to nothing outside itself.
fn file_name(text: &str) -> Result<String, String> {
    let inside = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
    if text.len() <= FILE_NAME_BYTES_MAX && text.split('/').all(inside) {
        Ok(text.to_owned())
    } else {
        Err(format!("{:?} is not the name of a file here", cut(text, 80)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str =
        "name = \"shop\"\nversion = 1\nowner = \"team shop\"\nsteps = [\"shop.a.one\", \"shop.a.two\"]\n";

    fn mistakes(file: &str, text: &str) -> Vec<String> {
        parse(file, text).err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    fn one_mistake(more: &str) -> String {
        let mistakes = mistakes("shop.toml", &format!("{LEAST}{more}"));
        assert_eq!(mistakes.len(), 1, "{more}: {mistakes:?}");
        mistakes.into_iter().next().unwrap_or_default()
    }

    fn address(text: &str) -> StepAddress {
        StepAddress::try_new(text).expect("three words")
    }

    #[test]
    fn the_least_definition_takes_the_defaults() {
        let use_case = parse("shop.toml", LEAST).expect("complete");
        assert_eq!(
            use_case,
            UseCase {
                name: UseCaseName::try_new("shop").expect("a word"),
                version: 1,
                owner: "team shop".to_owned(),
                description: String::new(),
                steps: [address("shop.a.one"), address("shop.a.two")].into(),
                policy: Policy::default(),
                deadline: None,
                trigger_topic: None,
                body_schema: None,
            }
        );
    }

    #[test]
    fn every_key_is_read() {
        let text = format!(
            "{LEAST}description = \"buys\"\npivot = \"shop.a.two\"\ndeadline = \"2h\"\non-exhausted = \"compensate\"\n\
             on-compensation-failure = \"continue\"\ntrigger-topic = \"orders.placed\"\n\
             body-schema = \"schemas/shop.json\"\n"
        );
        let use_case = parse("use-cases/shop.toml", &text).expect("complete");
        assert_eq!(use_case.description, "buys");
        assert_eq!(
            use_case.policy,
            Policy {
                pivot: Some(Position(1)),
                on_exhausted: OnExhausted::Compensate,
                on_compensation_failure: OnCompensationFailure::Continue,
            }
        );
        assert_eq!(use_case.deadline, Some(Duration::from_secs(7200)));
        assert_eq!(use_case.trigger_topic, TopicName::try_new("orders.placed").ok());
        assert_eq!(use_case.body_schema.as_deref(), Some("schemas/shop.json"));
    }

    #[test]
    fn what_is_missing_is_said_all_at_once() {
        assert_eq!(
            mistakes("shop.toml", "step = []\n"),
            [
                "shop.toml: name: it is missing; write name = \"…\", the same as the file's",
                "shop.toml: version: it is missing; write version = 1, and count up with every change",
                "shop.toml: owner: it is missing; write owner = \"…\": the team that answers for this use case",
                "shop.toml: steps: it is missing; write steps = [\"domain.subdomain.service\", …] in order",
                "shop.toml:1: step: there is no such key; did you mean steps?",
            ]
        );
    }

    #[test]
    fn all_mistakes_are_reported_with_line_field_and_cure() {
        let text = include_str!("../../../../tests/fixtures/use-case/mistakes.toml");
        let expected = include_str!("../../../../tests/fixtures/use-case/mistakes.txt");
        assert_eq!(mistakes("mistakes.toml", text), expected.lines().collect::<Vec<_>>());
    }

    #[test]
    fn the_name_is_the_files() {
        for file in ["shop.toml", "use-cases/shop.toml"] {
            assert!(parse(file, LEAST).is_ok(), "{file}");
        }
        for file in ["stop.toml", "shop", "shop.toml.bak", "shop.json", ".toml"] {
            assert_eq!(mistakes(file, LEAST).len(), 1, "{file}");
        }
    }

    #[test]
    fn a_list_without_a_valid_step_is_refused() {
        let without = |steps: &str| mistakes("shop.toml", &LEAST.replace("[\"shop.a.one\", \"shop.a.two\"]", steps));
        assert_eq!(without("[]"), ["shop.toml:4: steps: it has no valid step; name at least one"]);
        assert_eq!(without("\"shop.a.one\""), ["shop.toml:4: steps: it is a text; write a list of texts"]);
        let many = format!("[{}]", "\"shop.a.one\",".repeat(1025));
        assert_eq!(without(&many), ["shop.toml:4: steps: it has 1025 entries; write at most 1024"]);
    }

    #[test]
    fn a_pivot_must_be_one_step() {
        let twice = LEAST.replace("\"shop.a.two\"", "\"shop.a.one\"");
        let mistakes = mistakes("shop.toml", &format!("{twice}pivot = \"shop.a.one\"\n"));
        assert_eq!(
            mistakes,
            ["shop.toml:5: pivot: shop.a.one is a step more than once; choose a step that occurs once"]
        );
    }

    #[test]
    fn a_trigger_topic_is_nobody_elses() {
        assert!(one_mistake("trigger-topic = \"saga.journal\"").contains("the host's own"));
        for kind in ["in", "compensate", "error"] {
            assert!(
                one_mistake(&format!("trigger-topic = \"shop.a.two.{kind}\"")).contains("belongs to one of the steps")
            );
        }
    }

    #[test]
    fn a_schema_is_a_file_of_the_installation() {
        for bad in ["", "/etc/x.json", "a/../../x.json", "C:\\x.json", "a//b.json", "."] {
            assert!(one_mistake(&format!("body-schema = '{bad}'")).contains("not the name of a file"), "{bad}");
        }
    }
}
