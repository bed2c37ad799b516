//! The yardstick: closed-loop clients, sagas of three steps, two threads that run steps and one that writes, one sync
//! a batch. It has no lists, no API, no retries, no limits and no recovery; what it reaches is what wasmtime, fjall and
//! the disk leave to a host, and `saga bench` is quoted as a ratio to it, measured in the same minutes.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a program that prints its figures")]
#![expect(
    unreachable_pub,
    reason = "nothing is public beyond a binary; `pub` marks what a module offers to the others"
)]

mod guest;
mod message;
mod run;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

/// Sagas a second that this machine allows.
#[derive(Debug, Parser)]
#[command(after_help = "\
Example, beside `saga bench` in the same minute:
  cargo run --release -p saga-yardstick -- --kind reused
  saga bench --scratch --clients 256 --calls-per-instance 0")]
pub struct Options {
    /// What runs a step.
    #[arg(long, value_enum, default_value_t = Kind::Reused)]
    kind: Kind,

    /// Clients that start sagas, each one after the other.
    #[arg(long, default_value_t = 256)]
    clients: u32,

    /// How long to measure, after a second of warming up.
    #[arg(long, default_value_t = 8)]
    seconds: u64,

    /// The component of the steps; `cargo build -p host-app` makes it.
    #[arg(long, default_value = "target/steps/wasm32-wasip2/step/bench_steps_noop.wasm")]
    step: PathBuf,

    /// Where the log is written, in a folder of its own.
    #[arg(long, default_value = ".")]
    dir: PathBuf,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What runs a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// One sandbox a thread, for all calls.
    Reused,
    /// A sandbox for each call.
    Fresh,
    /// No sandbox: the body is handed on.
    Native,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let folder = tempfile::Builder::new().prefix(".yardstick-").tempdir_in(&options.dir);
    let folder = folder.with_context(|| format!("making a folder in {}", options.dir.display()))?;
    let counted = run::run(&options, folder.path())?;
    let rate = counted.saga_count as f64 / counted.took.as_secs_f64();
    let at = |quantile| Duration::from_micros(counted.latencies.value_at_quantile(quantile)).as_secs_f64() * 1e3;
    let kind = format!("{:?}", options.kind).to_lowercase();
    if options.json {
        let figures = serde_json::json!({
            "kind": kind,
            "clients": options.clients,
            "sagas-per-second": rate.round(),
            "p50-ms": at(0.5),
            "p99-ms": at(0.99),
        });
        println!("{figures}");
    } else {
        println!("{kind}: {rate:.0} sagas/s, p50 {:.2} ms, p99 {:.2} ms", at(0.5), at(0.99));
    }
    Ok(())
}
