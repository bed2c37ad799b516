//! `saga run`: the host, until a signal ends it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use host_monitor::{Live, Subscription};
use tokio::signal::unix::{SignalKind, signal};

use super::tail;
use crate::config::{self, Config, Loaded};
use crate::exit::{Exit, Stop};
use crate::host::{Host, Threads};
use crate::logging;
use crate::terminal::{Terminal, note, say};

/// So that a host that fails again and again does not keep the cluster busy.
const PAUSE_BEFORE_ANEW: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga run                                  ./saga.toml if there is one, else the defaults
  saga run --config /etc/saga/saga.toml
  SAGA_LISTEN=127.0.0.1:8080 saga run       every key can be set from the environment, which wins

One line is printed when the host is ready. SIGTERM and Ctrl-C end it in order: no new work is taken, calls that run may
finish (shutdown.drain), the rest is there after the next start. A second Ctrl-C ends it at once, which does no harm.")]
pub struct RunOptions {
    /// Configuration file; ./saga.toml if there is one, else the defaults.
    #[arg(long, value_name = "FILE", env = "SAGA_CONFIG")]
    pub config: Option<PathBuf>,

    /// Address to listen on, over the configuration. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

pub fn run(options: RunOptions) -> anyhow::Result<Exit> {
    serve(load(&options)?, Journal::InTheMonitor)
}

/// Where one reads what sagas do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Journal {
    InTheMonitor,
    OnTheScreen,
}

pub(super) fn load(options: &RunOptions) -> Result<Loaded, Stop> {
    let mut loaded = config::load(options.config.as_deref()).map_err(|mistakes| Stop::usage(mistakes.to_string()))?;
    if let Some(listen) = options.listen {
        loaded.config.listen = listen;
    }
    Ok(loaded)
}

pub(super) fn serve(loaded: Loaded, journal: Journal) -> anyhow::Result<Exit> {
    logging::begin(&loaded.config.log);
    for warning in &loaded.warnings {
        tracing::warn!(%warning, "the configuration is odd");
    }
    let threads = Threads::new(&loaded.config)?;
    let workers = threads.workers.handle().clone();
    let ended = threads.service.block_on(until_signalled(&loaded.config, &workers, journal));
    threads.end();
    ended.map(|()| Exit::Success)
}

async fn until_signalled(config: &Config, workers: &tokio::runtime::Handle, journal: Journal) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let host = tokio::select! {
        host = Host::start(config, workers) => host?,
        // Nothing was taken yet: there is nothing to drain.
        _ = signals.next() => return Ok(()),
    };
    // A host whose starter has closed its end of the pipe works all the same.
    let _ = say(format_args!("saga is ready at {}", host.url()));
    let screen = async {
        if journal == Journal::OnTheScreen {
            show_journal(host.monitor().subscribe()).await;
        }
        // The journal ends with the host, which ends in one of the other ways.
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "the host is stopping");
            note(format_args!("stopping after {name}; again to end at once"));
            tokio::select! {
                () = host.shut_down() => Ok(()),
                _ = signals.next() => Ok(()),
            }
        }
        () = host.outdated() => {
            tracing::warn!("the host starts again");
            tokio::select! {
                () = end_outdated(host) => begin_anew(),
                _ = signals.next() => Ok(()),
            }
        }
        never = screen => match never {},
    }
}

async fn end_outdated(host: Host) {
    host.shut_down().await;
    tokio::time::sleep(PAUSE_BEFORE_ANEW).await;
}

/// Become a new process of the same number: nothing of what went wrong is carried along, and whoever supervises this
/// one sees no end. Returns only if that fails.
fn begin_anew() -> anyhow::Result<()> {
    let program = std::env::current_exe().context("looking for this program, to start it again")?;
    let error = std::process::Command::new(&program).args(std::env::args_os().skip(1)).exec();
    Err(error).with_context(|| format!("starting {} again", program.display()))
}

/// Every transition, as `saga tail` shows it.
async fn show_journal(mut journal: Subscription) {
    let terminal = Terminal::detect();
    while let Some(live) = journal.next().await {
        match live {
            Live::Batch(batch) => {
                for record in &batch.records {
                    note(tail::told(&record.into(), terminal));
                }
            }
            Live::Lagged { record_count } => {
                note(format_args!("too fast for this screen: {record_count} lines left out"))
            }
        }
    }
}

/// The signals that end a host.
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on these signals do not kill the process.
    pub fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next one's name. Cancel-safe.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}
