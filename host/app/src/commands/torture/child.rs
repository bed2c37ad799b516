//! The host under torture: a process of this same program, started, killed, stopped politely.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::installation::Installation;
use crate::config;

/// A host says that it is ready, and then that it has ended.
const HEARD_MAX: usize = 2;

/// A running host.
pub struct Host {
    child: Child,
    heard: Receiver<Heard>,
    listener: Option<JoinHandle<()>>,
}

/// What a host's standard output says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// It takes work at this address.
    Ready(String),
    /// It closed its output: it ends or has ended.
    Ended,
    /// Nothing new in the time that was given.
    Nothing,
}

impl Host {
    /// Start a host in this installation. It listens on a port that the kernel chooses.
    pub fn start(installation: &Installation, fail_point: Option<&str>) -> anyhow::Result<Self> {
        let log =
            File::options().create(true).append(true).open(installation.log()).context("opening the host's log")?;
        let mut command = Command::new(std::env::current_exe().context("finding this program")?);
        // What the caller's environment says about a host is meant for another one.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SAGA_")) {
            command.env_remove(name);
        }
        command.args(["run", "--listen", "127.0.0.1:0", "--config", config::FILE_NAME]);
        command.current_dir(installation.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        // Ctrl-C is meant for the run, which ends its host itself.
        command.process_group(0);
        if let Some(fail_point) = fail_point {
            command.env("SAGA_FAIL_POINT", fail_point);
        }
        let mut child = command.spawn().context("starting a host")?;
        let output = child.stdout.take().context("a host has an output")?;
        let (sender, heard) = sync_channel(HEARD_MAX);
        let listener =
            std::thread::Builder::new().name("listener".to_owned()).spawn(move || listen(output, &sender))?;
        Ok(Self { child, heard, listener: Some(listener) })
    }

    /// The next thing that is heard of it.
    pub fn hear(&self, within: Duration) -> Heard {
        match self.heard.recv_timeout(within) {
            Ok(heard) => heard,
            Err(RecvTimeoutError::Timeout) => Heard::Nothing,
            Err(RecvTimeoutError::Disconnected) => Heard::Ended,
        }
    }

    /// SIGKILL: nothing is flushed, no destructor runs.
    pub fn kill(mut self) -> anyhow::Result<ExitStatus> {
        self.child.kill().context("killing the host")?;
        self.wait()
    }

    /// SIGTERM, and SIGKILL if that is not enough. None: it was not enough.
    pub fn terminate(mut self, within: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).context("a process id that fits")?);
        kill(pid, Signal::SIGTERM).context("asking the host to end")?;
        let until = Instant::now() + within;
        while self.hear(until.saturating_duration_since(Instant::now())) != Heard::Ended {
            if Instant::now() >= until {
                self.kill()?;
                return Ok(None);
            }
        }
        self.wait().map(Some)
    }

    /// How it ended. Blocks until it has.
    pub fn wait(&mut self) -> anyhow::Result<ExitStatus> {
        let status = self.child.wait().context("waiting for the host")?;
        if let Some(listener) = self.listener.take() {
            // It ends with the output, and holds nothing that could be left half done.
            let _ = listener.join();
        }
        Ok(status)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Only where an error ends the run: no host is left behind. One that has ended already is left alone.
        let _ = self.child.kill();
        let _ = self.wait();
    }
}

/// Whether it died by a signal, as killed processes and those at a fail point do.
pub fn died(status: ExitStatus) -> bool {
    status.signal().is_some()
}

fn listen(output: ChildStdout, sender: &SyncSender<Heard>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        if let Some((_, base)) = line.split_once("saga is ready at ")
            && sender.send(Heard::Ready(base.to_owned())).is_err()
        {
            return;
        }
    }
    // Nobody may be interested any more.
    let _ = sender.send(Heard::Ended);
}
