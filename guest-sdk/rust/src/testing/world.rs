//! The world that a step sees during one test call, kept per thread, so that tests can run side by side.
//! Invariant: `buckets` is what the call sees, `committed` what stays if it is not done.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::SystemTime;

use super::manifest::Manifest;
use super::run::{Event, Line};
use crate::log::Level;
use crate::{config, events, keyvalue};

/// Keys of one page: few, so that a test with a handful of keys meets a second page.
const PAGE_KEYS: usize = 4;
/// Characters of a wait key, as the contract has it.
const KEY_CHARACTERS_MAX: usize = 256;

type Buckets = BTreeMap<String, BTreeMap<String, Vec<u8>>>;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(super) config: Vec<(String, String)>,
    pub(super) committed: Buckets,
    /// None grants everything.
    grants: Option<Vec<String>>,
    /// None allows every topic.
    topics: Option<Vec<String>>,
    pub(crate) now: Option<SystemTime>,
    pub(super) seed: u64,
    buckets: Buckets,
    results: Results,
}

/// What a call leaves behind besides its answer.
#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) logs: Vec<Line>,
    pub(super) events: Vec<Event>,
    pub(super) signals: Vec<String>,
}

/// Let the step of this thread use the world; none if there is no test.
pub(crate) fn with<T>(work: impl FnOnce(&mut World) -> T) -> Option<T> {
    WORLD.with_borrow_mut(|world| world.as_mut().map(work))
}

/// Run `work` in `world`, also if it panics: the next test on this thread starts without.
pub(super) fn during<T>(world: World, work: impl FnOnce() -> T) -> (T, World) {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            WORLD.take();
        }
    }
    WORLD.set(Some(world));
    let _leave = Leave;
    let result = work();
    (result, WORLD.take().expect("only this function takes the world away"))
}

impl World {
    #[track_caller]
    pub(super) fn obey(&mut self, manifest: Manifest) {
        for (key, value) in manifest.config {
            match value {
                // What the test itself has set stays.
                toml::Value::String(text) if !self.config.iter().any(|(known, _)| *known == key) => {
                    self.config.push((key, text));
                }
                toml::Value::String(_) => {}
                other => panic!("[config] {key} must be a text, it is {other}; put it in quotes"),
            }
        }
        for name in manifest.keyvalue.shared {
            self.committed.entry(name).or_default();
        }
        self.grants = Some(manifest.grants);
        self.topics = Some(manifest.events.topics);
    }

    pub(super) fn begin(mut self) -> Self {
        self.committed.entry(String::new()).or_default();
        self.buckets = self.committed.clone();
        self.results = Results::default();
        self
    }

    pub(super) fn end(mut self, is_done: bool) -> (Self, Results) {
        let mut results = std::mem::take(&mut self.results);
        let buckets = std::mem::take(&mut self.buckets);
        if is_done {
            self.committed = buckets;
        } else {
            results.events.clear();
            results.signals.clear();
        }
        (self, results)
    }

    fn grants(&self, name: &str) -> bool {
        self.grants.as_ref().is_none_or(|grants| grants.iter().any(|grant| grant == name))
    }

    pub(crate) fn log(&mut self, level: Level, target: &str, message: &str) {
        self.results.logs.push(Line { level, target: target.to_owned(), message: message.to_owned() });
    }

    pub(crate) fn config_get(&self, key: &str) -> Result<Option<String>, config::Error> {
        Ok(self.config_get_all()?.into_iter().find(|(known, _)| known == key).map(|(_, text)| text))
    }

    pub(crate) fn config_get_all(&self) -> Result<Vec<(String, String)>, config::Error> {
        if !self.grants("config") {
            return Err(config::Error::Host("not granted; add `config` to the grants in the step's manifest".into()));
        }
        Ok(self.config.clone())
    }

    pub(crate) fn bucket(&mut self, name: &str) -> Result<&mut BTreeMap<String, Vec<u8>>, keyvalue::Error> {
        if !self.grants("keyvalue") {
            return Err(keyvalue::Error::AccessDenied);
        }
        self.buckets.get_mut(name).ok_or_else(|| keyvalue::Error::NoSuchBucket { name: name.to_owned() })
    }

    pub(crate) fn keys_page(
        &mut self,
        name: &str,
        cursor: Option<&str>,
    ) -> Result<(Vec<String>, Option<String>), keyvalue::Error> {
        let keys = self.bucket(name)?.keys().filter(|key| cursor.is_none_or(|at| key.as_str() > at));
        let mut page: Vec<String> = keys.take(PAGE_KEYS + 1).cloned().collect();
        if page.len() <= PAGE_KEYS {
            return Ok((page, None));
        }
        page.truncate(PAGE_KEYS);
        let next = page.last().cloned();
        Ok((page, next))
    }

    pub(crate) fn emit(&mut self, topic: &str, body: &str) -> Result<(), events::Error> {
        self.check_events_grant()?;
        if !self.topics.as_ref().is_none_or(|topics| topics.iter().any(|allowed| allowed == topic)) {
            let text = format!("{topic} is not among [events] topics in the step's manifest");
            return Err(events::Error::TopicRefused(text));
        }
        self.results.events.push(Event { topic: topic.to_owned(), body: body.to_owned() });
        Ok(())
    }

    pub(crate) fn signal(&mut self, key: &str) -> Result<(), events::Error> {
        self.check_events_grant()?;
        let count = key.chars().count();
        if count == 0 || count > KEY_CHARACTERS_MAX || key.chars().any(char::is_control) || key.trim() != key {
            let text =
                format!("a key has 1 to {KEY_CHARACTERS_MAX} printable characters, no space at its ends: {key:?}");
            return Err(events::Error::Limit(text));
        }
        self.results.signals.push(key.to_owned());
        Ok(())
    }

    fn check_events_grant(&self) -> Result<(), events::Error> {
        if self.grants("events") {
            return Ok(());
        }
        Err(events::Error::TopicRefused("not granted; add `events` to the grants in the step's manifest".into()))
    }

    /// SplitMix64: a sequence that a test can repeat.
    pub(crate) fn random_u64(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.seed;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
