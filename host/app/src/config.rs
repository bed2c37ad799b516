//! The configuration of a host: `saga.toml` and the environment, which wins. Every key has a default, every mistake is
//! told with its place and its cure. It must not know what the values are used for.

mod file;
mod keys;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use host_broker::drivers::kafka::KafkaOptions;
use host_core::files::FileError;

use crate::near;

pub use keys::{KEYS, Key};
pub use value::{BrokerKind, ClientSettings, HostCount, LogFormat, LogLevel, Secret, Size, StoreKind, Text};

/// The file that is read when none is named.
pub const FILE_NAME: &str = "saga.toml";

/// Calls at once: each may need a sandbox of its own, which reserves gigabytes of addresses.
const IN_FLIGHT_MAX: usize = 4096;

/// Everything an operator can set, with every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub listen: SocketAddr,
    pub token: Option<Secret>,
    pub host_name: String,
    pub data_dir: PathBuf,
    pub plugins_dir: PathBuf,
    pub use_cases_dir: PathBuf,
    pub broker: Broker,
    pub store: Store,
    pub limits: Limits,
    pub retention: Retention,
    pub shutdown: Shutdown,
    pub log: Log,
}

/// `[broker]`
#[derive(Debug, Clone, PartialEq)]
pub struct Broker {
    pub kind: BrokerKind,
    pub bootstrap: Text,
    pub prefix: Text,
    pub partitions: u16,
    pub producers: u16,
    pub replication: u16,
    pub create_topics: bool,
    pub hosts: HostCount,
    pub transaction_timeout: Duration,
    pub session_timeout: Duration,
    pub oauth_token_file: Option<PathBuf>,
    pub client: ClientSettings,
}

impl Default for Broker {
    fn default() -> Self {
        Self {
            kind: BrokerKind::Embedded,
            bootstrap: Text::default(),
            prefix: Text::default(),
            partitions: 4,
            producers: 2,
            replication: 0,
            create_topics: true,
            hosts: HostCount::One,
            transaction_timeout: Duration::from_secs(10),
            session_timeout: Duration::from_secs(10),
            oauth_token_file: None,
            client: ClientSettings::default(),
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    pub kind: StoreKind,
    pub address: Option<Secret>,
    pub schema: Text,
    pub ca_file: Text,
    pub connections: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            kind: StoreKind::Embedded,
            address: None,
            schema: Text("saga".to_owned()),
            ca_file: Text::default(),
            connections: host_store::shared::limits::CONNECTIONS_DEFAULT,
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    pub body: Size,
    pub meta: Size,
    pub steps: usize,
    pub backlog: u64,
    pub in_flight: usize,
    pub batch: usize,
    pub workers: usize,
    pub connections: usize,
    pub compile_time: Duration,
    pub compile_memory: Size,
}

/// `[retention]`
#[derive(Debug, Clone, PartialEq)]
pub struct Retention {
    pub finished: Duration,
    pub log_age: Duration,
    pub log_size: Size,
    pub signals: Duration,
}

/// `[shutdown]`
#[derive(Debug, Clone, PartialEq)]
pub struct Shutdown {
    pub drain: Duration,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    pub format: LogFormat,
    pub level: LogLevel,
}

impl Default for Config {
    fn default() -> Self {
        let message = host_core::limits::Limits::default();
        let size = |bytes: usize| Size(u64::try_from(bytes).expect("a usize is at most 64 bits wide"));
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7070)),
            token: None,
            host_name: "saga".to_owned(),
            data_dir: "data".into(),
            plugins_dir: "plugins".into(),
            use_cases_dir: "use-cases".into(),
            broker: Broker::default(),
            store: Store::default(),
            limits: Limits {
                body: size(message.body_bytes_max),
                meta: size(message.meta_bytes_max),
                steps: message.step_count_max,
                // At some hundred bytes of disk a message, hundreds of megabytes.
                backlog: 1_000_000,
                in_flight: 256,
                batch: host_engine::limits::OPEN_UNITS_DEFAULT,
                workers: 0,
                // Half of the 1,024 descriptors a process usually gets; the database needs the others.
                connections: 512,
                compile_time: host_runtime::limits::COMPILE_TIME_DEFAULT,
                compile_memory: Size(host_runtime::limits::COMPILE_MEMORY_BYTES_DEFAULT),
            },
            retention: Retention {
                finished: Duration::from_secs(7 * 86_400),
                log_age: Duration::from_secs(30 * 86_400),
                log_size: Size(1 << 30),
                signals: host_core::limits::SIGNAL_MEMORY_DEFAULT,
            },
            // Below the 30 s that process managers wait before they kill.
            shutdown: Shutdown { drain: Duration::from_secs(20) },
            log: Log { format: LogFormat::Text, level: LogLevel::Info },
        }
    }
}

/// A configuration and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub config: Config,
    /// None where the defaults and the environment are all there is.
    pub file: Option<PathBuf>,
    /// What is odd but does not keep the host from starting.
    pub warnings: Vec<String>,
}

/// Every mistake that was found, in the order of the file.
#[derive(Debug)]
pub struct Mistakes(pub Vec<FileError>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(FileError::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Mistakes {}

/// Read the named file, or `saga.toml` here if there is one, and the environment over it.
pub fn load(named: Option<&Path>) -> Result<Loaded, Mistakes> {
    let file = match named {
        Some(path) => Some(path.to_owned()),
        None => Some(PathBuf::from(FILE_NAME)).filter(|path| path.is_file()),
    };
    let text = match &file {
        Some(path) => Some((file_name(path), read(path)?)),
        None => None,
    };
    let environment = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let environment = environment.filter_map(|(name, value)| Some((name, value.into_string().ok()?)));
    let text = text.as_ref().map(|(name, text)| (name.as_str(), text.as_str()));
    let (mut config, warnings) = resolve(text, environment.collect())?;
    if let Some(folder) = file.as_deref().and_then(Path::parent) {
        for dir in [&mut config.data_dir, &mut config.plugins_dir, &mut config.use_cases_dir] {
            *dir = folder.join(&*dir);
        }
        if let Some(token_file) = &mut config.broker.oauth_token_file {
            *token_file = folder.join(&*token_file);
        }
    }
    Ok(Loaded { config, file, warnings })
}

/// The pure part of `load`: paths are left as they are written.
fn resolve(
    file: Option<(&str, &str)>,
    environment: BTreeMap<String, String>,
) -> Result<(Config, Vec<String>), Mistakes> {
    let mut config = Config { host_name: machine_name(&environment), ..Config::default() };
    let mut mistakes = Vec::new();
    let mut lines = BTreeMap::new();
    if let Some((name, text)) = file {
        file::apply(&mut config, name, text, &mut lines, &mut mistakes);
    }
    let warnings = apply_environment(&mut config, &environment, &mut mistakes);
    if mistakes.is_empty() {
        let source = Source { file: file.map(|(name, _)| name), lines: &lines, environment: &environment };
        check_together(&config, &source, &mut mistakes);
    }
    if mistakes.is_empty() { Ok((config, warnings)) } else { Err(Mistakes(mistakes)) }
}

/// Where each value came from, for mistakes that only show when all of them are known.
struct Source<'a> {
    file: Option<&'a str>,
    lines: &'a BTreeMap<&'static str, u32>,
    environment: &'a BTreeMap<String, String>,
}

impl Source<'_> {
    fn mistake(&self, path: &'static str, problem: String, cure: String) -> FileError {
        let key = keys::find(path).expect("the caller names a key of the list");
        if self.environment.contains_key(&key.variable()) {
            return FileError {
                file: "environment".to_owned(),
                line: None,
                field: Some(key.variable()),
                problem,
                cure,
            };
        }
        let file = self.file.unwrap_or(FILE_NAME).to_owned();
        FileError { file, line: self.lines.get(path).copied(), field: Some(path.to_owned()), problem, cure }
    }
}

/// What no single value shows.
fn check_together(config: &Config, source: &Source<'_>, mistakes: &mut Vec<FileError>) {
    if !config.listen.ip().is_loopback() && config.token.is_none() {
        mistakes.push(source.mistake(
            "listen",
            format!("{} can be reached from other machines and no token is set", config.listen),
            "set `token` (SAGA_TOKEN), or listen on 127.0.0.1".to_owned(),
        ));
    }
    check_broker(config, source, mistakes);
    check_store(config, source, mistakes);
    let hard_max = host_core::limits::STEPS_HARD_MAX;
    if config.limits.steps == 0 || config.limits.steps > hard_max {
        let problem = format!("{} steps is out of range", config.limits.steps);
        mistakes.push(source.mistake("limits.steps", problem, format!("write a number from 1 to {hard_max}")));
    }
    if config.limits.in_flight > IN_FLIGHT_MAX {
        let problem = format!("{} calls at once is more than a host can hold", config.limits.in_flight);
        mistakes.push(source.mistake("limits.in-flight", problem, format!("write a number from 1 to {IN_FLIGHT_MAX}")));
    }
    let positive = [
        ("limits.body", config.limits.body.0),
        ("limits.meta", config.limits.meta.0),
        ("limits.backlog", config.limits.backlog),
        ("limits.in-flight", config.limits.in_flight as u64),
        ("limits.batch", config.limits.batch as u64),
        ("limits.connections", config.limits.connections as u64),
        ("limits.compile-memory", config.limits.compile_memory.0),
    ];
    for (path, _) in positive.into_iter().filter(|(_, value)| *value == 0) {
        let problem = "0 lets nothing through".to_owned();
        mistakes.push(source.mistake(path, problem, "write 1 or more, or leave the key out".to_owned()));
    }
}

/// What a broker elsewhere needs.
fn check_broker(config: &Config, source: &Source<'_>, mistakes: &mut Vec<FileError>) {
    let broker = &config.broker;
    if broker.kind == BrokerKind::Kafka && broker.bootstrap.0.is_empty() {
        let problem = "it says nothing, and broker.kind is \"kafka\"".to_owned();
        let cure = "name brokers of the cluster, like \"kafka-1:9092,kafka-2:9092\"".to_owned();
        mistakes.push(source.mistake("broker.bootstrap", problem, cure));
    }
    if broker.kind == BrokerKind::Embedded && broker.hosts == HostCount::Several {
        let problem = "several hosts cannot share an embedded broker, which lies in the folder of one".to_owned();
        mistakes.push(source.mistake("broker.hosts", problem, "set broker.kind = \"kafka\"".to_owned()));
    }
    for (path, count, problem) in [
        ("broker.partitions", broker.partitions, "a topic has at least one partition"),
        ("broker.producers", broker.producers, "somebody has to make the transactions"),
    ] {
        if count == 0 {
            mistakes.push(source.mistake(path, problem.to_owned(), "write 1 or more".to_owned()));
        }
    }
    let contradiction = KafkaOptions::contradiction(&broker.client.0, broker.oauth_token_file.is_some());
    if let Some(found) = contradiction.filter(|_| broker.kind == BrokerKind::Kafka) {
        let key = if found.is_of_token_file { "broker.oauth-token-file" } else { "broker.client" };
        mistakes.push(source.mistake(key, found.problem, found.cure.to_owned()));
    }
    let spans = [
        ("broker.transaction-timeout", broker.transaction_timeout),
        ("broker.session-timeout", broker.session_timeout),
    ];
    for (path, _) in spans.into_iter().filter(|(_, span)| *span < Duration::from_secs(1)) {
        let problem = "less than a second ends what is only slow".to_owned();
        mistakes.push(source.mistake(path, problem, "write \"1s\" or more".to_owned()));
    }
}

/// What a store elsewhere needs.
fn check_store(config: &Config, source: &Source<'_>, mistakes: &mut Vec<FileError>) {
    let store = &config.store;
    if store.kind == StoreKind::Postgres && config.broker.kind == BrokerKind::Embedded {
        let problem = "a database that hosts share has no use beside an embedded broker, which one host has".to_owned();
        let cure = "set broker.kind = \"kafka\", or store.kind = \"embedded\"".to_owned();
        mistakes.push(source.mistake("store.kind", problem, cure));
    }
    if store.kind == StoreKind::Postgres && store.address.is_none() {
        let problem = "it says nothing, and store.kind is \"postgres\"".to_owned();
        let cure = "set SAGA_STORE_ADDRESS=postgresql://user:password@host:5432/database".to_owned();
        mistakes.push(source.mistake("store.address", problem, cure));
    }
    if store.connections == 0 {
        let problem = "0 lets nothing through".to_owned();
        mistakes.push(source.mistake("store.connections", problem, "write 1 or more, or leave the key out".to_owned()));
    }
}

/// Variables that look like keys. One that names no key is only warned about: container platforms set `SAGA_PORT`,
/// `SAGA_SERVICE_HOST` and the like by themselves when a service is called `saga`.
fn apply_environment(
    config: &mut Config,
    environment: &BTreeMap<String, String>,
    mistakes: &mut Vec<FileError>,
) -> Vec<String> {
    let variables: Vec<String> = KEYS.iter().map(Key::variable).collect();
    for (key, variable) in KEYS.iter().zip(&variables) {
        let Some(text) = environment.get(variable) else { continue };
        if let Err(wrong) = (key.set)(config, text) {
            mistakes.push(FileError {
                file: "environment".to_owned(),
                line: None,
                field: Some(variable.clone()),
                problem: wrong.problem,
                cure: wrong.cure,
            });
        }
    }
    let unknown = environment.keys().filter(|name| name.starts_with("SAGA_"));
    let unknown = unknown.filter(|name| !variables.contains(name) && !CLIENT_VARIABLES.contains(&name.as_str()));
    unknown
        .filter_map(|name| {
            let meant = near::nearest(name, variables.iter().map(String::as_str))?;
            Some(format!("the environment variable {name} names no key and is ignored; did you mean {meant}?"))
        })
        .collect()
}

/// Variables that the command line reads itself.
const CLIENT_VARIABLES: [&str; 3] = ["SAGA_HOST", "SAGA_CONFIG", "SAGA_FAIL_POINT"];

fn read(path: &Path) -> Result<String, Mistakes> {
    std::fs::read_to_string(path).map_err(|error| {
        Mistakes(vec![FileError {
            file: file_name(path),
            line: None,
            field: None,
            problem: format!("it cannot be read: {error}"),
            cure: "name an existing file with --config, or leave --config out to use the defaults".to_owned(),
        }])
    })
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// What this machine calls itself; shown in dead letters, so that a reader knows which host gave up.
fn machine_name(environment: &BTreeMap<String, String>) -> String {
    let by_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = environment.get("HOSTNAME").cloned().or_else(by_kernel).unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "saga".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests;
