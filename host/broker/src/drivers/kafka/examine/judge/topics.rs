//! What must be true of topics: those that are there, and those that the host will make.

use std::collections::BTreeMap;

use host_core::id::{TopicKind, TopicName};

use super::super::super::delays;
use super::super::super::wanted::{Kind, Wanted, share};
use super::super::Grade;
use super::super::facts::{Facts, PartitionFacts, Settings, TopicFacts};
use super::{Book, COPIES, Cure, Rule, Should};
use crate::Retention;

/// Stands for the topics that are not there yet.
const TO_BE_MADE: &str = "topics that the host will make";

static LEADER: Rule = Rule {
    setting: "leader",
    promise: "messages are taken and given: a partition without a leader does neither",
    cure: Cure::Words("bring its nodes back"),
};

static COPIES_OF: Rule = Rule {
    setting: "replication factor",
    promise: "a saga that was acknowledged survives the death of a node, and the others go on without it",
    cure: Cure::Words(
        "give each partition more replicas (kafka-reassign-partitions.sh), and set broker.replication, or \
        default.replication.factor on every node, for topics to come",
    ),
};

static COPIES_NOW: Rule = Rule {
    setting: "in-sync replicas",
    promise: "a saga that was acknowledged survives the death of a node: what is not in sync has not all of it",
    cure: Cure::Words("bring the node that is missing back, or see why it is behind"),
};

static IN_SYNC_MIN: Rule = Rule {
    setting: "min.insync.replicas",
    promise: "a saga that was acknowledged is on two nodes at least, and the others go on without one that died",
    cure: Cure::Topic,
};

static IN_SYNC_DEFAULT: Rule = Rule { setting: IN_SYNC_MIN.setting, promise: IN_SYNC_MIN.promise, cure: Cure::Nodes };

static UNCLEAN: Rule = Rule {
    setting: "unclean.leader.election.enable",
    promise: "what was committed stays: a node that was behind must not lead and forget the rest",
    cure: Cure::Topic,
};

static POLICY: Rule = Rule {
    setting: "cleanup.policy",
    promise: "a saga has its message, its journal and its state for as long as they are needed",
    cure: Cure::Topic,
};

static AGE: Rule = Rule {
    setting: "retention.ms",
    promise: "a message waits for as long as it takes, and logs are kept as the host's retention says",
    cure: Cure::Topic,
};

static SIZE: Rule = Rule {
    setting: "retention.bytes",
    promise: "a message waits for as long as it takes, and logs are kept as the host's retention says",
    cure: Cure::Topic,
};

static MESSAGE_BYTES: Rule = Rule {
    setting: "max.message.bytes",
    promise: "what a host accepts is committed: a message that is too large for its topic stops the host",
    cure: Cure::Topic,
};

static TIMESTAMP: Rule = Rule {
    setting: "message.timestamp.type",
    promise: "what was published when is told by the host, not by when the cluster got it",
    cure: Cure::Topic,
};

static TIMESTAMP_AFTER: Rule = Rule {
    setting: "message.timestamp.after.max.ms",
    promise: "a host whose clock is ahead goes on: otherwise the cluster refuses what it writes",
    cure: Cure::Topic,
};

static SETTINGS: Rule = Rule {
    setting: "settings of topics",
    promise: "what is committed is kept, on as many nodes as every promise needs",
    cure: Cure::Words(""),
};

static PARTITIONS: Rule = Rule {
    setting: "partitions",
    promise: "steps share hosts alike: a step has its work done by no more hosts than its topic has partitions",
    cure: Cure::Words(
        "let it be if that step is to have fewer; add partitions only while no saga is under way, since a key's \
        messages then lie elsewhere",
    ),
};

pub(super) fn judge(book: &mut Book<'_>, topics: &[TopicName], facts: &Facts) {
    for topic in topics {
        let wanted = Wanted::of(book.options, topic);
        if let Some(found) = facts.topics.get(&wanted.name) {
            place(book, &wanted.name, found);
            if is_ours(topic) && matches!(found.settings, Settings::Known(_)) {
                kept(book, &wanted, found);
            }
        }
    }
    for (name, found) in facts.topics.iter().filter(|(_, found)| found.is_internal) {
        place(book, name, found);
    }
    partitions(book, topics, facts);
    to_be_made(book, topics, facts);
}

/// What others publish or read besides, they may set up as they like.
fn is_ours(topic: &TopicName) -> bool {
    topic.step().is_some() || topic.as_str().starts_with("saga.")
}

/// Where it lies.
fn place(book: &mut Book<'_>, name: &str, found: &TopicFacts) {
    let lost = which(found, |part| !part.has_leader);
    let (grade, value) = match lost.as_str() {
        "" => (Grade::Fine, "on every partition".to_owned()),
        lost => (Grade::Broken, format!("none on partition {lost}")),
    };
    book.note(grade, &LEADER, name, value, Should::be("on every partition"));

    let copies = found.partitions.iter().map(|part| part.replicas).min().unwrap_or_default();
    let grade = if copies < COPIES { Grade::Weak } else { Grade::Fine };
    book.note(grade, &COPIES_OF, name, copies, Should::or_more(COPIES));

    let Settings::Known(_) = found.settings else {
        in_sync_now(book, name, found, 1);
        if let Settings::Unknown(cause) = &found.settings {
            book.note(Grade::Unknown, &SETTINGS, name, format!("not to be read: {cause}"), Should::be("readable"));
        }
        return;
    };
    let needed = found.settings.get(IN_SYNC_MIN.setting);
    in_sync_now(book, name, found, needed.and_then(|needed| needed.parse().ok()).unwrap_or(1));
    book.in_sync(&IN_SYNC_MIN, name, needed, copies);
    unclean(book, name, &found.settings, copies);
}

/// The numbers of partitions of which this is so.
fn which(found: &TopicFacts, is: impl Fn(&PartitionFacts) -> bool) -> String {
    let all = found.partitions.iter().enumerate().filter(|(_, part)| is(part));
    all.map(|(number, _)| number.to_string()).collect::<Vec<_>>().join(", ")
}

fn in_sync_now(book: &mut Book<'_>, name: &str, found: &TopicFacts, needed: usize) {
    let stuck = which(found, |part| part.in_sync < needed.min(part.replicas));
    let behind = which(found, |part| part.in_sync < part.replicas);
    let (grade, value) = match (stuck.as_str(), behind.as_str()) {
        ("", "") => (Grade::Fine, "all".to_owned()),
        ("", behind) => (Grade::Weak, format!("not all on partition {behind}")),
        (stuck, _) => (Grade::Broken, format!("too few to write on partition {stuck}")),
    };
    book.note(grade, &COPIES_NOW, name, value, Should::be("all"));
}

/// With one copy there is nobody else to lead.
fn unclean(book: &mut Book<'_>, of: &str, settings: &Settings, copies: usize) {
    let otherwise = if copies > 1 { Grade::Weak } else { Grade::Fine };
    book.equal(&UNCLEAN, of, settings.get(UNCLEAN.setting), "false", otherwise);
}

/// How it keeps what it was given.
fn kept(book: &mut Book<'_>, wanted: &Wanted, found: &TopicFacts) {
    let get = |rule: &Rule| found.settings.get(rule.setting);
    let name = wanted.name.as_str();
    match wanted.kind {
        Kind::Queue => {
            book.equal(&POLICY, name, get(&POLICY), "delete", Grade::Broken);
            book.equal(&AGE, name, get(&AGE), "-1", Grade::Broken);
            book.equal(&SIZE, name, get(&SIZE), "-1", Grade::Broken);
        }
        Kind::State => {
            // Without an end it only grows.
            let is_kept = get(&AGE) == Some("-1") && get(&SIZE) == Some("-1") && get(&POLICY) == Some("delete");
            let otherwise = if is_kept { Grade::Weak } else { Grade::Broken };
            book.equal(&POLICY, name, get(&POLICY), "compact", otherwise);
        }
        Kind::Log => {
            book.equal(&POLICY, name, get(&POLICY), "delete", Grade::Broken);
            let least = |setting: &str| wanted.settings.get(setting).and_then(|text| text.parse().ok());
            book.at_least(&AGE, name, get(&AGE), least(AGE.setting).unwrap_or_default(), Grade::Weak);
            // What was made with more partitions got a smaller share for each.
            let partitions = i32::try_from(found.partitions.len()).unwrap_or(i32::MAX);
            let share = least(SIZE.setting).unwrap_or_default().min(share(bytes_of(book, wanted), partitions));
            book.at_least(&SIZE, name, get(&SIZE), share, Grade::Weak);
        }
        // Nothing is ever in it.
        Kind::Alone => return,
    }
    let bytes_max = u64::try_from(book.options.message_bytes_max).unwrap_or(u64::MAX);
    book.at_least(&MESSAGE_BYTES, name, get(&MESSAGE_BYTES), bytes_max, Grade::Broken);
    book.equal(&TIMESTAMP, name, get(&TIMESTAMP), "CreateTime", Grade::Weak);
    // Versions before 3.6 have no such bound.
    if let (Some(bound), Some(wanted)) = (get(&TIMESTAMP_AFTER), wanted.settings.get(TIMESTAMP_AFTER.setting)) {
        book.equal(&TIMESTAMP_AFTER, name, Some(bound), wanted, Grade::Weak);
    }
}

/// What a log may take with all its partitions.
fn bytes_of(book: &Book<'_>, wanted: &Wanted) -> u64 {
    let name = wanted.name.strip_prefix(&book.options.prefix).and_then(|name| TopicName::try_new(name).ok());
    match name.map(|name| book.options.retention(&name)) {
        Some(Retention::Kept { bytes_max, .. }) => bytes_max,
        Some(Retention::UntilAcknowledged) | None => 0,
    }
}

/// Topics of one kind that have fewer partitions than others. A step's two topics need not be alike.
fn partitions(book: &mut Book<'_>, topics: &[TopicName], facts: &Facts) {
    let mut kinds: BTreeMap<u8, Vec<(String, usize)>> = BTreeMap::new();
    for topic in topics {
        let kind = match topic.step() {
            Some((_, TopicKind::In)) => 0,
            Some((_, TopicKind::Compensate)) => 1,
            None if delays::is_topic(topic) => 2,
            Some((_, TopicKind::Error)) | None => continue,
        };
        let name = book.options.prefixed(topic.as_str());
        if let Some(found) = facts.topics.get(&name) {
            kinds.entry(kind).or_default().push((name, found.partitions.len()));
        }
    }
    for alike in kinds.into_values() {
        let most = alike.iter().map(|(_, count)| *count).max().unwrap_or_default();
        for (name, count) in alike {
            let grade = if count < most { Grade::Weak } else { Grade::Fine };
            book.note(grade, &PARTITIONS, &name, count, Should::be(most));
        }
    }
}

/// Topics that are not there yet will have what the host asks for, and the nodes' defaults.
fn to_be_made(book: &mut Book<'_>, topics: &[TopicName], facts: &Facts) {
    let is_missing = |topic: &TopicName| !facts.topics.contains_key(&book.options.prefixed(topic.as_str()));
    if !book.options.create_topics || !topics.iter().any(is_missing) {
        return;
    }
    let Some(settings) = facts.nodes.values().find(|settings| matches!(settings, Settings::Known(_))) else { return };
    let asked = usize::try_from(book.options.replication).ok();
    let copies = asked.or_else(|| settings.get("default.replication.factor")?.parse().ok());
    let Some(copies) = copies else {
        return book.untold(&COPIES_OF, TO_BE_MADE, Should::or_more(COPIES));
    };
    let grade = match copies {
        copies if copies > facts.nodes.len() => Grade::Broken,
        ..COPIES => Grade::Weak,
        COPIES.. => Grade::Fine,
    };
    book.note(grade, &COPIES_OF, TO_BE_MADE, copies, Should::or_more(COPIES));
    book.in_sync(&IN_SYNC_DEFAULT, TO_BE_MADE, settings.get(IN_SYNC_DEFAULT.setting), copies);
}
