//! The door inside a component: the imports of `wit/`, with our own types in front of the generated ones.

use std::time::{Duration, SystemTime};

use crate::answer::{Outcome, Rejected, Retry, Wait};
use crate::bindings::exports::saga::step::step as wit;
use crate::bindings::saga::step::{events as wit_events, types as wit_types};
use crate::bindings::wasi::config::store as wit_config;
use crate::bindings::wasi::keyvalue::store as wit_keyvalue;
use crate::bindings::wasi::logging::logging as wit_logging;
use crate::context::{Context, Direction, Failure};
use crate::log::Level;
use crate::{config, events, keyvalue, random};

pub(crate) fn log(level: Level, target: &str, message: &str) {
    let level = match level {
        Level::Trace => wit_logging::Level::Trace,
        Level::Debug => wit_logging::Level::Debug,
        Level::Info => wit_logging::Level::Info,
        Level::Warn => wit_logging::Level::Warn,
        Level::Error => wit_logging::Level::Error,
    };
    wit_logging::log(level, target, message);
}

pub(crate) fn config_get(key: &str) -> Result<Option<String>, config::Error> {
    wit_config::get(key).map_err(config_error)
}

pub(crate) fn config_get_all() -> Result<Vec<(String, String)>, config::Error> {
    wit_config::get_all().map_err(config_error)
}

fn config_error(error: wit_config::Error) -> config::Error {
    match error {
        wit_config::Error::Upstream(text) | wit_config::Error::Io(text) => config::Error::Host(text),
    }
}

pub(crate) struct Bucket(wit_keyvalue::Bucket);

impl Bucket {
    pub(crate) fn open(name: &str) -> Result<Self, keyvalue::Error> {
        wit_keyvalue::open(name).map(Self).map_err(|error| match error {
            wit_keyvalue::Error::NoSuchStore => keyvalue::Error::NoSuchBucket { name: name.to_owned() },
            other => keyvalue_error(other),
        })
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, keyvalue::Error> {
        self.0.get(key).map_err(keyvalue_error)
    }

    pub(crate) fn set(&self, key: &str, value: &[u8]) -> Result<(), keyvalue::Error> {
        self.0.set(key, value).map_err(keyvalue_error)
    }

    pub(crate) fn delete(&self, key: &str) -> Result<(), keyvalue::Error> {
        self.0.delete(key).map_err(keyvalue_error)
    }

    pub(crate) fn exists(&self, key: &str) -> Result<bool, keyvalue::Error> {
        self.0.exists(key).map_err(keyvalue_error)
    }

    pub(crate) fn keys_page(&self, cursor: Option<&str>) -> Result<(Vec<String>, Option<String>), keyvalue::Error> {
        self.0.list_keys(cursor).map(|page| (page.keys, page.cursor)).map_err(keyvalue_error)
    }
}

fn keyvalue_error(error: wit_keyvalue::Error) -> keyvalue::Error {
    match error {
        // Only what is not open can lack its store, and opening has said so.
        wit_keyvalue::Error::NoSuchStore => keyvalue::Error::Host("the bucket is no longer there".into()),
        wit_keyvalue::Error::AccessDenied => keyvalue::Error::AccessDenied,
        wit_keyvalue::Error::Other(text) => keyvalue::Error::Host(text),
    }
}

pub(crate) fn emit(topic: &str, body: &str) -> Result<(), events::Error> {
    wit_events::emit(topic, body).map_err(events_error)
}

pub(crate) fn signal(key: &str) -> Result<(), events::Error> {
    wit_events::signal(key).map_err(events_error)
}

fn events_error(error: wit_events::Error) -> events::Error {
    match error {
        wit_events::Error::TopicRefused(text) => events::Error::TopicRefused(text),
        wit_events::Error::Limit(text) => events::Error::Limit(text),
    }
}

pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn random_u64() -> Result<u64, random::Error> {
    getrandom::u64().map_err(|error| random::Error(error.to_string()))
}

impl From<wit::Context> for Context {
    fn from(context: wit::Context) -> Self {
        Context {
            global_id: context.global_id,
            use_case: context.use_case,
            use_case_version: context.use_case_version,
            address: context.address,
            position: context.position,
            direction: match context.direction {
                wit_types::Direction::Handle => Direction::Handle,
                wit_types::Direction::Compensate => Direction::Compensate,
            },
            attempt: context.attempt,
            idempotency_key: context.idempotency_key,
            deadline: context.deadline,
            signalled: context.signalled,
            failure: context.failure.map(|failure| Failure {
                position: failure.position,
                address: failure.address,
                kind: failure.kind,
                code: failure.code,
                reason: failure.reason,
            }),
            headers: context.headers,
        }
    }
}

impl From<Outcome> for wit::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done { body, compensation } => wit::Outcome::Done(wit_types::Done { body, compensation }),
            Outcome::Rejected(Rejected { code, reason, details }) => {
                wit::Outcome::Rejected(wit_types::Rejected { code, reason, details })
            }
            Outcome::Retry(Retry { reason, after }) => {
                wit::Outcome::Retry(wit_types::Retry { reason, after_ms: after.map(milliseconds) })
            }
            Outcome::Wait(Wait { key, reason, timeout }) => {
                wit::Outcome::Wait(wit_types::Wait { key, reason, timeout_ms: timeout.map(milliseconds) })
            }
        }
    }
}

/// Rounded up, so that "not sooner than" holds; the longest the contract can say if it is longer.
fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.saturating_add(Duration::from_nanos(999_999)).as_millis()).unwrap_or(u32::MAX)
}
