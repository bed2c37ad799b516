//! A PostgreSQL for tests. It lives as long as a pipe to this process, so it ends with the process however that ends.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use host_store::backends::postgres::Options;

/// What a person does when PostgreSQL cannot be started.
const CURE: &str = "these tests need a real PostgreSQL: run scripts/install, then try scripts/postgres run by hand";

/// A server of this test alone, or the one that all tests share.
pub(crate) struct Server {
    /// `scripts/postgres run`: it ends the server and deletes its data when its input is closed.
    runner: Child,
    folder: PathBuf,
    address: String,
}

impl Server {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        // Made and given away: the script deletes it, also when this process can no longer do so.
        let folder =
            tempfile::Builder::new().prefix("saga-postgres-").tempdir().expect("a temporary folder can be made");
        let folder = folder.keep();
        // Kept open as long as the script runs: a script that may not complain ends at its complaint.
        let mut complaints = tempfile::tempfile().expect("a temporary file can be made");
        let stderr = complaints.try_clone().expect("an open file can be opened again");
        let mut command = script("run", &folder);
        command.args(["--set", "max_connections=200"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let mut runner =
            command.spawn().unwrap_or_else(|error| panic!("scripts/postgres cannot be run: {error}; {CURE}"));
        let mut said = String::new();
        let stdout = runner.stdout.take().expect("it was asked for");
        BufReader::new(stdout).read_line(&mut said).expect("the script prints plain text");
        let address = said.trim().to_owned();
        if address.is_empty() {
            let status = runner.wait().expect("our own child can be waited for");
            panic!("PostgreSQL did not start ({status}); {CURE}. It said:\n{}", whole(&mut complaints));
        }
        Self { runner, folder, address }
    }

    /// The server that the tests of this program share: each has a schema of its own, and none may end it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A schema that nobody else uses, with few connections, as many tests run at once.
    pub(crate) fn options(&self) -> Options {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let schema = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Options { schema, connections_max: 3, ..Options::new(&self.address) }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn port(&self) -> u16 {
        let port = self.address.rsplit(':').next().and_then(|rest| rest.split('/').next());
        port.and_then(|port| port.parse().ok()).expect("the script prints an address with a port")
    }

    /// End it as a crash would: nothing is finished, nothing is written out.
    pub(crate) fn crash(&self) {
        done(script("stop", &self.folder).arg("--immediate"));
    }

    /// Start it again, with its data and its port, and wait until it serves.
    pub(crate) fn restart(&self) {
        done(&mut script("start", &self.folder));
    }

    /// What PostgreSQL's own client says to this, one row a line.
    pub(crate) fn sql(&self, text: &str) -> String {
        let mut command = Command::new("psql");
        command.args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet", "--set", "ON_ERROR_STOP=1"]);
        done(command.args(["--command", text, &self.address]))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.runner.stdin.take());
        // The test is over; what keeps the script from its end cannot be mended here.
        let _ = self.runner.wait();
    }
}

fn script(verb: &str, folder: &Path) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/postgres"));
    command.arg(verb).arg("--dir").arg(folder);
    command
}

fn done(command: &mut Command) -> String {
    // The server outlives the script that starts it: it may not hold a pipe that somebody waits for the end of.
    let mut said = tempfile::tempfile().expect("a temporary file can be made");
    let mut complaints = tempfile::tempfile().expect("a temporary file can be made");
    let stdout = said.try_clone().expect("an open file can be opened again");
    let stderr = complaints.try_clone().expect("an open file can be opened again");
    let status = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).status();
    let status = status.unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}; {CURE}"));
    assert!(status.success(), "{command:?} failed ({status}):\n{}", whole(&mut complaints));
    whole(&mut said).trim().to_owned()
}

fn whole(file: &mut File) -> String {
    let mut text = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut text)).expect("a temporary file can be read");
    String::from_utf8_lossy(&text).into_owned()
}
