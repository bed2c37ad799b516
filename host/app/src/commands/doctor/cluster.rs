//! Whether the Kafka cluster of this configuration is what the promises need.

use std::collections::BTreeSet;

use host_broker::drivers::kafka::{Examined, Finding, Grade, KafkaBroker};

use super::{Check, State};
use crate::config::{BrokerKind, Config};
use crate::terminal::count;
use crate::{needed, wiring};

/// The check's name.
const NAME: &str = "cluster";

/// Names that a line tells before it says how many more there are; `--json` tells all.
const NAMES_TOLD: usize = 3;

/// Ask the cluster, if the configuration names one. That it does not answer is a finding, not an error.
pub fn look(config: &Config) -> (Vec<Check>, Vec<Finding>) {
    if config.broker.kind != BrokerKind::Kafka {
        return (Vec::new(), Vec::new());
    }
    let needed: Vec<_> = needed::topics(config).into_iter().collect();
    match KafkaBroker::examine(&wiring::kafka_options(config), &needed) {
        Ok(examined) => (checks(&examined), examined.findings),
        Err(error) => {
            let cure = "see whether broker.bootstrap names nodes that live, and broker.client what they ask for";
            (vec![Check::problem(NAME, format!("{error}; {cure}"))], Vec::new())
        }
    }
}

fn checks(examined: &Examined) -> Vec<Check> {
    let (nodes, topics) = (count(examined.node_count, "node"), count(examined.topic_count, "topic"));
    let is_fine = |finding: &&Finding| finding.grade == Grade::Fine;
    let faulty: BTreeSet<_> = examined.findings.iter().filter(|one| !is_fine(one)).map(|one| one.setting).collect();
    let fine: Vec<_> = examined.findings.iter().filter(is_fine).map(|one| one.setting).collect();
    let fine: Vec<_> = fine.into_iter().filter(|setting| !faulty.contains(setting)).collect();
    let to_make = examined.findings.iter().filter(is_fine).find(|one| !one.cure.is_empty());
    let to_make = to_make.map_or_else(String::new, |one| format!(" ({}: {})", one.value, one.cure));
    let settings = match fine.is_empty() {
        true => String::new(),
        false => format!("; as they should be: {}", fine.join(", ")),
    };
    let summary = Check::ok(NAME, format!("{nodes}, {topics}{to_make}{settings}"));
    let faults = examined.findings.iter().filter(|one| !is_fine(one));
    [summary].into_iter().chain(faults.map(check)).collect()
}

fn check(finding: &Finding) -> Check {
    let state = match finding.grade {
        Grade::Fine => State::Ok,
        Grade::Unknown => State::Unknown,
        Grade::Weak => State::Warning,
        Grade::Broken => State::Problem,
    };
    let Finding { setting, value, should_be, promise, cure, .. } = finding;
    let of = names(&finding.of);
    let text = format!("{setting}: {value} ({of}), should be: {should_be}\n  needed so that {promise}\n  cure: {cure}");
    Check { name: NAME, state, text }
}

fn names(of: &[String]) -> String {
    let begin = of.iter().take(NAMES_TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
    match of.len().saturating_sub(NAMES_TOLD) {
        0 => begin,
        more => format!("{begin} and {more} more"),
    }
}

/// What `--json` tells of each finding, fine ones included.
pub fn json(findings: &[Finding]) -> Vec<serde_json::Value> {
    let one = |finding: &Finding| {
        let grade = match finding.grade {
            Grade::Fine => "fine",
            Grade::Unknown => "unknown",
            Grade::Weak => "weak",
            Grade::Broken => "broken",
        };
        serde_json::json!({
            "grade": grade,
            "setting": finding.setting,
            "of": finding.of,
            "value": finding.value,
            "should-be": finding.should_be,
            "promise": finding.promise,
            "cure": finding.cure,
        })
    };
    findings.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(grade: Grade, setting: &'static str, of: &[&str]) -> Finding {
        Finding {
            grade,
            setting,
            of: of.iter().map(|name| (*name).to_owned()).collect(),
            value: "1".to_owned(),
            should_be: "3 or more".to_owned(),
            promise: "a saga survives",
            cure: if grade == Grade::Fine { String::new() } else { "mend it".to_owned() },
        }
    }

    #[test]
    fn each_fault_is_a_check_and_what_is_fine_is_one() {
        let findings = vec![
            finding(Grade::Broken, "retention.ms", &["a.b.c.in"]),
            finding(Grade::Weak, "replication factor", &["a", "b", "c", "d", "e"]),
            finding(Grade::Unknown, "settings of nodes", &["node 1"]),
            finding(Grade::Fine, "retention.ms", &["a.b.d.in"]),
            finding(Grade::Fine, "leader", &["a.b.d.in"]),
        ];
        let checks = checks(&Examined { node_count: 1, topic_count: 7, findings });
        let found: Vec<_> = checks.iter().map(|check| (check.state, check.text.as_str())).collect();
        let why = "needed so that a saga survives\n  cure: mend it";
        let expected = [
            (State::Ok, "1 node, 7 topics; as they should be: leader".to_owned()),
            (State::Problem, format!("retention.ms: 1 (a.b.c.in), should be: 3 or more\n  {why}")),
            (State::Warning, format!("replication factor: 1 (a, b, c and 2 more), should be: 3 or more\n  {why}")),
            (State::Unknown, format!("settings of nodes: 1 (node 1), should be: 3 or more\n  {why}")),
        ];
        assert_eq!(found, expected.each_ref().map(|(state, text)| (*state, text.as_str())));
    }

    #[test]
    fn without_kafka_there_is_nothing_to_ask() {
        assert_eq!(look(&Config::default()), (Vec::new(), Vec::new()));
    }

    #[test]
    fn programs_are_told_all_of_a_finding() {
        let told = json(&[finding(Grade::Weak, "replication factor", &["a", "b", "c", "d", "e"])]);
        assert_eq!(told[0]["grade"], "weak");
        assert_eq!(told[0]["of"].as_array().map(Vec::len), Some(5));
        assert_eq!(told[0]["should-be"], "3 or more");
    }
}
