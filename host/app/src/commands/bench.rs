//! `saga bench`: sagas per second and their latency. As many clients as asked for, each waiting for its saga to end
//! before it starts the next (a closed loop), or sagas that are due on a schedule (an open loop), or both in turn.

mod closed;
mod direct;
mod disk;
mod http;
mod load;
mod open;
mod report;
mod scratch;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::broker_choice::BrokerChoice;
use super::input;
use crate::cli::Target;
use crate::client::Client;
use crate::client::view::UseCases;
use crate::config::{self, Text};
use crate::exit::{Exit, Stop};
use crate::host::{Host, Threads};
use crate::progress::Progress;
use crate::terminal::{Terminal, say};

use closed::Closed;
use direct::Direct;
use http::OverHttp;
use load::Clients;
use open::Open;
use report::{Part, Report};
use scratch::{Scratch, Subject};

/// Fewer clients than this, each waiting for its saga, leave a host idle: half of what they reach is not half the peak.
const PEAK_CLIENTS_MIN: u32 = 16;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga bench                                   the host that runs, or one of its own in a scratch folder here
  saga bench --scratch --clients 256 --seconds 20
  saga bench --scratch --clients 1             latency without company
  saga bench --scratch --native                without WebAssembly: what the sandbox costs
  saga bench --step dist/a.b.c.wasm --body @order.json    a step of your own, three times a saga
  saga bench --scratch --clients 256 --half-peak    the peak, then latency at half of it
  saga bench --scratch --clients 256 --rate 5000    latency when 5,000 sagas become due each second
  saga bench --broker kafka=127.0.0.1:9092 --clients 1 --warm-up 5
  saga bench --use-case shop --body '{\"order-id\":\"1\",\"item\":\"book-{client}\",\"quantity\":1,\"amount\":20}'

A host of its own is loaded inside its process; --http sends the same load through the API. A host that runs is always
loaded through its API, with one of its use cases: `bench` or `uc-1-1` if --use-case does not say.

With --rate sagas are due on a schedule that does not follow the host, and the latency of one counts from when it was
due: what had to wait because the host, or all clients, were busy is charged for it. If the rate could not be kept the
run says so and its status is 1.")]
pub struct Options {
    /// Clients that start sagas, each one after the other; with --rate sagas that can be under way at once.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub clients: u32,

    /// How long to measure, after warming up.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,

    /// Seconds of the same load before: caches, pools and connections come to life, and a cluster compiles its paths.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,

    /// Sagas that become due each second, whatever the host does; latency counts from when one was due.
    #[arg(long, value_name = "N", conflicts_with = "half_peak")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,

    /// Find the peak with all clients, then measure latency at half of that rate, each for --seconds.
    #[arg(long)]
    pub half_peak: bool,

    /// Load a host of its own through its HTTP API.
    #[arg(long)]
    pub http: bool,

    /// A native no-op in the place of the step: what is left is the host without its sandbox.
    #[arg(long)]
    pub native: bool,

    /// Component in the place of the no-op, for a host of its own; its manifest is read from beside it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["native", "calls_per_instance"])]
    pub step: Option<PathBuf>,

    /// Steps of a saga, for a host of its own.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub steps: u16,

    /// Calls that one sandbox serves, for a host of its own; 0 never throws it away.
    #[arg(long, default_value_t = 1)]
    pub calls_per_instance: u32,

    /// A host of its own, also if one runs.
    #[arg(long)]
    pub scratch: bool,

    /// The broker of a host of its own: embedded, or kafka=HOST:PORT. Topics saga-bench-… are made there, and left
    /// there.
    #[arg(long, value_name = "BROKER", default_value_t)]
    pub broker: BrokerChoice,

    /// Use case to start on a host that runs.
    #[arg(long, value_name = "NAME", conflicts_with = "scratch")]
    pub use_case: Option<String>,

    /// Body of each start: JSON text, @file, or - for standard input. `{client}` in it becomes the client's number.
    #[arg(long, value_name = "JSON|@FILE|-")]
    pub body: Option<String>,

    /// Configuration of a host of its own: limits and workers are taken from it.
    #[arg(long, value_name = "FILE", env = "SAGA_CONFIG")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub target: Target,
}

impl Options {
    fn asks_for_own_host(&self) -> bool {
        self.scratch || self.native || self.http || self.step.is_some() || self.broker != BrokerChoice::Embedded
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    fn warming_up(&self) -> Duration {
        Duration::from_secs(self.warm_up.into())
    }
}

pub fn run(options: Options) -> anyhow::Result<Exit> {
    if options.half_peak && options.clients < PEAK_CLIENTS_MIN {
        let message = format!(
            "--half-peak with --clients {}: so few clients, each waiting for its saga, do not find the peak of a host; \
            give --clients {PEAK_CLIENTS_MIN} or more, or say with --rate how many sagas become due each second",
            options.clients
        );
        return Err(Stop::usage(message).into());
    }
    let client = Client::new(&options.target)?;
    let is_running = !options.asks_for_own_host() && client.is_reachable();
    if options.use_case.is_some() && !is_running {
        let message = format!(
            "no host answers at {}, so there is no use case to start; leave --use-case out to measure \
            a host of its own",
            client.base()
        );
        return Err(Stop::unreachable(message).into());
    }
    let report = if is_running { running(&options, &client)? } else { own(&options)? };
    if options.target.json {
        say(report.json())?;
    } else {
        say(report.page(Terminal::detect()))?;
    }
    Ok(Exit::of(report.is_good()))
}

/// Load the host that runs, through its API.
fn running(options: &Options, client: &Client) -> anyhow::Result<Report> {
    let use_cases: UseCases = client.get("/v1/use-cases", Vec::new())?.read()?;
    let known = |name: &str| use_cases.use_cases.iter().any(|use_case| use_case.name == name);
    let candidates = options.use_case.as_deref().map_or(vec!["bench", "uc-1-1"], |name| vec![name]);
    let Some(use_case) = candidates.iter().copied().find(|name| known(name)) else {
        let message = "the host has no such use case; name one of `saga use-cases` with --use-case, or measure a host \
            of its own with --scratch";
        return Err(Stop::no(message).into());
    };
    let body = body(options, use_case)?;
    let progress = Progress::begin(format!("measuring {} with use case {use_case}", client.base()));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let over_http = OverHttp::new(client.base(), options.target.token.as_deref(), use_case, &body)?;
    let parts = runtime.block_on(measure(options, &over_http, &std::env::current_dir()?, &progress))?;
    progress.end();
    let configuration = format!("the host at {} over HTTP, use case {use_case}", client.base());
    Ok(Report { configuration, clients: options.clients, parts })
}

/// Start a host in a scratch folder, load it, end it.
fn own(options: &Options) -> anyhow::Result<Report> {
    let base = config::load(options.config.as_deref()).map_err(|mistakes| Stop::usage(mistakes.to_string()))?.config;
    let subject = match &options.step {
        Some(file) => Subject::read(file)?,
        None => Subject::no_op(options.calls_per_instance)?,
    };
    let scratch = Scratch::make(options.steps, &subject)?;
    let mut config = scratch.config(base, options.clients);
    options.broker.apply(&mut config.broker);
    if options.broker != BrokerChoice::Embedded {
        config.broker.prefix = Text(format!("saga-bench-{}.", uuid::Uuid::now_v7().simple()));
    }
    crate::logging::begin(&config.log);
    let body = body(options, scratch::USE_CASE)?;
    let progress = Progress::begin("starting a host of its own");
    let threads = Threads::new(&config)?;
    let workers = threads.workers.handle().clone();
    let parts = threads.service.block_on(async {
        let host = if options.native {
            Host::start_with(&config, &workers, |plugins| direct::native(plugins)).await?
        } else {
            Host::start(&config, &workers).await?
        };
        let parts = if options.http {
            let over_http = OverHttp::new(&host.url(), None, scratch::USE_CASE, &body)?;
            measure(options, &over_http, scratch.dir(), &progress).await
        } else {
            measure(options, &Direct::new(&host, body), scratch.dir(), &progress).await
        };
        host.shut_down().await;
        parts
    });
    threads.end();
    progress.end();
    Ok(Report { configuration: described(options), clients: options.clients, parts: parts? })
}

/// One load, or the two of --half-peak. What a sync takes on the disk of `dir` is measured before each of them, while
/// the host has nothing to do.
async fn measure(
    options: &Options,
    clients: &impl Clients,
    dir: &Path,
    progress: &Progress,
) -> anyhow::Result<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rate = options.rate;
    if rate.is_none() {
        let fsync_p50 = disk::fsync_p50(dir)?;
        progress.next(format!("measuring for {} s with {} clients", options.seconds, options.clients));
        let load = Closed { clients: options.clients, warm_up: options.warming_up(), duration: options.duration() };
        let counted = load.run(clients, progress).await?;
        // A peak of nothing has no half: the report tells the errors.
        let half = (counted.per_second() / 2.0).round() as u32;
        rate = (options.half_peak && half > 0).then_some(half);
        parts.push(Part::closed(counted, fsync_p50));
    }
    if let Some(rate) = rate {
        let fsync_p50 = disk::fsync_p50(dir)?;
        progress.next(format!("measuring for {} s with {rate} sagas due each second", options.seconds));
        let load = Open { rate, clients: options.clients, warm_up: options.warming_up(), duration: options.duration() };
        parts.push(Part::open(load.run(clients, progress).await?, fsync_p50));
    }
    Ok(parts)
}

fn body(options: &Options, use_case: &str) -> anyhow::Result<host_core::json::Json> {
    let default = match use_case {
        "uc-1-1" => r#"{"order-id":"bench","account":"bench-{client}","asset":"BTC","amount":"0.00000001"}"#,
        _ => r#"{"order-id":"bench","amount":12.50}"#,
    };
    input::body(options.body.as_deref().unwrap_or(default))
}

fn described(options: &Options) -> String {
    let way = if options.http { "over HTTP" } else { "in process" };
    let steps = options.steps;
    let broker = match &options.broker {
        BrokerChoice::Embedded => "embedded broker and store".to_owned(),
        kafka @ BrokerChoice::Kafka(_) => format!("broker {kafka}"),
    };
    if options.native {
        return format!("{broker}, {way}, {steps} native steps");
    }
    if let Some(file) = &options.step {
        return format!("{broker}, {way}, {steps} steps of {}", file.display());
    }
    let calls = match options.calls_per_instance {
        0 => "unlimited calls".to_owned(),
        1 => "1 call".to_owned(),
        calls => format!("{calls} calls"),
    };
    format!("{broker}, {way}, {steps} wasm steps, {calls} an instance")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(line: &str) -> Result<Options, clap::Error> {
        match Cli::try_parse_from(line.split(' '))?.command {
            Command::Bench(options) => Ok(options),
            _ => panic!("{line} is a bench"),
        }
    }

    #[test]
    fn a_rate_is_a_number_of_sagas_and_goes_without_a_peak() {
        assert_eq!(parse("saga bench --rate 5000 --http").expect("it is one").rate, Some(5_000));
        for line in ["saga bench --rate 0", "saga bench --rate fast", "saga bench --rate 10 --half-peak"] {
            let error = parse(line).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn half_the_peak_of_a_few_clients_is_refused() {
        let options = parse("saga bench --scratch --half-peak --clients 4").expect("a command line");
        let error = run(options).expect_err("four clients find no peak");
        let text = error.to_string();
        assert!(text.contains("--clients 4") && text.contains("give --clients 16 or more"), "{text}");
    }
}
