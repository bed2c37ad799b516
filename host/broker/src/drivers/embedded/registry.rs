//! All topics of the broker by name and number, and how they are found again in the tables at a start.
//! Must not know messages. A topic is never forgotten while the broker lives: its number must not be given twice.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use host_core::id::TopicName;
use host_core::table::{self, Table, Tables};
use parking_lot::RwLock;

use super::options::EmbeddedOptions;
use super::ranges::Ranges;
use super::row::{self, Kind, Tally, TopicId, TopicRow, Trimmed};
use super::topic::Topic;
use crate::{Error, Retention};

/// Rows read at a time.
const PAGE_ROWS: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Registry {
    /// Guards the maps; written only when a topic is new.
    names: RwLock<Names>,
}

#[derive(Debug, Default)]
struct Names {
    by_name: HashMap<TopicName, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
    next_id: u32,
}

impl Names {
    fn add(&mut self, topic: Topic) -> Arc<Topic> {
        let topic = Arc::new(topic);
        self.next_id = self.next_id.max(topic.id.0.saturating_add(1));
        self.by_name.insert(topic.name.clone(), topic.clone());
        self.by_id.insert(topic.id, topic.clone());
        topic
    }
}

impl Registry {
    pub(super) fn find(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.names.read().by_name.get(name).cloned()
    }

    pub(super) fn find_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        self.names.read().by_id.get(&id).cloned()
    }

    /// All topics by name.
    pub(super) fn all(&self) -> Vec<Arc<Topic>> {
        let mut topics: Vec<_> = self.names.read().by_name.values().cloned().collect();
        topics.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        topics
    }

    /// The topic of this name, made if there is none. Its row is written with its first message.
    pub(super) fn find_or_make(&self, name: &TopicName, options: &EmbeddedOptions) -> Arc<Topic> {
        if let Some(topic) = self.find(name) {
            return topic;
        }
        let mut names = self.names.write();
        if let Some(topic) = names.by_name.get(name) {
            return topic.clone();
        }
        let kind = match options.retention(name) {
            Retention::UntilAcknowledged => Kind::Queue,
            Retention::Kept { .. } => Kind::Log,
        };
        let id = TopicId(names.next_id);
        names.add(Topic::new(id, name.clone(), kind))
    }

    /// The topics as they were left.
    pub(super) fn load(tables: &dyn Tables) -> Result<Self, Error> {
        let mut positions: HashMap<TopicId, Vec<(String, Ranges)>> = HashMap::new();
        for (key, value) in read_all(tables, Table::Positions, &[], None)? {
            let (topic, group) =
                row::decode_position_key(&key).ok_or_else(|| corrupt(Table::Positions, "a key is too short"))?;
            let pairs: Vec<(u64, u64)> = decode(Table::Positions, &value)?;
            positions.entry(topic).or_default().push((group.to_owned(), Ranges::from_pairs(&pairs)));
        }
        let mut names = Names::default();
        for (key, value) in read_all(tables, Table::Topics, &[row::PART_NAMES], Some(&[row::PART_NAMES + 1]))? {
            let name = std::str::from_utf8(&key[1..]).map_err(|error| corrupt(Table::Topics, &error.to_string()))?;
            let name = TopicName::try_new(name).map_err(|error| corrupt(Table::Topics, &error.to_string()))?;
            let TopicRow { id, kind } = decode(Table::Topics, &value)?;
            let tally = read::<Tally>(tables, &row::tally_key(id))?;
            let trimmed = read::<Trimmed>(tables, &row::trimmed_key(id))?;
            names.add(Topic::new(id, name, kind)).restore(tally, trimmed, positions.remove(&id).unwrap_or_default());
        }
        Ok(Self { names: RwLock::new(names) })
    }
}

fn read<T: serde::de::DeserializeOwned + Default>(tables: &dyn Tables, key: &[u8]) -> Result<T, Error> {
    match tables.get(Table::Topics, key)? {
        Some(value) => decode(Table::Topics, &value),
        None => Ok(T::default()),
    }
}

fn decode<T: serde::de::DeserializeOwned>(table: Table, value: &[u8]) -> Result<T, Error> {
    row::decode_value(value).map_err(|cause| corrupt(table, &cause))
}

fn corrupt(table: Table, cause: &str) -> Error {
    Error::Table(table::Error::Corrupt { table: table.as_str(), cause: cause.to_owned() })
}

fn read_all(tables: &dyn Tables, table: Table, from: &[u8], to: Option<&[u8]>) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let mut rows = Vec::new();
    let mut from = from.to_vec();
    loop {
        let page = tables.scan(table, &from, to, PAGE_ROWS)?;
        let is_last = page.len() < PAGE_ROWS;
        if let Some((key, _)) = page.last() {
            from = key.to_vec();
            from.push(0);
        }
        rows.extend(page);
        if is_last {
            return Ok(rows);
        }
    }
}
