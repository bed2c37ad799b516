//! The first word with the cluster. A client of its own asks for something small and listens to what the library says
//! meanwhile, so that a cluster that cannot be reached, or does not let this host in, is told with its cause and soon.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;

use super::cluster::ANSWER_MAX;
use super::options::KafkaOptions;
use super::refusal::{Trouble, Weight};
use super::shared::ALONE;
use super::voice;
use crate::Error;

/// How long it may take to log in and to answer; then what was said meanwhile is looked at, and it is asked again.
const ASK_MAX: Duration = Duration::from_secs(2);

/// What is said comes at once, or with the next look.
const SAID_PAUSE: Duration = Duration::from_millis(10);

/// For so long a cluster may say no before it is believed: one that is just starting may not know its users yet.
const REFUSED_MAX: Duration = Duration::from_secs(5);

/// What the library calls its lines about a connection that failed.
const BROKER_FAILED: &str = "FAIL";

/// What was heard of the cluster so far.
#[derive(Default)]
struct Heard {
    /// The last trouble of those that say most.
    worst: Mutex<Option<Trouble>>,
}

impl Heard {
    fn hear(&self, words: &str) {
        let trouble = Trouble::of(words);
        let mut worst = self.worst.lock();
        let is_worse = worst.as_ref().is_none_or(|worst| worst.weight() <= trouble.weight());
        if is_worse && worst.as_ref() != Some(&trouble) {
            tracing::warn!(cause = trouble.told(), "the cluster does not answer this host yet");
            *worst = Some(trouble);
        }
    }
}

impl ClientContext for Heard {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, words: &str) {
        if facility == BROKER_FAILED {
            self.hear(words);
        } else {
            voice::log(level, facility, words);
        }
    }

    /// Everything that comes here was in the log as well, or says only that no broker is left.
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Heard {}

impl KafkaOptions {
    /// Wait until the cluster answers this host. Blocks, for a bounded time.
    pub(super) fn reach(&self) -> Result<(), Error> {
        let mut config = self.client();
        // A connection that the cluster closes is no error to the library.
        config.set_log_level(RDKafkaLogLevel::Info);
        let client = self.make_consumer(&config, Heard::default())?;
        let name = self.prefixed(ALONE);
        let since = Instant::now();
        loop {
            let asked = client.client().fetch_metadata(Some(&name), ASK_MAX);
            let Err(error) = asked else { return Ok(()) };
            // What the library says comes here when it is asked for.
            while client.poll(SAID_PAUSE).is_some() {}
            let heard = client.context().worst.lock().clone();
            let patience =
                if heard.as_ref().is_some_and(|it| it.weight() == Weight::Refusal) { REFUSED_MAX } else { ANSWER_MAX };
            if since.elapsed() > patience {
                let cause = heard.map_or_else(|| error.to_string(), |trouble| trouble.told());
                return Err(Error::cluster(&format!("reaching it at {} (broker.bootstrap)", self.bootstrap), &cause));
            }
        }
    }
}
