//! The list of keys: the one place that names them. The file, the environment, `saga doctor` and the documentation
//! all follow it.

use super::Config;
use super::value::{Value, Wrong};

/// One key of `saga.toml`.
pub struct Key {
    /// Dotted: `limits.body`.
    pub path: &'static str,
    /// What it decides, in one line.
    pub about: &'static str,
    pub set: fn(&mut Config, &str) -> Result<(), Wrong>,
    /// The value in force, as the file would say it.
    pub get: fn(&Config) -> String,
}

impl Key {
    /// The environment variable of the same meaning: `SAGA_LIMITS_BODY`.
    pub fn variable(&self) -> String {
        format!("SAGA_{}", self.path.to_ascii_uppercase().replace(['.', '-'], "_"))
    }
}

/// The key of this name.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

macro_rules! keys {
    ($($path:literal => $($field:ident).+, $about:literal;)+) => {
        /// Every key there is.
        pub const KEYS: &[Key] = &[$(Key {
            path: $path,
            about: $about,
            set: |config, text| {
                config.$($field).+ = Value::read(text)?;
                Ok(())
            },
            get: |config| config.$($field).+.write(),
        }),+];
    };
}

keys! {
    "listen" => listen, "address and port of the HTTP API; one that is not loopback needs a token";
    "token" => token, "what callers must send as `Authorization: Bearer`; better set as SAGA_TOKEN than in a file";
    "host-name" => host_name, "name of this host in dead letters and logs; the machine's name if it is left out";
    "data-dir" => data_dir, "folder of the embedded broker and store, and of compiled plugins";
    "plugins-dir" => plugins_dir, "folder that is watched for `<address>.wasm` and `<address>.toml`";
    "use-cases-dir" => use_cases_dir, "folder that is watched for `<name>.toml`";
    "broker.kind" => broker.kind, "who carries the messages: `embedded` or `kafka`";
    "broker.bootstrap" => broker.bootstrap, "Kafka: `host:port` of the brokers asked first, with commas between them";
    "broker.prefix" => broker.prefix, "Kafka: stands before every topic, group and transactional id of this installation";
    "broker.partitions" => broker.partitions, "Kafka: partitions of the topics that the host makes: as many hosts can share a step";
    "broker.producers" => broker.producers, "Kafka: transactional producers of a host, used in turn";
    "broker.replication" => broker.replication, "Kafka: copies of the topics that the host makes; 0 takes the cluster's default";
    "broker.create-topics" => broker.create_topics, "Kafka: whether the host may make topics";
    "broker.hosts" => broker.hosts, "Kafka: `one`, or `several` hosts that share the work of one set of topics";
    "broker.transaction-timeout" => broker.transaction_timeout, "Kafka: how long a transaction may take before the cluster ends it";
    "broker.session-timeout" => broker.session_timeout, "Kafka: how long a host may be silent before its partitions go to others";
    "broker.oauth-token-file" => broker.oauth_token_file, "Kafka: file with the token to log in with (OAUTHBEARER); read anew when it changes";
    "broker.client" => broker.client, "Kafka: a table of settings of librdkafka: TLS, SASL, buffers";
    "store.kind" => store.kind, "who keeps what must survive: `embedded`, `postgres` for what several hosts share, or `memory` (gone when the host ends)";
    "store.address" => store.address, "PostgreSQL: `postgresql://user:password@host:5432/database?sslmode=require`; better set as SAGA_STORE_ADDRESS than in a file";
    "store.schema" => store.schema, "PostgreSQL: schema of this installation's tables, made if it is not there";
    "store.ca-file" => store.ca_file, "PostgreSQL: certificate authority of the server; the system's if it is left out";
    "store.connections" => store.connections, "PostgreSQL: connections of this host";
    "limits.body" => limits.body, "largest body of a message";
    "limits.meta" => limits.meta, "largest `meta` of a message";
    "limits.steps" => limits.steps, "most steps of one saga, up to 1024";
    "limits.backlog" => limits.backlog, "messages that may wait before new sagas are refused with 503";
    "limits.in-flight" => limits.in_flight, "calls of steps that may run at the same time on this host";
    "limits.batch" => limits.batch, "calls whose effects are committed at once at most: a sync of the journal, or a transaction";
    "limits.workers" => limits.workers, "threads that run steps; 0 takes one a processor";
    "limits.connections" => limits.connections, "HTTP connections that may be open at the same time";
    "limits.compile-time" => limits.compile_time, "how long compiling one plugin may take";
    "limits.compile-memory" => limits.compile_memory, "memory that compiling one plugin may take";
    "retention.finished" => retention.finished, "how long a finished saga can still be asked for";
    "retention.log-age" => retention.log_age, "how long a topic that is read as a log keeps a message";
    "retention.log-size" => retention.log_size, "how much a topic that is read as a log keeps";
    "retention.signals" => retention.signals, "how long a signal that nobody waited for is remembered";
    "shutdown.drain" => shutdown.drain, "how long running calls may take to finish when the host is asked to end";
    "log.format" => log.format, "`text` for people, `json` for programs";
    "log.level" => log.level, "least important line: `error`, `warn`, `info`, `debug` or `trace`";
}
