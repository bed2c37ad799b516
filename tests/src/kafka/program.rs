//! Programs that take part in a saga and know nothing of ours, as users would write them in plain Java
//! (`tests/foreign/java`): run to their end, or started, and then ended by a signal.

use std::io::Write as _;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::CURE;
use super::foreign::{classes, java};
use crate::check::until;

/// Run a program with this input, and answer what it printed. It must succeed.
pub fn run(name: &str, arguments: &[&str], input: &str) -> String {
    let mut command = java(name, &classes(name));
    let child = command.args(arguments).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("java: {error}; {CURE}"));
    let mut stdin = child.stdin.take().expect("it was asked for");
    // It reads to the end of its input before it prints. One that has failed already tells why in its own words.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("our own child can be waited for");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?} failed ({}):\n{said}", output.status);
    String::from_utf8(output.stdout).expect("the program writes UTF-8")
}

/// A program that runs until it is told to end. What it complains of is shown with the test's own output.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
}

impl Running {
    pub fn start(name: &str, arguments: &[&str]) -> Self {
        let mut command = java(name, &classes(name));
        let child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("java: {error}; {CURE}"));
        Self { name: name.to_owned(), child }
    }

    /// SIGTERM, and wait for the end that it makes of its work.
    pub fn terminate(mut self) {
        let id = i32::try_from(self.child.id()).expect("a process id fits");
        kill(Pid::from_raw(id), Signal::SIGTERM).expect("our own child can be signalled");
        let name = self.name.clone();
        until(&format!("{name} ends"), || self.child.try_wait().expect("our own child can be waited for"));
    }

    /// SIGKILL: it says good-bye to nobody.
    pub fn kill(mut self) {
        self.assert_alive();
        self.child.kill().expect("our own child can be killed");
        self.child.wait().expect("our own child can be waited for");
    }

    /// That it has not ended by itself.
    pub fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("our own child can be waited for");
        assert_eq!(ended, None, "{} ended by itself", self.name);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
