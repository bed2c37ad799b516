//! A host as a process: started, asked whether it is ready, killed, stopped politely, started again in the same folder.
//! What it said is shown when a test fails.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::api::Api;
use crate::artefacts;
use crate::check::{until, within};
use crate::installation::Installation;

/// A machine that runs nothing else starts in well under a second; one that compiles may take its time.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// More than the host gives its calls to end.
const STOP_TIME_MAX: Duration = Duration::from_secs(40);

/// A running host and its installation.
pub struct Host {
    pub installation: Installation,
    pub api: Api,
    port: u16,
    environment: Vec<(String, String)>,
    /// What a shell does before it becomes the host: `ulimit …`.
    before: Option<String>,
    verb: &'static str,
    child: Option<Child>,
}

impl Host {
    /// Start a host in this installation and wait until it takes work.
    pub fn start(installation: Installation) -> Self {
        Self::start_with(installation, &[])
    }

    /// The same with more environment variables.
    pub fn start_with(installation: Installation, environment: &[(&str, &str)]) -> Self {
        let mut host = Self::prepared(installation);
        host.set_environment(environment);
        host.start_again();
        host
    }

    /// Start it from a shell that first limits itself: `ulimit -n 300`.
    pub fn start_after(installation: Installation, before: &str) -> Self {
        let mut host = Self::prepared(installation);
        host.before = Some(before.to_owned());
        host.start_again();
        host
    }

    /// Start it as one does who writes steps: `saga dev`.
    pub fn start_dev(installation: Installation, environment: &[(&str, &str)]) -> Self {
        let mut host = Self::prepared(installation);
        host.verb = "dev";
        host.set_environment(environment);
        host.start_again();
        host
    }

    /// What it has said so far, on standard error.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.installation.path().join("host.err")).unwrap_or_default()
    }

    fn prepared(installation: Installation) -> Self {
        let port = free_port();
        let api = Api::new(&format!("http://127.0.0.1:{port}"));
        Self { installation, api, port, environment: Vec::new(), before: None, verb: "run", child: None }
    }

    /// Start it again after it was killed or stopped, and wait until it takes work.
    pub fn start_again(&mut self) {
        self.launch();
        let ready = within(START_TIME_MAX, || {
            if let Some(status) = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten()) {
                panic!("the host ended at once with {status}:\n{}", self.log_tail());
            }
            self.api.is_ready().then_some(())
        });
        assert!(ready.is_some(), "the host is not ready after {START_TIME_MAX:?}:\n{}", self.log_tail());
    }

    /// Start it again and wait for nothing.
    pub fn launch(&mut self) {
        assert!(self.child.is_none(), "the host is running already");
        self.child = Some(self.spawn());
    }

    /// The variables of the next start, in place of those before.
    pub fn set_environment(&mut self, environment: &[(&str, &str)]) {
        self.environment = environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    }

    fn spawn(&self) -> Child {
        let log = |name: &str| {
            File::options()
                .create(true)
                .append(true)
                .open(self.installation.path().join(name))
                .expect("the folder is ours")
        };
        let mut command = match &self.before {
            None => Command::new(artefacts::saga()),
            Some(before) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("{before} && exec \"$0\" \"$@\"")]).arg(artefacts::saga());
                shell
            }
        };
        for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("SAGA_")) {
            command.env_remove(key);
        }
        command
            .args([self.verb, "--config", "saga.toml"])
            .current_dir(self.installation.path())
            .env("SAGA_LISTEN", format!("127.0.0.1:{}", self.port))
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log("host.out"))
            .stderr(log("host.err"));
        command.spawn().expect("the program can be started")
    }

    /// SIGKILL: nothing is flushed, no destructor runs.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the host is running");
        child.kill().expect("our own child can be killed");
        child.wait().expect("our own child can be waited for");
    }

    /// Send a signal, and go on.
    pub fn signal(&self, signal: Signal) {
        let id = self.child.as_ref().expect("the host is running").id();
        let pid = Pid::from_raw(i32::try_from(id).expect("a process id fits"));
        kill(pid, signal).expect("our own child can be signalled");
    }

    /// SIGTERM, and wait for the end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        let mut child = self.child.take().expect("the host is running");
        let ended = within(STOP_TIME_MAX, || child.try_wait().expect("our own child can be waited for"));
        ended.unwrap_or_else(|| {
            child.kill().expect("our own child can be killed");
            panic!("the host did not end within {STOP_TIME_MAX:?} of SIGTERM:\n{}", self.log_tail())
        })
    }

    /// Wait until the host has ended by itself.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("the host is running");
        until("the host ends by itself", || child.try_wait().expect("our own child can be waited for"))
    }

    /// How many files the host may have open now.
    pub fn open_files_max(&self) -> u64 {
        let id = self.child.as_ref().expect("the host is running").id();
        let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).expect("the process exists");
        let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("the kernel tells it");
        line.split_whitespace().nth(3).and_then(|number| number.parse().ok()).expect("it is a number")
    }

    /// Where the host listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its API listens.
    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// What the kernel calls the process.
    pub fn process_id(&self) -> u32 {
        self.child.as_ref().expect("the host is running").id()
    }

    /// The most resident memory that the process ever had, in KiB.
    pub fn peak_resident_kib(&self) -> u64 {
        self.memory_kib("VmHWM:")
    }

    /// Resident memory in KiB, as the kernel counts it.
    pub fn resident_kib(&self) -> u64 {
        self.memory_kib("VmRSS:")
    }

    fn memory_kib(&self, what: &str) -> u64 {
        let id = self.process_id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the process exists");
        let line = status.lines().find(|line| line.starts_with(what)).expect("the kernel counts resident memory");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("it is a number of KiB")
    }

    /// Run the program against this host and answer exit status, standard output and standard error.
    pub fn saga(&self, arguments: &[&str]) -> Ran {
        run_saga(arguments, &[("SAGA_HOST", &format!("http://127.0.0.1:{}", self.port))])
    }

    /// The last lines of what the host said.
    pub fn log_tail(&self) -> String {
        let tail = |name: &str| {
            let text = std::fs::read_to_string(self.installation.path().join(name)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(60)..].join("\n")
        };
        format!("--- host.out\n{}\n--- host.err\n{}", tail("host.out"), tail("host.err"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The test's own output: it is shown only for tests that fail.
            print_for_failed_test(&self.log_tail());
        }
        if let Some(mut child) = self.child.take() {
            // The test is over; whatever keeps the child from dying cannot be mended here.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[expect(clippy::print_stdout, reason = "the test runner shows it with the failure")]
fn print_for_failed_test(text: &str) {
    println!("{text}");
}

/// What a run of the program left.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// Run the program to its end.
pub fn run_saga(arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let output = Command::new(artefacts::saga())
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the program can be started");
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A port that nobody listens on now. Two tests do not get the same one: the kernel hands them out in turn.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}
