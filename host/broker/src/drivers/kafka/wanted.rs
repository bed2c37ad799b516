//! What a topic must be: partitions, copies and settings, by its name and the options. Pure; `cluster` makes topics by
//! it, and whoever may not is told by it what to have made.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use host_core::id::TopicName;
use host_core::limits::JOURNAL_TOPIC;

use super::copies::STATE_TOPIC;
use super::delays;
use super::options::{Hosts, KafkaOptions};
use super::shared::ALONE;
use crate::Retention;

/// As far in the future as the cluster counts.
pub(super) const NO_BOUND: &str = "9223372036854775807";

/// The controller refuses a request that makes more than 10,000 records: one a topic, a partition and a setting. Some
/// room is left for what it adds itself.
const RECORDS_MAX: usize = 9_000;

/// How long it can be read of a row that it was removed: a host that was away for longer would keep the row in its
/// tables.
const REMOVALS_KEPT_MS: u64 = 30 * 24 * 3600 * 1000;

/// Names of one kind that a text tells before it says how many more there are.
const NAMES_TOLD: usize = 3;

/// What a topic is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Messages that are to be handled, or are not due yet: kept until they are done.
    Queue,
    /// Rows under their keys.
    State,
    /// Kept for its readers for a while.
    Log,
    /// Empty: whoever owns its one partition is the only host.
    Alone,
}

impl Kind {
    fn of(options: &KafkaOptions, topic: &TopicName) -> Self {
        match topic.as_str() {
            ALONE => Kind::Alone,
            STATE_TOPIC => Kind::State,
            _ => match options.retention(topic) {
                Retention::UntilAcknowledged => Kind::Queue,
                Retention::Kept { .. } => Kind::Log,
            },
        }
    }

    fn about(self) -> &'static str {
        match self {
            Kind::Queue => "for messages that are kept until they are done",
            Kind::State => "for rows of which the last of each key is kept",
            Kind::Log => "for what is kept for its readers for a while",
            Kind::Alone => "empty; who owns its one partition is the host",
        }
    }
}

/// What one topic must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub kind: Kind,
    /// In the cluster.
    pub name: String,
    pub partitions: i32,
    /// -1 is the cluster's default.
    pub replication: i32,
    pub settings: BTreeMap<&'static str, String>,
}

impl Wanted {
    pub(super) fn of(options: &KafkaOptions, topic: &TopicName) -> Self {
        let kind = Kind::of(options, topic);
        let mut settings = BTreeMap::from([
            ("max.message.bytes", options.message_bytes_max.to_string()),
            // What was published when counts when it is read, not when the cluster got it.
            ("message.timestamp.type", "CreateTime".to_owned()),
            // A host whose clock is ahead must not be stopped by it.
            ("message.timestamp.after.max.ms", NO_BOUND.to_owned()),
        ]);
        let policy = if kind == Kind::State { "compact" } else { "delete" };
        settings.insert("cleanup.policy", policy.to_owned());
        match options.retention(topic) {
            // Kept under its key for as long as it is there.
            _ if kind == Kind::State => {
                settings.insert("delete.retention.ms", REMOVALS_KEPT_MS.to_string());
            }
            // What waits must wait for as long as it takes; what is done is removed by the hosts.
            Retention::UntilAcknowledged => {
                settings.insert("retention.ms", "-1".to_owned());
                settings.insert("retention.bytes", "-1".to_owned());
            }
            Retention::Kept { age_max, bytes_max } => {
                settings.insert("retention.ms", age_max.as_millis().to_string());
                settings.insert("retention.bytes", share(bytes_max, options.partitions).to_string());
            }
        }
        let partitions = if kind == Kind::Alone { 1 } else { options.partitions };
        let name = options.prefixed(topic.as_str());
        Self { kind, name, partitions, replication: options.replication, settings }
    }

    /// The line that makes it, for a shell.
    fn command(&self, bootstrap: &str) -> String {
        let Self { name, partitions, replication, .. } = self;
        let mut line =
            format!("kafka-topics.sh --bootstrap-server {bootstrap} --create --topic {name} --partitions {partitions}");
        if *replication > 0 {
            let _ = write!(line, " --replication-factor {replication}");
        }
        for (setting, value) in &self.settings {
            let _ = write!(line, " --config {setting}={value}");
        }
        line
    }

    /// Records that the controller writes for it.
    fn record_count(&self) -> usize {
        1 + usize::try_from(self.partitions).unwrap_or(0) + self.settings.len()
    }

    fn shape(&self) -> String {
        let partitions = if self.partitions == 1 { "partition" } else { "partitions" };
        let copies = match self.replication {
            1 => "1 copy".to_owned(),
            2.. => format!("{} copies", self.replication),
            _ => "the cluster's number of copies (default.replication.factor)".to_owned(),
        };
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{} {partitions}, {copies}, {}", self.partitions, settings.join(", "))
    }
}

/// What a partition may take of what a topic may.
pub(super) fn share(bytes_max: u64, partitions: i32) -> u64 {
    bytes_max / u64::try_from(partitions.max(1)).unwrap_or(1)
}

/// The driver's own topics.
pub(super) fn own(options: &KafkaOptions) -> Vec<TopicName> {
    let alone = match options.hosts {
        Hosts::One => Some(ALONE),
        Hosts::Several => None,
    };
    let names = [JOURNAL_TOPIC, STATE_TOPIC].into_iter().chain(alone);
    let names = names.map(|name| TopicName::try_new(name).expect("the driver's own names are topic names"));
    delays::topics().into_iter().chain(names).collect()
}

/// As few requests as the controller takes.
pub(super) fn requests(wanted: &[Wanted]) -> Vec<&[Wanted]> {
    let mut requests = Vec::new();
    let (mut begin, mut count) = (0, 0);
    for (index, topic) in wanted.iter().enumerate() {
        if count + topic.record_count() > RECORDS_MAX && index > begin {
            requests.push(&wanted[begin..index]);
            (begin, count) = (index, 0);
        }
        count += topic.record_count();
    }
    requests.extend((begin < wanted.len()).then(|| &wanted[begin..]));
    requests
}

/// What to hand to whoever owns the cluster: each shape in words, then a line for each topic.
pub(super) fn told(bootstrap: &str, missing: &[Wanted]) -> String {
    let mut text = "what they must be:".to_owned();
    let mut shapes: BTreeMap<(Kind, String), Vec<&str>> = BTreeMap::new();
    for topic in missing {
        shapes.entry((topic.kind, topic.shape())).or_default().push(&topic.name);
    }
    for ((kind, shape), names) in shapes {
        let _ = write!(text, "\n  {}, {}: {shape}", names_told(&names), kind.about());
    }
    text.push_str("\nto make them:");
    for topic in missing {
        let _ = write!(text, "\n  {}", topic.command(bootstrap));
    }
    text
}

/// Some names, and how many more there are.
pub(super) fn names_told(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [begin @ .., last] if begin.len() < NAMES_TOLD => format!("{} and {last}", begin.join(", ")),
        _ => format!("{} and {} more", names[..NAMES_TOLD].join(", "), names.len() - NAMES_TOLD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str) -> TopicName {
        TopicName::try_new(name).expect("a topic name")
    }

    fn options() -> KafkaOptions {
        let mut options = KafkaOptions::new("node:9092", "host");
        (options.prefix, options.partitions, options.replication) = ("p.".to_owned(), 6, 3);
        options
    }

    fn wanted(name: &str) -> Wanted {
        Wanted::of(&options(), &topic(name))
    }

    #[test]
    fn what_waits_is_kept_and_what_is_read_is_kept_for_a_while() {
        let options = options();
        let age_max = options.kept_age_max.as_millis().to_string();
        let share = (options.kept_bytes_max / 6).to_string();
        let table = [
            ("a.b.c.in", Kind::Queue, "delete", Some(("-1", "-1"))),
            ("a.b.c.compensate", Kind::Queue, "delete", Some(("-1", "-1"))),
            ("saga.delayed.2h", Kind::Queue, "delete", Some(("-1", "-1"))),
            ("saga.signals", Kind::Queue, "delete", Some(("-1", "-1"))),
            ("saga.commands", Kind::Queue, "delete", Some(("-1", "-1"))),
            ("saga.state", Kind::State, "compact", None),
            ("a.b.c.error", Kind::Log, "delete", Some((age_max.as_str(), share.as_str()))),
            ("saga.journal", Kind::Log, "delete", Some((&age_max, &share))),
            ("orders.placed", Kind::Log, "delete", Some((&age_max, &share))),
        ];
        for (name, kind, policy, retention) in table {
            let wanted = Wanted::of(&options, &topic(name));
            assert_eq!((wanted.kind, wanted.partitions, wanted.replication), (kind, 6, 3), "{name}");
            assert_eq!(wanted.name, format!("p.{name}"));
            assert_eq!(wanted.settings["cleanup.policy"], policy, "{name}");
            let found = wanted.settings.get("retention.ms").zip(wanted.settings.get("retention.bytes"));
            assert_eq!(found.map(|(age, bytes)| (age.as_str(), bytes.as_str())), retention, "{name}");
            assert_eq!(wanted.settings["max.message.bytes"], (4 << 20).to_string());
            assert_eq!(wanted.settings["message.timestamp.type"], "CreateTime");
            assert_eq!(wanted.settings["message.timestamp.after.max.ms"], NO_BOUND);
        }
        let alone = wanted("saga.host");
        assert_eq!((alone.kind, alone.partitions), (Kind::Alone, 1), "or two hosts could be the only one");
    }

    #[test]
    fn bounds_of_a_log_can_be_its_own() {
        let mut options = options();
        options.kept.push((topic("a.b.c.error"), std::time::Duration::from_secs(60), 600));
        let wanted = Wanted::of(&options, &topic("a.b.c.error"));
        assert_eq!(
            (wanted.settings["retention.ms"].as_str(), wanted.settings["retention.bytes"].as_str()),
            ("60000", "100")
        );
    }

    #[test]
    fn only_where_hosts_is_one_there_is_a_topic_for_who_it_is() {
        let mut options = options();
        let names =
            |options: &KafkaOptions| own(options).iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
        let one = names(&options);
        options.hosts = Hosts::Several;
        let several = names(&options);
        let delayed = ["saga.delayed.10s", "saga.delayed.5m", "saga.delayed.2h", "saga.delayed.long"];
        assert_eq!(several, [&delayed[..], &["saga.journal", "saga.state"]].concat());
        assert_eq!(one, [&delayed[..], &["saga.journal", "saga.state", "saga.host"]].concat());
    }

    #[test]
    fn a_hundred_steps_are_one_request_and_a_thousand_are_some() {
        let steps = |count: usize| -> Vec<Wanted> {
            let mut options = KafkaOptions::new("node:9092", "host");
            options.partitions = 12;
            let names = (0..count).flat_map(|n| ["in", "compensate", "error"].map(|kind| format!("a.b.c{n}.{kind}")));
            names.map(|name| Wanted::of(&options, &topic(&name))).collect()
        };
        assert!(requests(&[]).is_empty());
        assert_eq!(requests(&steps(100)).len(), 1);
        let thousand = steps(1000);
        let split = requests(&thousand);
        assert_eq!(split.concat(), thousand, "each once, in order");
        for request in &split {
            let count: usize = request.iter().map(Wanted::record_count).sum();
            assert!(count <= RECORDS_MAX, "{count}");
        }
        let mut huge = wanted("a.b.c.in");
        huge.partitions = 20_000;
        let huge = [huge.clone(), huge];
        assert_eq!(requests(&huge).len(), 2, "what the controller refuses is asked for by itself");
    }

    #[test]
    fn who_owns_the_cluster_can_paste_it() {
        let names = ["a.b.c.in", "a.b.c.compensate", "saga.state", "saga.host"];
        let text = told("node:9092", &names.map(wanted));
        let expected = "\
what they must be:
  p.a.b.c.in and p.a.b.c.compensate, for messages that are kept until they are done: 6 partitions, 3 copies, \
cleanup.policy=delete, max.message.bytes=4194304, message.timestamp.after.max.ms=9223372036854775807, \
message.timestamp.type=CreateTime, retention.bytes=-1, retention.ms=-1
  p.saga.state, for rows of which the last of each key is kept: 6 partitions, 3 copies, cleanup.policy=compact, \
delete.retention.ms=2592000000, max.message.bytes=4194304, \
message.timestamp.after.max.ms=9223372036854775807, message.timestamp.type=CreateTime
  p.saga.host, empty; who owns its one partition is the host: 1 partition, 3 copies, ";
        assert!(text.starts_with(expected), "{text}");
        let lines: Vec<&str> = text.lines().skip_while(|line| *line != "to make them:").skip(1).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(
            lines[0],
            "  kafka-topics.sh --bootstrap-server node:9092 --create --topic p.a.b.c.in --partitions 6 \
            --replication-factor 3 --config cleanup.policy=delete --config max.message.bytes=4194304 \
            --config message.timestamp.after.max.ms=9223372036854775807 --config message.timestamp.type=CreateTime \
            --config retention.bytes=-1 --config retention.ms=-1"
        );
    }

    #[test]
    fn the_clusters_number_of_copies_is_left_to_it() {
        let mut options = options();
        options.replication = -1;
        let text = told("node:9092", &[Wanted::of(&options, &topic("a.b.c.in"))]);
        assert!(text.contains("the cluster's number of copies (default.replication.factor)"), "{text}");
        assert!(!text.contains("--replication-factor"), "{text}");
    }

    #[test]
    fn many_names_are_told_by_the_first() {
        assert_eq!(names_told(&["a"]), "a");
        assert_eq!(names_told(&["a", "b", "c"]), "a, b and c");
        assert_eq!(names_told(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
