//! A real Apache Kafka for whole-system tests: a cluster of one node or three on loopback, in a temporary folder and on
//! free ports. Its nodes are killed, paused and brought back here; what is in its topics is told by the foreign client.
//! The cluster lives as long as a pipe to this process, so it ends with the process however that ends.

pub mod foreign;
pub mod judge;
mod node;
pub mod program;
pub mod secure;
pub mod strait;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use nix::sys::signal::Signal;

use crate::tidy::tree::root;
use foreign::Foreign;

/// What a person does when Kafka cannot be brought.
const CURE: &str = "these tests need a real Apache Kafka: run scripts/install, then try scripts/kafka run by hand";

/// A cluster of this test alone, or the one that all tests of a program share.
#[derive(Debug)]
pub struct Cluster {
    /// `scripts/kafka run`: it ends the nodes and deletes their data when its input is closed.
    runner: Child,
    folder: PathBuf,
    bootstrap: String,
    nodes: u32,
}

impl Cluster {
    /// A cluster of this many nodes, one or three, that serves.
    pub fn start(nodes: u32) -> Self {
        Self::start_with(nodes, &[])
    }

    /// The same with more settings of the brokers, each `key=value` as in `server.properties`.
    pub fn start_with(nodes: u32, settings: &[&str]) -> Self {
        Self::start_by(nodes, &settings.iter().flat_map(|setting| ["--set", setting]).collect::<Vec<_>>())
    }

    fn start_by(nodes: u32, options: &[&str]) -> Self {
        // Made and given away: the script deletes it, also when this process can no longer do so.
        let folder = tempfile::Builder::new().prefix("saga-kafka-").tempdir().expect("a temporary folder can be made");
        let folder = folder.keep();
        // Kept open as long as the script runs: a script that may not complain ends at its complaint.
        let mut complaints = tempfile::tempfile().expect("a temporary file can be made");
        let mut command = script("run", &folder);
        command.args(["--nodes", &nodes.to_string()]).args(options);
        let stderr = complaints.try_clone().expect("an open file can be opened again");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut runner = command.spawn().unwrap_or_else(|error| panic!("scripts/kafka cannot be run: {error}; {CURE}"));
        let mut said = String::new();
        let stdout = runner.stdout.take().expect("it was asked for");
        BufReader::new(stdout).read_line(&mut said).expect("the script prints plain text");
        let bootstrap = said.trim().to_owned();
        if bootstrap.is_empty() {
            let status = runner.wait().expect("our own child can be waited for");
            panic!("Kafka did not start ({status}); {CURE}. It said:\n{}", whole(&mut complaints));
        }
        Self { runner, folder, bootstrap, nodes }
    }

    /// The cluster of one node that the tests of this program share. Whoever uses it chooses names of topics, groups
    /// and transactional ids that nobody else has; none can kill its node, as that takes a cluster of one's own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(1))
    }

    /// The addresses of all nodes, as clients want them.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The numbers of the nodes.
    pub fn nodes(&self) -> RangeInclusive<u32> {
        1..=self.nodes
    }

    /// A client that is not ours.
    pub fn foreign(&self) -> Foreign {
        Foreign::new(&self.bootstrap)
    }

    /// SIGKILL, and wait until the node is gone. The others go on.
    pub fn kill(&mut self, node: u32) {
        node::signal(&self.folder, node, Signal::SIGKILL);
        node::wait_until_gone(&self.folder, node);
    }

    /// SIGSTOP: the node holds its connections and answers nobody.
    pub fn pause(&mut self, node: u32) {
        node::signal(&self.folder, node, Signal::SIGSTOP);
    }

    /// SIGCONT: the node goes on, however long it was paused.
    pub fn resume(&mut self, node: u32) {
        node::signal(&self.folder, node, Signal::SIGCONT);
    }

    /// Start a node that was killed, with its data and its port, and wait until it serves.
    pub fn restart(&mut self, node: u32) {
        let mut command = script("start", &self.folder);
        let output = command.args(["--node", &node.to_string()]).stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("scripts/kafka cannot be run: {error}; {CURE}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "node {node} did not come back ({}):\n{said}", output.status);
    }

    /// Wait until all nodes serve and every partition is in sync on all that are to have it: the next node may die.
    pub fn wait_ready(&self) {
        self.foreign().ready(self.nodes);
    }

    /// Whether the process of a node exists, paused or not.
    pub fn is_alive(&self, node: u32) -> bool {
        node::process(&self.folder, node).is_some()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            print_for_failed_test(&node::log_tails(&self.folder, self.nodes()));
        }
        drop(self.runner.stdin.take());
        // The test is over; what keeps the script from its end cannot be mended here.
        let _ = self.runner.wait();
    }
}

#[expect(clippy::print_stdout, reason = "the test runner shows it with the failure")]
fn print_for_failed_test(text: &str) {
    println!("{text}");
}

fn script(verb: &str, folder: &Path) -> Command {
    let mut command = Command::new(root().join("scripts").join("kafka"));
    command.arg(verb).arg("--dir").arg(folder).current_dir(root());
    command
}

fn whole(file: &mut File) -> String {
    let mut text = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut text)).expect("a temporary file can be read");
    String::from_utf8_lossy(&text).into_owned()
}
