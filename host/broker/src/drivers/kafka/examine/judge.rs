//! From facts to findings, by the rules of docs/guarantees.md. Pure.

mod nodes;
mod topics;

use std::collections::BTreeMap;

use host_core::id::TopicName;

use super::super::options::KafkaOptions;
use super::super::wanted::{self, Wanted};
use super::facts::{Facts, Settings};
use super::{Finding, Grade};

/// Copies of a topic with which the death of a node takes nothing away and stops nothing.
const COPIES: usize = 3;

/// Copies that must have a write before it counts.
const IN_SYNC: usize = 2;

/// What is looked at, and why.
struct Rule {
    setting: &'static str,
    promise: &'static str,
    cure: Cure,
}

/// Where a value is changed.
enum Cure {
    /// The setting of a topic, at once.
    Topic,
    /// The setting of all nodes.
    Nodes,
    Words(&'static str),
}

/// What was found at one place.
struct Row {
    grade: Grade,
    rule: &'static Rule,
    of: String,
    value: String,
    /// The value to set, and how far others do as well.
    target: String,
    latitude: &'static str,
}

/// What was found so far.
struct Book<'a> {
    options: &'a KafkaOptions,
    rows: Vec<Row>,
    whole: Vec<Finding>,
}

/// Everything that a host with these options and topics needs, held against the facts. The worst first.
pub(super) fn judge(options: &KafkaOptions, topics: &[TopicName], facts: &Facts) -> Vec<Finding> {
    let mut book = Book { options, rows: Vec::new(), whole: Vec::new() };
    nodes::judge(&mut book, facts);
    topics::judge(&mut book, topics, facts);
    missing(&mut book, topics, facts);
    book.findings()
}

static MISSING: Rule = Rule {
    setting: "topics",
    promise: "the host works at all, and puts what failed before a person",
    cure: Cure::Words(""),
};

/// Topics that are not there, as this user sees it.
fn missing(book: &mut Book<'_>, topics: &[TopicName], facts: &Facts) {
    let wanted = topics.iter().map(|topic| Wanted::of(book.options, topic));
    let missing: Vec<Wanted> = wanted.filter(|topic| !facts.topics.contains_key(&topic.name)).collect();
    let (grade, cure) = match (missing.is_empty(), book.options.create_topics) {
        (true, _) => (Grade::Fine, String::new()),
        (false, true) => (Grade::Fine, "the host makes them when it starts".to_owned()),
        (false, false) => (Grade::Broken, wanted::told(&book.options.bootstrap, &missing)),
    };
    let value = if missing.is_empty() { "there".to_owned() } else { format!("{} missing", missing.len()) };
    book.whole.push(Finding {
        grade,
        setting: MISSING.setting,
        of: missing.into_iter().map(|topic| topic.name).collect(),
        value,
        should_be: "there".to_owned(),
        promise: MISSING.promise,
        cure,
    });
}

impl Book<'_> {
    fn note(&mut self, grade: Grade, rule: &'static Rule, of: &str, value: impl ToString, should: Should) {
        let Should { target, latitude } = should;
        self.rows.push(Row { grade, rule, of: of.to_owned(), value: value.to_string(), target, latitude });
    }

    /// A number that a setting must reach.
    fn at_least(&mut self, rule: &'static Rule, of: &str, found: Option<&str>, least: u64, below: Grade) {
        self.number(rule, of, found, Should::or_more(least), below, |value| value >= least);
    }

    /// A number that a setting must not exceed.
    fn at_most(&mut self, rule: &'static Rule, of: &str, found: Option<&str>, most: u64, above: Grade) {
        self.number(rule, of, found, Should::or_less(most), above, |value| value <= most);
    }

    fn number(
        &mut self,
        rule: &'static Rule,
        of: &str,
        found: Option<&str>,
        should: Should,
        otherwise: Grade,
        does: impl FnOnce(u64) -> bool,
    ) {
        match found.map(|found| (found, found.parse::<i64>())) {
            // Less than none stands for no bound.
            Some((found, Ok(number))) => {
                let grade = if does(u64::try_from(number).unwrap_or(u64::MAX)) { Grade::Fine } else { otherwise };
                self.note(grade, rule, of, found, should);
            }
            Some((found, Err(_))) => self.note(Grade::Unknown, rule, of, found, should),
            None => self.untold(rule, of, should),
        }
    }

    /// A setting that must have one value.
    fn equal(&mut self, rule: &'static Rule, of: &str, found: Option<&str>, wanted: &str, otherwise: Grade) {
        match found {
            Some(found) => {
                let grade = if found == wanted { Grade::Fine } else { otherwise };
                self.note(grade, rule, of, found, Should::be(wanted));
            }
            None => self.untold(rule, of, Should::be(wanted)),
        }
    }

    /// How many copies must have a write, of so many.
    fn in_sync(&mut self, rule: &'static Rule, of: &str, found: Option<&str>, copies: usize) {
        // Of two copies one must do, or the death of either stops every write.
        let target = if copies < COPIES { 1 } else { IN_SYNC };
        let Some(number) = found.and_then(|found| found.parse::<usize>().ok()) else {
            return self.untold(rule, of, Should::be(target));
        };
        let grade = match copies {
            // What has one copy is told by their number.
            1 if number == 1 => Grade::Fine,
            // All must live, or nothing is written; some versions refuse at once what asks for more than there are.
            _ if number >= copies => Grade::Weak,
            COPIES.. if number < IN_SYNC => Grade::Weak,
            _ => Grade::Fine,
        };
        self.note(grade, rule, of, number, Should::be(target));
    }

    fn untold(&mut self, rule: &'static Rule, of: &str, should: Should) {
        self.note(Grade::Unknown, rule, of, "not told by the cluster", should);
    }

    /// What has the same value and the same fault is one finding; all that is fine of one setting is one.
    fn findings(self) -> Vec<Finding> {
        let mut findings = self.whole;
        let mut groups: BTreeMap<(Grade, &str, String, String), Vec<Row>> = BTreeMap::new();
        for row in self.rows {
            let is_fine = row.grade == Grade::Fine;
            let value = if is_fine { String::new() } else { row.value.clone() };
            let target = if is_fine { String::new() } else { row.target.clone() };
            groups.entry((row.grade, row.rule.setting, value, target)).or_default().push(row);
        }
        for rows in groups.into_values() {
            findings.push(finding(&self.options.bootstrap, &rows));
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.grade));
        findings
    }
}

fn finding(bootstrap: &str, rows: &[Row]) -> Finding {
    let first = &rows[0];
    let mut of: Vec<String> = rows.iter().map(|row| row.of.clone()).collect();
    let mut values: Vec<String> = rows.iter().map(|row| row.value.clone()).collect();
    let mut should: Vec<String> = rows.iter().map(|row| format!("{}{}", row.target, row.latitude)).collect();
    for list in [&mut of, &mut values, &mut should] {
        list.sort_unstable();
        list.dedup();
    }
    let cure = match (first.grade, &first.rule.cure) {
        (Grade::Fine, _) => String::new(),
        (Grade::Unknown, _) => {
            "let this host's user read it (DescribeConfigs of topics and of the cluster), or look at it by other means"
                .to_owned()
        }
        (Grade::Weak | Grade::Broken, Cure::Words(words)) => (*words).to_owned(),
        (Grade::Weak | Grade::Broken, Cure::Nodes) => {
            format!("set {}={} on every node", first.rule.setting, first.target)
        }
        (Grade::Weak | Grade::Broken, Cure::Topic) => {
            let each = if rows.len() > 1 { "for each: " } else { "" };
            format!(
                "{each}kafka-configs.sh --bootstrap-server {bootstrap} --alter --entity-type topics --entity-name {} \
                --add-config {}={}",
                of[0], first.rule.setting, first.target
            )
        }
    };
    Finding {
        grade: first.grade,
        setting: first.rule.setting,
        value: values.join(", "),
        should_be: should.join(", "),
        promise: first.rule.promise,
        cure,
        of,
    }
}

/// What a value should be.
struct Should {
    target: String,
    latitude: &'static str,
}

impl Should {
    fn be(target: impl ToString) -> Self {
        Self { target: target.to_string(), latitude: "" }
    }

    fn or_more(target: impl ToString) -> Self {
        Self { target: target.to_string(), latitude: " or more" }
    }

    fn or_less(target: impl ToString) -> Self {
        Self { target: target.to_string(), latitude: " or less" }
    }
}

impl Settings {
    fn get(&self, name: &str) -> Option<&str> {
        match self {
            Settings::Known(values) => values.get(name).map(String::as_str),
            Settings::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
