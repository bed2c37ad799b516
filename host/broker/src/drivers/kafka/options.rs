//! What an operator may set of the Kafka driver, and the client settings that follow from it.

use std::collections::BTreeMap;
use std::time::Duration;

use host_core::id::TopicName;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use super::super::window::Bounds;
use super::delays;
use super::security::{MECHANISMS, OAUTHBEARER};
use super::token_file::TokenFile;
use crate::Retention;

/// Settings of the Kafka driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// `host:port`, separated by commas: those asked first for the whole cluster.
    pub bootstrap: String,
    /// Before the name of every topic and group and every transactional id, so that installations can share a cluster.
    pub prefix: String,
    /// Name of this host among those that share the work: two that run at once must not have the same.
    pub host_name: String,
    /// Partitions of the topics that this host makes.
    pub partitions: i32,
    /// Copies of the topics that this host makes; -1 takes the cluster's default.
    pub replication: i32,
    /// Whether this host may make topics. If not, it says which are missing and what each must be.
    pub create_topics: bool,
    /// How many hosts work with these topics.
    pub hosts: Hosts,
    /// How long a transaction may take before the cluster ends it. What a host that died had begun holds back readers
    /// for so long.
    pub transaction_timeout: Duration,
    /// How long a host may be silent before its partitions go to others.
    pub session_timeout: Duration,
    /// Largest message.
    pub message_bytes_max: usize,
    /// Transactional producers that are used in turn.
    pub producer_count: usize,
    /// Any setting of librdkafka: TLS, SASL, buffers. Those in `REFUSED` are the driver's own.
    pub client: BTreeMap<String, String>,
    /// A file with the token that every client logs in with, by OAUTHBEARER.
    pub oauth_token_file: Option<TokenFile>,
    /// How long a log topic keeps its messages unless `kept` names it.
    pub kept_age_max: Duration,
    /// How large a log topic may grow unless `kept` names it.
    pub kept_bytes_max: u64,
    /// Log topics with bounds of their own: age and bytes.
    pub kept: Vec<(TopicName, Duration, u64)>,
    /// Messages at hand of one topic.
    pub window_count_max: usize,
    /// The same in bytes, about.
    pub window_bytes_max: usize,
}

/// How many hosts work with one set of topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// One: its tables are written by itself, and a second host is refused.
    One,
    /// Any number. What each commits comes into the tables of all of them by way of the cluster.
    Several,
}

/// Settings of librdkafka on which what this driver promises rests, with the reason.
const REFUSED: [(&str, &str); 15] = [
    ("bootstrap.servers", "it is broker.bootstrap"),
    ("metadata.broker.list", "it is broker.bootstrap"),
    ("group.id", "a group belongs to a step"),
    ("client.id", "it is host-name"),
    ("group.instance.id", "it is host-name"),
    ("enable.auto.commit", "positions are committed with what they cause"),
    ("enable.auto.offset.store", "positions are committed with what they cause"),
    ("auto.offset.reset", "a group without a position begins at the beginning, or messages would be lost"),
    ("isolation.level", "messages of aborted transactions must not be seen"),
    ("transactional.id", "each producer has its own"),
    ("enable.idempotence", "transactions need it"),
    ("acks", "transactions need all"),
    ("enable.partition.eof", "the driver follows ends of partitions"),
    ("partition.assignment.strategy", "rebalances are cooperative"),
    ("max.in.flight.requests.per.connection", "transactions bound it"),
];

impl KafkaOptions {
    /// The defaults for a cluster.
    pub fn new(bootstrap: &str, host_name: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            prefix: String::new(),
            host_name: host_name.to_owned(),
            partitions: 4,
            replication: -1,
            create_topics: true,
            hosts: Hosts::One,
            transaction_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(10),
            message_bytes_max: 4 << 20,
            producer_count: 2,
            client: BTreeMap::new(),
            oauth_token_file: None,
            kept_age_max: Duration::from_secs(30 * 24 * 3600),
            kept_bytes_max: 1 << 30,
            kept: Vec::new(),
            window_count_max: 1024,
            window_bytes_max: 8 << 20,
        }
    }

    /// Why a setting of `client` is not taken, if it is not.
    pub fn refused(key: &str) -> Option<&'static str> {
        REFUSED.iter().find(|(name, _)| *name == key).map(|(_, reason)| *reason)
    }

    /// What every client has.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap)
            .set("client.id", &self.host_name)
            // A new transaction that comes before the last one's marks are written waits so long, and then longer.
            .set("retry.backoff.ms", "2")
            .set("retry.backoff.max.ms", "100")
            .set("reconnect.backoff.ms", "20")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.nagle.disable", "true")
            // Minutes, if not said: for so long a partition stays lost to whoever asked while it had no leader.
            .set("topic.metadata.refresh.interval.ms", "30000")
            .set("allow.auto.create.topics", "false")
            .set("message.max.bytes", self.message_bytes_max.to_string());
        if self.oauth_token_file.is_some() {
            config.set(MECHANISMS[0], OAUTHBEARER);
        }
        for (key, value) in &self.client {
            config.set(key, value);
        }
        config
    }

    /// A client that reads committed messages and knows where topics end.
    pub(super) fn reader(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true");
        for (key, value) in [
            // An idle partition's end is known only when a fetch comes back empty, so this is what a start waits for.
            ("fetch.wait.max.ms", "200".to_owned()),
            ("fetch.min.bytes", "1".to_owned()),
            ("queued.min.messages", "4096".to_owned()),
            // A partition of which so many are at hand is asked for more that much later; a second is the default, in
            // which everything at hand is done.
            ("fetch.queue.backoff.ms", "10".to_owned()),
            ("queued.max.messages.kbytes", "16384".to_owned()),
            ("fetch.message.max.bytes", "1048576".to_owned()),
        ] {
            if !self.client.contains_key(key) {
                config.set(key, value);
            }
        }
        config
    }

    /// One who looks at a group and is no member.
    pub(super) fn looker(&self, group: &str) -> ClientConfig {
        let mut config = self.reader();
        config.set("group.id", self.prefixed(group)).set("fetch.wait.max.ms", "5");
        config
    }

    /// One who follows a topic from its beginning and is told of each record at once.
    pub(super) fn follower(&self, group: &str) -> ClientConfig {
        let mut config = self.reader();
        config.set("group.id", self.prefixed(group));
        config
    }

    /// A member of a group.
    pub(super) fn member(&self, group: &str) -> ClientConfig {
        let mut config = self.reader();
        config
            .set("group.id", self.prefixed(group))
            // A host that comes back under its name goes on where it was, at once and without a rebalance.
            .set("group.instance.id", &self.host_name)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", self.session_timeout.as_millis().to_string())
            .set("heartbeat.interval.ms", (self.session_timeout.as_millis() / 5).to_string());
        config
    }

    /// A transactional producer of this host.
    pub(super) fn producer(&self, number: usize) -> ClientConfig {
        let mut config = self.client();
        config
            .set("transactional.id", self.prefixed(&format!("{}-{number}", self.host_name)))
            .set("transaction.timeout.ms", self.transaction_timeout.as_millis().to_string())
            .set("linger.ms", "0")
            .set("queue.buffering.max.messages", "1000000");
        // Connections that fail are told as news, whatever our own log is set to.
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }

    /// The name in the cluster.
    pub(super) fn prefixed(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    pub(super) fn window(&self) -> Bounds {
        Bounds { count_max: self.window_count_max, bytes_max: self.window_bytes_max }
    }

    /// How long a topic keeps its messages.
    pub(super) fn retention(&self, topic: &TopicName) -> Retention {
        if Retention::is_work_queue(topic) || delays::is_topic(topic) {
            return Retention::UntilAcknowledged;
        }
        match self.kept.iter().find(|(name, _, _)| name == topic) {
            Some(&(_, age_max, bytes_max)) => Retention::Kept { age_max, bytes_max },
            None => Retention::Kept { age_max: self.kept_age_max, bytes_max: self.kept_bytes_max },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_promises_rest_on_is_refused_and_everything_else_is_passed_on() {
        for key in ["acks", "isolation.level", "group.id", "bootstrap.servers"] {
            assert!(KafkaOptions::refused(key).is_some(), "{key}");
        }
        let mut options = KafkaOptions::new("127.0.0.1:9092", "a");
        for key in ["security.protocol", "sasl.mechanisms", "ssl.ca.location", "linger.ms", "fetch.wait.max.ms"] {
            assert_eq!(KafkaOptions::refused(key), None, "{key}");
        }
        options.client.insert("sasl.mechanisms".to_owned(), "SCRAM-SHA-512".to_owned());
        options.client.insert("fetch.wait.max.ms".to_owned(), "7".to_owned());
        for config in [options.client(), options.reader(), options.member("g"), options.producer(0)] {
            assert_eq!(config.get("sasl.mechanisms"), Some("SCRAM-SHA-512"));
        }
        assert_eq!(options.reader().get("fetch.wait.max.ms"), Some("7"));
    }

    #[test]
    fn a_prefix_keeps_installations_apart() {
        let mut options = KafkaOptions::new("127.0.0.1:9092", "a");
        options.prefix = "test.".to_owned();
        assert_eq!(options.member("shop.order.place").get("group.id"), Some("test.shop.order.place"));
        assert_eq!(options.producer(1).get("transactional.id"), Some("test.a-1"));
    }
}
