//! A real PostgreSQL for whole-system tests, on loopback, in a temporary folder and on a free port. It lives as long as
//! a pipe to this process, so it ends with the process however that ends.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use crate::tidy::tree::root;

/// What a person does when PostgreSQL cannot be started.
const CURE: &str = "these tests need a real PostgreSQL: run scripts/install, then try scripts/postgres run by hand";

/// A server.
#[derive(Debug)]
pub struct Postgres {
    /// `scripts/postgres run`: it ends the server and deletes its data when its input is closed.
    runner: Child,
    folder: PathBuf,
    address: String,
}

impl Postgres {
    pub fn start() -> Self {
        // Made and given away: the script deletes it, also when this process can no longer do so.
        let folder = tempfile::Builder::new().prefix("saga-postgres-").tempdir();
        let folder = folder.expect("a temporary folder can be made").keep();
        let mut command = Command::new(root().join("scripts").join("postgres"));
        command.args(["run", "--set", "max_connections=200", "--dir"]).arg(&folder).current_dir(root());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut runner =
            command.spawn().unwrap_or_else(|error| panic!("scripts/postgres cannot be run: {error}; {CURE}"));
        let mut said = String::new();
        let stdout = runner.stdout.take().expect("it was asked for");
        BufReader::new(stdout).read_line(&mut said).expect("the script prints plain text");
        let address = said.trim().to_owned();
        assert!(!address.is_empty(), "PostgreSQL did not start; {CURE}");
        Self { runner, folder, address }
    }

    /// The server that the tests of this program share: each has a schema of its own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Where it is, as `store.address` wants it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// End it at once, as a crash would, and start it again with its data.
    pub fn crash(&self) {
        for verb in [&["stop", "--immediate"][..], &["start"]] {
            let mut command = Command::new(root().join("scripts").join("postgres"));
            command.args(verb).arg("--dir").arg(&self.folder).current_dir(root()).stdin(Stdio::null());
            let output = command.output().unwrap_or_else(|error| panic!("scripts/postgres: {error}; {CURE}"));
            assert!(output.status.success(), "{verb:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.runner.stdin.take());
        // The test is over; what keeps the script from its end cannot be mended here.
        let _ = self.runner.wait();
    }
}
