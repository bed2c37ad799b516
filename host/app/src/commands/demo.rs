//! `saga demo`: an installation with the example steps, running, and one table of what its sagas did.

mod installation;
mod others;
mod path;
mod plan;
mod play;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use clap::Args;

use super::broker_choice::BrokerChoice;
use super::run::Signals;
use crate::client::Client;
use crate::config::{self, Config, LogLevel};
use crate::exit::{Exit, Stop};
use crate::host::{Host, Threads};
use crate::logging;
use crate::progress::Progress;
use crate::terminal::{Terminal, Tone, count, note, say};

use play::Played;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga demo                      writes ./saga-demo, runs it, and leaves the host running until Ctrl-C
  saga demo --once               ends afterwards; exit status 0 if every saga ended as expected
  saga demo --broker kafka=127.0.0.1:9092
                                 the same on a Kafka cluster, with topics of its own (saga-demo.…)
  saga demo --steps built        with the components of ./built in place of the example steps of their addresses
  saga demo --dir /tmp/x --write-only && saga run --config /tmp/x/saga.toml")]
pub struct Options {
    /// Folder of the installation. The example files in it are written anew, the others are left alone.
    #[arg(long, default_value = "saga-demo")]
    pub dir: PathBuf,

    /// Who carries the messages: `embedded`, or `kafka=HOST:PORT` for a cluster that can be written to.
    #[arg(long, value_name = "BROKER")]
    pub broker: Option<BrokerChoice>,

    /// Folder of components with their manifests, as `saga build --out` writes them, that take the place of example
    /// steps of the same address: the same steps in other languages.
    #[arg(long, value_name = "DIR")]
    pub steps: Option<PathBuf>,

    /// End when the table is printed.
    #[arg(long)]
    pub once: bool,

    /// Write the installation and end; run nothing.
    #[arg(long, conflicts_with = "once")]
    pub write_only: bool,
}

pub fn run(options: Options) -> anyhow::Result<Exit> {
    let others = options.steps.as_deref().map(others::read).transpose()?.unwrap_or_default();
    installation::write(&options.dir, &options.broker.clone().unwrap_or_default(), &others)?;
    if let Some(folder) = &options.steps {
        let names: Vec<&str> = others.iter().map(|other| other.address).collect();
        note(format_args!("taken from {}: {}", folder.display(), names.join(", ")));
    }
    if options.write_only {
        let file = options.dir.join(config::FILE_NAME);
        say(format_args!("wrote {}; run it with `saga run --config {}`", options.dir.display(), file.display()))?;
        return Ok(Exit::Success);
    }
    let mut config = load(&options.dir)?;
    if let Some(broker) = &options.broker {
        broker.apply(&mut config.broker);
    }
    config.listen = free(config.listen);
    logging::begin(&config.log);
    let threads = Threads::new(&config)?;
    let ended = show(&options, &config, &threads);
    threads.end();
    ended
}

fn load(dir: &Path) -> anyhow::Result<Config> {
    let file = dir.join(config::FILE_NAME);
    let loaded = config::load(Some(&file)).map_err(|mistakes| Stop::usage(mistakes.to_string()))?;
    let mut config = loaded.config;
    // The table is what one came to see; sagas that fail on purpose would fill the screen with warnings.
    config.log.level = LogLevel::Error;
    Ok(config)
}

/// The address itself, or another free port of the same machine if somebody listens there.
fn free(listen: SocketAddr) -> SocketAddr {
    if listen.port() == 0 || TcpListener::bind(listen).is_ok() {
        return listen;
    }
    note(format_args!("port {} is taken by another program; taking a free one", listen.port()));
    SocketAddr::new(listen.ip(), 0)
}

fn show(options: &Options, config: &Config, threads: &Threads) -> anyhow::Result<Exit> {
    let steps = count(crate::embedded::STEPS.len(), "step");
    let progress = Progress::begin(format!("starting a host with {steps}; the first time they are compiled"));
    let workers = threads.workers.handle().clone();
    let host = threads.service.block_on(Host::start(config, &workers))?;
    let token = config.token.as_ref().map(|token| token.reveal().to_owned());
    let played = play::play(&Client::of(&host.url(), token)?, &progress);
    progress.end();
    let terminal = Terminal::detect();
    let result = played.and_then(|played| {
        say(path::table(&played, terminal))?;
        say(terminal.paint(Tone::Faint, path::LEGEND))?;
        let as_expected = played.iter().all(Played::is_as_expected);
        say(closing(&options.dir, &host.url(), &played, terminal))?;
        Ok(Exit::of(as_expected))
    });
    threads.service.block_on(async {
        if !options.once && result.is_ok() {
            say(format_args!("the host runs at {} until Ctrl-C", host.url()))?;
            Signals::listen()?.next().await;
        }
        host.shut_down().await;
        anyhow::Ok(())
    })?;
    result
}

/// Where to look further, and what to try next.
fn closing(dir: &Path, url: &str, played: &[Played], terminal: Terminal) -> String {
    let unexpected = played.iter().filter(|saga| !saga.is_as_expected()).count();
    let verdict = match unexpected {
        0 => terminal.paint(Tone::Good, "every saga ended as expected"),
        _ => terminal.paint(Tone::Bad, format_args!("{} did not end as expected", count(unexpected, "saga"))),
    };
    let host = if url.ends_with(":7070") { String::new() } else { format!(" --host {url}") };
    let standing = played.iter().find(|saga| saga.saga.status == "failed");
    let example = standing.map_or("<global-id>", |saga| saga.saga.global_id.as_str());
    let plugins = dir.join("plugins");
    [
        verdict,
        String::new(),
        format!("look further at {} (its files: {})", terminal.bold(url), dir.display()),
        "and try next:".to_owned(),
        format!("  saga show {example}{host}"),
        "      one saga, step by step, and why it stands; then `saga retry`, `saga skip` or `saga compensate` it"
            .to_owned(),
        format!("  saga errors{host}"),
        "      what stands in the way, by cause, how many, since when".to_owned(),
        format!("  saga new shop.gifts.wrap && cd shop-gifts-wrap && saga build --out {}", shown(&plugins)),
        "      a step of your own, live in this host a moment later".to_owned(),
    ]
    .join("\n")
}

/// A path that still holds after a `cd`.
fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_gives_way_to_a_free_one() {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = taken.local_addr().expect("its address");
        assert_eq!(free(address).port(), 0);
        drop(taken);
        assert_eq!(free(address), address);
    }
}
