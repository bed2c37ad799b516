//! What must be true of the nodes and their settings.

use super::super::Grade;
use super::super::facts::{Facts, OFFSETS_TOPIC, Settings, TRANSACTIONS_TOPIC};
use super::{Book, COPIES, Cure, Rule, Should};

/// The text beside a position takes up to so much.
const POSITION_BYTES: u64 = 4096;

/// A host that is down for a week finds its positions.
const POSITIONS_KEPT_MINUTES: u64 = 7 * 24 * 60;

/// The first version that knows of a consumer's membership when its positions are part of a transaction (KIP-447).
const VERSION_MIN: (u32, u32) = (2, 5);

static NODES: Rule = Rule {
    setting: "nodes",
    promise: "a saga that was acknowledged survives the death of a node, and the others go on without it",
    cure: Cure::Words("run three nodes or more, on machines and disks of their own"),
};

static SETTINGS: Rule = Rule {
    setting: "settings of nodes",
    promise: "transactions, positions and groups work as every promise needs",
    cure: Cure::Words(""),
};

static TRANSACTION_TIMEOUT: Rule = Rule {
    setting: "transaction.max.timeout.ms",
    promise: "results, journal and positions are committed as one: a producer that asks for more time is refused",
    cure: Cure::Words("raise it on every node, or lower broker.transaction-timeout"),
};

static SESSION_MIN: Rule = Rule {
    setting: "group.min.session.timeout.ms",
    promise: "a host gets partitions: one that asks for a shorter session is refused",
    cure: Cure::Words("lower it on every node, or raise broker.session-timeout"),
};

static SESSION_MAX: Rule = Rule {
    setting: "group.max.session.timeout.ms",
    promise: "a host gets partitions: one that asks for a longer session is refused",
    cure: Cure::Words("raise it on every node, or lower broker.session-timeout"),
};

static METADATA_BYTES: Rule = Rule {
    setting: "offset.metadata.max.bytes",
    promise: "a message that was read and done out of order never runs again: which they are stands beside the position",
    cure: Cure::Nodes,
};

static POSITIONS_KEPT: Rule = Rule {
    setting: "offsets.retention.minutes",
    promise: "a host that was down for long goes on where it was: without positions what is done is read again",
    cure: Cure::Nodes,
};

static VERSION: Rule = Rule {
    setting: "inter.broker.protocol.version",
    promise: "results, journal and positions are committed as one (KIP-447)",
    cure: Cure::Words("bring every node to Kafka 2.5 or later"),
};

static OFFSETS_COPIES: Rule = Rule {
    setting: "offsets.topic.replication.factor",
    promise: "positions survive the death of a node",
    cure: Cure::Nodes,
};

static TRANSACTIONS_COPIES: Rule = Rule {
    setting: "transaction.state.log.replication.factor",
    promise: "what becomes of a transaction survives the death of a node",
    cure: Cure::Nodes,
};

static TRANSACTIONS_IN_SYNC: Rule = Rule {
    setting: "transaction.state.log.min.isr",
    promise: "what becomes of a transaction survives the death of a node, and is written while one is dead",
    cure: Cure::Nodes,
};

pub(super) fn judge(book: &mut Book<'_>, facts: &Facts) {
    let grade = if facts.nodes.len() < COPIES { Grade::Weak } else { Grade::Fine };
    book.note(grade, &NODES, "the cluster", facts.nodes.len(), Should::or_more(COPIES));
    for (node, settings) in &facts.nodes {
        let of = format!("node {node}");
        match settings {
            Settings::Unknown(cause) => {
                book.note(Grade::Unknown, &SETTINGS, &of, format!("not to be read: {cause}"), Should::be("readable"));
            }
            Settings::Known(_) => one(book, facts, &of, settings),
        }
    }
}

fn one(book: &mut Book<'_>, facts: &Facts, of: &str, settings: &Settings) {
    let millis = |span: std::time::Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let transaction = millis(book.options.transaction_timeout);
    let session = millis(book.options.session_timeout);
    let get = |rule: &Rule| settings.get(rule.setting);
    book.at_least(&TRANSACTION_TIMEOUT, of, get(&TRANSACTION_TIMEOUT), transaction, Grade::Broken);
    book.at_most(&SESSION_MIN, of, get(&SESSION_MIN), session, Grade::Broken);
    book.at_least(&SESSION_MAX, of, get(&SESSION_MAX), session, Grade::Broken);
    book.at_least(&METADATA_BYTES, of, get(&METADATA_BYTES), POSITION_BYTES, Grade::Broken);
    book.at_least(&POSITIONS_KEPT, of, get(&POSITIONS_KEPT), POSITIONS_KEPT_MINUTES, Grade::Weak);
    // Versions from 4.0 on have no such setting.
    if let Some(version) = get(&VERSION) {
        let is_old = major_and_minor(version).is_some_and(|version| version < VERSION_MIN);
        let grade = if is_old { Grade::Broken } else { Grade::Fine };
        book.note(grade, &VERSION, of, version, Should::or_more("2.5"));
    }
    // Once the topics are there, they are looked at themselves.
    let copies = COPIES as u64;
    if !facts.topics.contains_key(OFFSETS_TOPIC) {
        book.at_least(&OFFSETS_COPIES, of, get(&OFFSETS_COPIES), copies, Grade::Weak);
    }
    if !facts.topics.contains_key(TRANSACTIONS_TOPIC) {
        let found = get(&TRANSACTIONS_COPIES);
        book.at_least(&TRANSACTIONS_COPIES, of, found, copies, Grade::Weak);
        let found = found.and_then(|found| found.parse().ok()).unwrap_or(1);
        book.in_sync(&TRANSACTIONS_IN_SYNC, of, get(&TRANSACTIONS_IN_SYNC), found);
    }
}

fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-']).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}
