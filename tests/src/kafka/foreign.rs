//! Apache's own Java client as the independent witness: it writes records and reads committed ones back, in a process
//! of its own (`tests/foreign/java/Records.java`), and shares no code with the host or with librdkafka.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use serde_json::{Value, json};

use super::CURE;
use crate::artefacts::target_dir;
use crate::tidy::tree::root;

/// How long a record that must come may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Records that were read and not yet asked for. When they are so many, the client waits.
const AHEAD_MAX: usize = 1_000;

/// A client of one cluster.
#[derive(Debug, Clone)]
pub struct Foreign {
    bootstrap: String,
}

/// A record as it was read. Texts are UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub topic: String,
    pub partition: i64,
    pub offset: i64,
    pub key: Option<String>,
    /// None is a tombstone.
    pub value: Option<String>,
    /// In their order; a name may come more than once.
    pub headers: Vec<(String, String)>,
}

/// A record to write.
#[derive(Debug, Clone, Default)]
pub struct Outgoing<'a> {
    pub key: Option<&'a str>,
    pub value: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
}

/// How the transaction of a producer ends. Each names its transactional id.
#[derive(Debug, Clone, Copy)]
pub enum End<'a> {
    Commit(&'a str),
    Abort(&'a str),
    /// The records are in the log, and the producer dies without a word.
    Open(&'a str),
}

impl Record {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The value as JSON, which it must be.
    pub fn json(&self) -> Value {
        let value = self.value.as_deref().unwrap_or_else(|| panic!("a tombstone is no JSON: {self:?}"));
        serde_json::from_str(value).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Foreign {
    pub fn new(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned() }
    }

    /// Make a topic, on as many nodes as the brokers' default says.
    pub fn create(&self, topic: &str, partitions: u32) {
        self.create_with(topic, partitions, &[]);
    }

    /// The same with settings of its own, each `key=value`.
    pub fn create_with(&self, topic: &str, partitions: u32, settings: &[&str]) {
        self.run(&[&["create", topic, &partitions.to_string()], settings].concat(), "");
    }

    /// Write records without a transaction, and answer when all in-sync nodes have them: partition and offset of each.
    pub fn produce(&self, topic: &str, records: &[Outgoing<'_>]) -> Vec<(i64, i64)> {
        self.write(&["produce", topic], records)
    }

    /// Write records in one transaction.
    pub fn produce_in(&self, end: End<'_>, topic: &str, records: &[Outgoing<'_>]) -> Vec<(i64, i64)> {
        let (how, id) = match end {
            End::Commit(id) => ("commit", id),
            End::Abort(id) => ("abort", id),
            End::Open(id) => ("open", id),
        };
        self.write(&["produce", topic, how, id], records)
    }

    /// All committed records of these topics from their beginnings to what are their ends now; in order within a
    /// partition. Each topic is a regular expression for whole names, and at least one must match it.
    pub fn consume(&self, topics: &[&str]) -> Vec<Record> {
        let arguments = [&["consume"], topics].concat();
        self.run(&arguments, "").lines().map(record).collect()
    }

    /// Read committed records of these topics, also of ones that come later, until the reader is dropped.
    pub fn follow(&self, topics: &[&str]) -> Following {
        Following::start(self.command(&[&["follow"], topics].concat()))
    }

    /// A group's position at a partition, and the text beside it; none if it has none.
    pub fn position(&self, group: &str, topic: &str, partition: u32) -> Option<(i64, String)> {
        let printed = self.run(&["position", group, topic, &partition.to_string()], "");
        printed.lines().next().map(|line| {
            let position = parsed(line);
            let text = position["text"].as_str().expect("a position has a text").to_owned();
            (number(&position, "offset"), text)
        })
    }

    /// Set it, for a group that has no members.
    pub fn set_position(&self, group: &str, topic: &str, partition: u32, (offset, text): (u64, &str)) {
        self.run(&["position", group, topic, &partition.to_string(), &offset.to_string(), text], "");
    }

    pub(super) fn ready(&self, nodes: u32) {
        self.run(&["ready", &nodes.to_string()], "");
    }

    fn write(&self, arguments: &[&str], records: &[Outgoing<'_>]) -> Vec<(i64, i64)> {
        let line = |record: &Outgoing<'_>| {
            format!("{}\n", json!({"key": record.key, "value": record.value, "headers": record.headers}))
        };
        let input: String = records.iter().map(line).collect();
        let place = |line: &str| {
            let place = parsed(line);
            (number(&place, "partition"), number(&place, "offset"))
        };
        self.run(arguments, &input).lines().map(place).collect()
    }

    fn run(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.command(arguments);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("java: {error}; {CURE}"));
        let mut stdin = child.stdin.take().expect("it was asked for");
        // The client reads all of it before it prints anything, so neither waits for the other. One that has failed
        // already does not read, and its own words tell why.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        // The client gives itself a time.
        let output = child.wait_with_output().expect("our own child can be waited for");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the foreign client failed at {arguments:?} ({}):\n{said}", output.status);
        String::from_utf8(output.stdout).expect("the client writes UTF-8")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        static CLASSES: OnceLock<PathBuf> = OnceLock::new();
        let mut command = java("Records", CLASSES.get_or_init(|| classes("Records")));
        command.arg(&self.bootstrap).args(arguments);
        command
    }
}

/// A program of `tests/foreign/java` whose classes are in this folder, with its input and output at hand.
pub(super) fn java(program: &str, classes: &Path) -> Command {
    let mut command = Command::new("java");
    // Small, and quick to start.
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error");
    command.arg("-cp").arg(class_path(&[classes, &jars().join("*")])).arg(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// Committed records as they come.
#[derive(Debug)]
pub struct Following {
    /// It ends when its input is closed, so also with this process.
    client: Child,
    records: Receiver<Record>,
}

impl Following {
    fn start(mut command: Command) -> Self {
        let mut client = command.spawn().unwrap_or_else(|error| panic!("java: {error}; {CURE}"));
        let stdout = client.stdout.take().expect("it was asked for");
        let (sender, records) = sync_channel(AHEAD_MAX);
        // It ends with the client's output, or when nobody listens any more.
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.map(|line| record(&line)).try_for_each(|record| sender.send(record))
        });
        Self { client, records }
    }

    /// The next record, which must come.
    pub fn next(&mut self, what: &str) -> Record {
        self.records.recv_timeout(PATIENCE).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => panic!("waited in vain for {PATIENCE:?}: {what}"),
            RecvTimeoutError::Disconnected => panic!("the foreign client ended before {what}"),
        })
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It only reads: nothing is lost with it.
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// Where the jars of Kafka and its client are, which are fetched if they are not there yet.
fn jars() -> &'static Path {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(|| {
        let output = Command::new(root().join("scripts").join("kafka")).arg("fetch").stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("scripts/kafka cannot be run: {error}; {CURE}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the jars of Kafka cannot be had ({}); {CURE}\n{said}", output.status);
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    })
}

/// Where a compiled program is: in a folder named by its source, so that it is compiled once.
pub(super) fn classes(program: &str) -> PathBuf {
    let source = root().join("tests").join("foreign").join("java").join(format!("{program}.java"));
    let mut hasher = DefaultHasher::new();
    std::fs::read(&source).expect("the program's source is in the tree").hash(&mut hasher);
    let parent = target_dir().join("foreign");
    let folder = parent.join(format!("{}-{:016x}", program.to_lowercase(), hasher.finish()));
    if !folder.is_dir() {
        compile(&source, &parent, &folder);
    }
    folder
}

fn compile(source: &Path, parent: &Path, folder: &Path) {
    std::fs::create_dir_all(parent).expect("the target folder is ours");
    let beside = tempfile::tempdir_in(parent).expect("the target folder is ours");
    let mut command = Command::new("javac");
    command.args(["-proc:none", "-Xlint:all", "-Werror", "-encoding", "UTF-8", "-d"]).arg(beside.path());
    let output = command.arg("-cp").arg(jars().join("*")).arg(source).output();
    let output = output.unwrap_or_else(|error| panic!("javac cannot be run: {error}; {CURE}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} does not compile:\n{said}", source.display());
    // In one move: another test program may be at it too, and then its folder is as good.
    if std::fs::rename(beside.path(), folder).is_ok() {
        let _moved = beside.keep();
    }
    assert!(folder.is_dir(), "{} could not be put into place", folder.display());
}

fn class_path(entries: &[&Path]) -> std::ffi::OsString {
    std::env::join_paths(entries).expect("paths without colons")
}

fn record(line: &str) -> Record {
    let fields = parsed(line);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let header = |pair: &Value| (text(&pair[0]).unwrap_or_default(), text(&pair[1]).unwrap_or_default());
    Record {
        topic: text(&fields["topic"]).unwrap_or_else(|| panic!("a record without a topic: {line}")),
        partition: number(&fields, "partition"),
        offset: number(&fields, "offset"),
        key: text(&fields["key"]),
        value: text(&fields["value"]),
        headers: fields["headers"].as_array().into_iter().flatten().map(header).collect(),
    }
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("the foreign client printed no JSON: {error}: {line}"))
}

fn number(fields: &Value, name: &str) -> i64 {
    fields[name].as_i64().unwrap_or_else(|| panic!("no number {name} in {fields}"))
}
