//! Gathers what the host says about a round: its answers while it runs, and what its data folder holds once it has
//! ended. It must not judge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use host_core::id::{BucketName, GlobalId};
use host_core::record::Record;
use host_store::backends::fjall::FjallTables;
use host_store::embedded::EmbeddedStore;
use host_store::{Audit, Store as _};
use serde_json::Value;

use super::api::Api;
use super::books::{self, Rows};
use super::ledger::Wish;
use crate::client::encode;

/// How long sagas may take to end once the host is left alone. The longest by design take a second.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long lists, which are folded behind the journal, and topics may take to follow.
const FOLLOW_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// Threads that ask.
const ASKER_COUNT: usize = 4;
/// Keys read at once.
const KEYS_READ_MAX: usize = 1_000;
/// Where the last step of the shop tells the world.
const TOLD_TOPIC: &str = "shop.orders.completed";

/// How each saga of the ledger stands by the host's own word; none: it knows no such saga.
pub type Statuses = BTreeMap<String, Option<String>>;

/// Ask for every saga until it has ended or patience has.
pub fn statuses(base: &str, wishes: &BTreeMap<String, Wish>) -> anyhow::Result<Statuses> {
    let until = Instant::now() + PATIENCE;
    let mut open: Vec<&String> = wishes.keys().collect();
    let mut statuses = Statuses::new();
    loop {
        let answers: Vec<anyhow::Result<Statuses>> = thread::scope(|scope| {
            let parts = open.chunks(open.len().div_ceil(ASKER_COUNT).max(1));
            let askers: Vec<_> = parts.map(|part| scope.spawn(move || ask_for(base, part))).collect();
            askers.into_iter().map(|asker| asker.join().expect("an asker does not panic")).collect()
        });
        for answer in answers {
            statuses.extend(answer?);
        }
        let is_open =
            |id: &&String| statuses.get(*id).and_then(Option::as_deref).is_some_and(|status| !is_over(status));
        open.retain(is_open);
        if open.is_empty() || Instant::now() >= until {
            return Ok(statuses);
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "compensated" | "closed")
}

fn ask_for(base: &str, ids: &[&String]) -> anyhow::Result<Statuses> {
    let api = Api::new();
    let mut found = Statuses::new();
    for id in ids {
        let path = format!("/v1/sagas/{}", encode(id));
        let answer = api.get(base, &path).with_context(|| format!("the host does not answer GET {path}"))?;
        let status = match answer.status {
            200 => Some(answer.member("status").as_str().unwrap_or("nothing").to_owned()),
            404 => None,
            other => anyhow::bail!("GET {path} was answered {other}: {}", answer.text),
        };
        found.insert((*id).clone(), status);
    }
    Ok(found)
}

/// What is left of a load whose sagas have all ended: nothing, if all is well. Asked until it is so or patience ends.
pub fn left_over(base: &str, told_count: u64) -> anyhow::Result<Vec<String>> {
    let until = Instant::now() + FOLLOW_PATIENCE;
    let api = Api::new();
    loop {
        let mut left = topics_left_over(&ask(&api, base, "/v1/topics")?, told_count);
        for status in ["running", "waiting", "compensating", "failed", "compensation-failed"] {
            let list = ask(&api, base, &format!("/v1/sagas?status={status}&limit=3"))?;
            let sagas = list["sagas"].as_array().into_iter().flatten();
            left.extend(sagas.map(|saga| format!("the list says that saga {} is {status}", saga["global-id"])));
        }
        let groups = ask(&api, base, "/v1/errors")?;
        let groups = groups["groups"].as_array().into_iter().flatten();
        left.extend(groups.map(|group| format!("an error group stands: {group}")));
        if left.is_empty() || Instant::now() >= until {
            return Ok(left);
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

fn ask(api: &Api, base: &str, path: &str) -> anyhow::Result<Value> {
    let answer = api.get(base, path).with_context(|| format!("the host does not answer GET {path}"))?;
    anyhow::ensure!(answer.status == 200, "GET {path} was answered {}: {}", answer.status, answer.text);
    serde_json::from_str(&answer.text).with_context(|| format!("reading the answer of GET {path}"))
}

fn topics_left_over(answer: &Value, told_count: u64) -> Vec<String> {
    let mut left = Vec::new();
    let mut told = 0;
    for topic in answer["topics"].as_array().into_iter().flatten() {
        let name = topic["topic"].as_str().unwrap_or_default();
        let count = |member: &str| topic[member].as_u64().unwrap_or_default();
        if name == TOLD_TOPIC {
            told = count("messages");
        }
        let is_step = topic["step"].is_string();
        let members = ["lag", "in-flight", "delayed"].into_iter().chain(is_step.then_some("messages"));
        for member in members.filter(|member| count(member) > 0) {
            left.push(format!("topic {name} still has {member} {}", count(member)));
        }
    }
    if told != told_count {
        left.push(format!("topic {TOLD_TOPIC} holds {told} messages, {told_count} orders were completed"));
    }
    left
}

/// The data folder of a host that has ended.
pub struct Folder {
    runtime: tokio::runtime::Runtime,
    store: EmbeddedStore,
}

impl Folder {
    /// Open it as the next host would; nothing of it is changed.
    pub fn open(database: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().context("starting a reader")?;
        let tables = FjallTables::open(database)?;
        let store = EmbeddedStore::open(Arc::new(tables))?;
        Ok(Self { runtime, store })
    }

    pub fn journal(&self, id: &str) -> anyhow::Result<Vec<Record>> {
        let global_id = GlobalId::try_new(id)?;
        Ok(self.runtime.block_on(self.store.journal(&global_id))?)
    }

    /// Lists, counts and error groups against a fold of every journal.
    pub fn audit(&self) -> anyhow::Result<Audit> {
        Ok(self.store.audit()?)
    }

    /// Messages that wait for a signal, whatever the lists say.
    pub fn parked_count(&self) -> anyhow::Result<u64> {
        Ok(self.runtime.block_on(self.store.statistics())?.parked)
    }

    /// What matters of every value in the buckets of the examples.
    pub fn rows(&self) -> anyhow::Result<Rows> {
        let mut rows = Rows::new();
        for bucket in books::BUCKETS {
            let name = BucketName::try_new(bucket)?;
            for key in self.keys(&name)? {
                let value = self.runtime.block_on(self.store.value(&name, &key))?;
                let value = value.with_context(|| format!("bucket {bucket} lists {key} and does not hold it"))?;
                let value =
                    serde_json::from_slice(&value).with_context(|| format!("reading {key} of bucket {bucket}"))?;
                rows.insert((bucket, key.to_string()), books::essence(bucket, &value));
            }
        }
        Ok(rows)
    }

    fn keys(&self, bucket: &BucketName) -> anyhow::Result<BTreeSet<Arc<str>>> {
        let mut keys: BTreeSet<Arc<str>> = BTreeSet::new();
        loop {
            let after = keys.last().cloned();
            let page = self.runtime.block_on(self.store.keys(bucket, after.as_deref(), KEYS_READ_MAX))?;
            let is_last = page.len() < KEYS_READ_MAX;
            keys.extend(page);
            if is_last {
                return Ok(keys);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn topic(name: &str, step: Option<&str>, lag: u64, delayed: u64, messages: u64) -> Value {
        json!({"topic": name, "step": step, "lag": lag, "in-flight": 0, "delayed": delayed, "messages": messages})
    }

    #[test]
    fn messages_that_are_left_over_or_were_told_too_often_are_named() {
        let good = json!({"topics": [
            topic("a.b.c.in", Some("a.b.c"), 0, 0, 0),
            topic("saga.signals", None, 0, 0, 0),
            topic(TOLD_TOPIC, None, 0, 0, 7),
        ]});
        assert_eq!(topics_left_over(&good, 7), Vec::<String>::new());
        assert_eq!(topics_left_over(&good, 6).len(), 1);
        assert_eq!(topics_left_over(&json!({"topics": []}), 1).len(), 1);
        for (bad, words) in [
            (topic("a.b.c.in", Some("a.b.c"), 1, 0, 0), "topic a.b.c.in still has lag 1"),
            (topic("a.b.c.in", Some("a.b.c"), 0, 2, 0), "topic a.b.c.in still has delayed 2"),
            (topic("a.b.c.error", Some("a.b.c"), 0, 0, 3), "topic a.b.c.error still has messages 3"),
            (topic("saga.commands", None, 4, 0, 4), "topic saga.commands still has lag 4"),
        ] {
            assert_eq!(topics_left_over(&json!({"topics": [bad]}), 0), [words]);
        }
    }
}
