//! Measurements of a host as a process: resident memory, reload, restart, hours under load. Each starts hosts of its
//! own in a scratch folder below the current one (the system's temporary folder is often memory, whose syncs cost
//! nothing) and looks at them from outside, as an operator would.

mod drain;
mod finished;
mod idle;
mod memory;
mod parked;
mod place;
mod reload;
mod restart;
mod shape;
mod soak;
mod table;
mod volley;
mod wire;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::installation::Installation;
use table::Table;

#[derive(Debug, Parser)]
#[command(name = "measure", about = "What a host costs when it stands, and how long it takes to get going again")]
pub struct Options {
    #[command(subcommand)]
    what: What,

    /// Print JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,

    /// End with status 1 when a bound is not met.
    #[arg(long, global = true)]
    check: bool,

    /// Where the scratch folder is made: on the disk that is to be measured.
    #[arg(long, global = true, default_value = ".")]
    dir: PathBuf,

    /// Leave the scratch folder there afterwards, and say where it is.
    #[arg(long, global = true)]
    keep: bool,
}

/// Where hosts of a measurement live.
#[derive(Debug, Clone, Copy)]
struct Scratch<'a> {
    dir: &'a Path,
    keep: bool,
}

impl Scratch<'_> {
    fn installation(self) -> Installation {
        let mut installation = Installation::empty_in(self.dir);
        if self.keep {
            installation.keep();
            note(&format!("the scratch folder {} stays", installation.path().display()));
        }
        installation
    }
}

#[derive(Debug, Subcommand)]
enum What {
    /// Resident memory of a host with ten Rust plugins that does nothing.
    Idle,
    /// What sagas that wait add to it.
    Parked(Sagas<100_000>),
    /// What finished sagas add to it, kept and forgotten.
    Finished(Sagas<1_000_000>),
    /// From the rename of a plugin file to the first message that it handles.
    Reload(Rounds),
    /// From the start of a host with unfinished sagas to the first that moves.
    Restart(Sagas<100_000>),
    /// Rate, latency, memory and disk under a steady load, minute after minute.
    Soak(Soak),
    /// How fast hosts drain a burst of sagas on a Kafka cluster, and what it takes of memory.
    Drain(Drain),
}

#[derive(Debug, Clone, Args)]
struct Drain {
    /// The brokers that are asked first. The topics of the measurement stay there.
    #[arg(long, default_value = "127.0.0.1:9092")]
    bootstrap: String,
    /// How many sagas.
    #[arg(long, default_value_t = 100_000)]
    sagas: u64,
    /// Steps of each, one to three.
    #[arg(long, default_value_t = 3)]
    steps: usize,
    /// Hosts that share the work.
    #[arg(long, default_value_t = 1)]
    hosts: usize,
    /// Partitions of each topic.
    #[arg(long, default_value_t = 4)]
    partitions: u32,
}

#[derive(Debug, Args)]
struct Sagas<const DEFAULT: u64> {
    /// How many sagas.
    #[arg(long, default_value_t = DEFAULT)]
    sagas: u64,
}

#[derive(Debug, Args)]
struct Rounds {
    /// How often each is measured.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
}

#[derive(Debug, Clone, Args)]
struct Soak {
    /// How long.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Sagas started a second, whatever the host answers.
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// How long finished sagas are kept: a fraction of the whole, so that forgetting is part of what is measured.
    #[arg(long, default_value_t = 120)]
    kept_seconds: u64,
    /// Connections that start sagas.
    #[arg(long, default_value_t = 64)]
    connections: usize,
}

/// Measure what was asked for.
pub fn run(options: &Options) -> ExitCode {
    let scratch = Scratch { dir: &options.dir, keep: options.keep };
    let table = match &options.what {
        What::Idle => idle::measure(scratch),
        What::Parked(sagas) => parked::measure(scratch, sagas.sagas),
        What::Finished(sagas) => finished::measure(scratch, sagas.sagas),
        What::Reload(rounds) => reload::measure(scratch, rounds.rounds),
        What::Restart(sagas) => restart::measure(scratch, sagas.sagas),
        What::Soak(soak) => soak::measure(scratch, soak),
        What::Drain(drain) => drain::measure(scratch, drain),
    };
    tell(&table, options.json);
    if options.check && !table.is_met() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

#[expect(clippy::print_stdout, reason = "the program's answer")]
fn tell(table: &Table, json: bool) {
    if json { println!("{}", table.json()) } else { println!("{table}") }
}

/// What is going on, for a person who waits.
#[expect(clippy::print_stderr, reason = "progress of a program for people")]
fn note(text: &str) {
    eprintln!("{text}");
}

/// Ask again and again, a few milliseconds apart, for as long as a large load may take.
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    const PATIENCE: Duration = Duration::from_secs(1800);
    const PAUSE: Duration = Duration::from_millis(50);
    let began = std::time::Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for {PATIENCE:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}
