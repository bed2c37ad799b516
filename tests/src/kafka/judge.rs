//! What is committed under a prefix, by the word of a client that is not ours, held to the promise of exactly once.

use std::collections::BTreeMap;

use super::Cluster;
use super::foreign::Record;

/// Every call is settled once in the journal, and every step's output is there once. Answers how many sagas started.
pub fn judge(cluster: &Cluster, prefix: &str) -> usize {
    let foreign = cluster.foreign();
    let journal = foreign.consume(&[&format!("{prefix}.*saga\\.journal")]);
    let counts = settled(&journal);
    let repeated: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).take(5).collect();
    let told: Vec<_> = journal.iter().filter(|record| repeated.iter().any(|(key, _)| names(&key.0, record))).collect();
    assert!(repeated.is_empty(), "the journal settles more than once: {repeated:?} in {told:#?}");
    let started = counts.keys().filter(|key| key.3 == "started").count();
    assert!(started > 0, "the journal is empty");
    // What a step puts out is the next one's message; a retry or a release sends the same one again and says so. A
    // start may be asked for twice: that it happens once is in the journal.
    let messages = foreign.consume(&[&format!("{prefix}.*\\.(in|compensate)")]);
    let mut outputs: BTreeMap<(&str, String, u64), usize> = BTreeMap::new();
    let is_first = |record: &&Record| {
        record.header("saga-for").is_some()
            && record.header("saga-foreign").is_none()
            && record.header("saga-attempts").is_none()
            && record.header("saga-signalled").is_none()
    };
    for record in messages.iter().filter(is_first) {
        assert!(record.key.is_some(), "a message has no key: {record:?}");
        let meta = &record.json()["meta"];
        let id = meta["global-id"].as_str().expect("an envelope has an id").to_owned();
        *outputs.entry((&record.topic, id, meta["position"].as_u64().unwrap_or_default())).or_default() += 1;
    }
    let repeated: Vec<_> = outputs.iter().filter(|(_, count)| **count != 1).take(3).collect();
    assert!(repeated.is_empty(), "outputs are there more than once: {repeated:?}");
    started
}

/// Whether this record of a journal is of the saga `topic/global-id`.
fn names(saga: &str, record: &Record) -> bool {
    saga.rsplit_once('/').is_some_and(|(topic, id)| record.topic == topic && record.json()["global-id"] == id)
}

/// A transition by which a call is settled, and how often it is in the journal.
fn settled(journal: &[Record]) -> BTreeMap<(String, u64, String, String), usize> {
    let mut counts = BTreeMap::new();
    for record in journal {
        let line = record.json();
        let text = |member: &str| line[member].as_str().unwrap_or_default().to_owned();
        let event = text("event");
        if ["started", "done", "rejected", "compensated", "not-run", "ended"].contains(&event.as_str()) {
            let position = line["position"].as_u64().expect("a position");
            // A saga starts and ends once, wherever; a call is settled once, however.
            let (position, direction, event) = match event.as_str() {
                "started" | "ended" => (0, String::new(), event),
                _ => (position, text("direction"), "settled".to_owned()),
            };
            *counts
                .entry((format!("{}/{}", record.topic, text("global-id")), position, direction, event))
                .or_default() += 1;
        }
    }
    counts
}
