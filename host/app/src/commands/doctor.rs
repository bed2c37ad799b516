//! `saga doctor`: everything that is wrong, in the files here, in the Kafka cluster and in the running host, each with
//! its cure.

mod cluster;
mod local;
mod remote;

use std::path::PathBuf;

use clap::Args;
use host_broker::drivers::kafka::Finding;

use crate::cli::Target;
use crate::config::{self, Config, KEYS, Loaded};
use crate::exit::{Exit, Stop};
use crate::terminal::{Field, Terminal, Tone, printable, say};
use crate::wiring;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga doctor
  saga doctor --config /etc/saga/saga.toml --host http://10.0.0.5:7070
  saga doctor --json | jq '.checks[] | select(.state == \"problem\")'
  saga doctor --json | jq '.cluster[] | select(.grade != \"fine\")'

The exit status is 1 if there is a problem, 3 if there is none but no host answers.")]
pub struct Options {
    /// Configuration file; ./saga.toml if there is one, else the defaults.
    #[arg(long, value_name = "FILE", env = "SAGA_CONFIG")]
    pub config: Option<PathBuf>,

    /// Give up what a damaged log has lost, so that the host starts without it. A copy of the data is kept. Nothing
    /// else is looked at. Bring the folder back from a copy instead, if there is one.
    #[arg(long)]
    pub accept_loss: bool,

    #[command(flatten)]
    pub target: Target,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub name: &'static str,
    pub state: State,
    pub text: String,
}

/// How it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ok,
    /// Works, and someone should look at it.
    Warning,
    /// Does not work.
    Problem,
    /// No host answers, so it cannot be looked at.
    Unreachable,
    /// Who was asked does not tell.
    Unknown,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Problem => "problem",
            State::Unreachable => "unreachable",
            State::Unknown => "unknown",
        }
    }

    fn tone(self) -> Tone {
        match self {
            State::Ok => Tone::Good,
            State::Warning | State::Unreachable | State::Unknown => Tone::Warning,
            State::Problem => Tone::Bad,
        }
    }
}

impl Check {
    pub fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Ok, text: text.into() }
    }

    pub fn warning(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Warning, text: text.into() }
    }

    pub fn problem(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, state: State::Problem, text: text.into() }
    }
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    if options.accept_loss {
        return accept_loss(options);
    }
    let mut checks = vec![Check::ok(
        "versions",
        format!("saga {}, steps of saga:step@{}", env!("CARGO_PKG_VERSION"), host_runtime::STEP_VERSION),
    )];
    let loaded = config::load(options.config.as_deref());
    checks.extend(configuration(&loaded));
    let mut findings = Vec::new();
    if let Ok(loaded) = &loaded {
        checks.extend(local::look(&loaded.config));
        let (of_cluster, found) = cluster::look(&loaded.config);
        checks.extend(of_cluster);
        findings = found;
    }
    checks.extend(remote::look(&options.target)?);
    let config = loaded.ok().map(|loaded| loaded.config);
    if options.target.json {
        say(json(config.as_ref(), &checks, &findings))?;
    } else {
        say(page(config.as_ref(), &checks, Terminal::detect()))?;
    }
    Ok(exit(&checks))
}

fn configuration(loaded: &Result<Loaded, config::Mistakes>) -> Vec<Check> {
    match loaded {
        Ok(loaded) => {
            let source = match &loaded.file {
                Some(file) => format!("{} and the environment", file.display()),
                None => format!("no {} here: the defaults and the environment", config::FILE_NAME),
            };
            let warnings = loaded.warnings.iter().map(|warning| Check::warning("configuration", warning));
            [Check::ok("configuration", source)].into_iter().chain(warnings).collect()
        }
        Err(mistakes) => {
            mistakes.0.iter().map(|mistake| Check::problem("configuration", mistake.to_string())).collect()
        }
    }
}

fn accept_loss(options: &Options) -> anyhow::Result<Exit> {
    let loaded = config::load(options.config.as_deref()).map_err(|mistakes| Stop::usage(mistakes.to_string()))?;
    let folder = wiring::database_dir(&loaded.config);
    match host_store::backends::fjall::accept_loss(&folder)? {
        Some(loss) => {
            say(format_args!("given up: {}", loss.damage))?;
            say(format_args!("the folder as it was is kept in {}", loss.kept.display()))?;
        }
        None => say(format_args!("nothing is damaged in the log in {}; nothing was changed", folder.display()))?,
    }
    Ok(Exit::Success)
}

fn exit(checks: &[Check]) -> Exit {
    let has = |state| checks.iter().any(|check| check.state == state);
    if has(State::Problem) {
        Exit::No
    } else if has(State::Unreachable) {
        Exit::Unreachable
    } else {
        Exit::Success
    }
}

fn page(config: Option<&Config>, checks: &[Check], terminal: Terminal) -> String {
    let mut blocks = Vec::new();
    if let Some(config) = config {
        let rows = KEYS
            .iter()
            .map(|key| vec![Field::new(key.path), Field::new((key.get)(config)), Field::toned(Tone::Faint, key.about)]);
        blocks.push(terminal.table(&["key", "in force", "what it decides"], rows.collect()));
    }
    for check in checks {
        let mark = terminal.paint(check.state.tone(), format_args!("{:<11}", check.state.as_str()));
        blocks.push(format!("{mark} {:<14} {}", check.name, printable(&check.text)));
    }
    blocks.join("\n")
}

fn json(config: Option<&Config>, checks: &[Check], findings: &[Finding]) -> serde_json::Value {
    let in_force = config.map(|config| {
        let pairs = KEYS.iter().map(|key| (key.path.to_owned(), serde_json::Value::String((key.get)(config))));
        pairs.collect::<serde_json::Map<_, _>>()
    });
    let checks: Vec<_> = checks
        .iter()
        .map(|check| serde_json::json!({"name": check.name, "state": check.state.as_str(), "text": check.text}))
        .collect();
    serde_json::json!({"configuration": in_force, "checks": checks, "cluster": cluster::json(findings)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_counts_more_than_a_host_that_is_not_there() {
        let unreachable = Check { name: "host", state: State::Unreachable, text: String::new() };
        assert_eq!(exit(&[Check::ok("a", "")]), Exit::Success);
        assert_eq!(exit(&[Check::warning("a", "")]), Exit::Success);
        let unknown = Check { name: "cluster", state: State::Unknown, text: String::new() };
        assert_eq!(exit(&[unknown]), Exit::Success);
        assert_eq!(exit(&[Check::ok("a", ""), unreachable.clone()]), Exit::Unreachable);
        assert_eq!(exit(&[Check::problem("a", ""), unreachable]), Exit::No);
    }

    #[test]
    fn the_page_lists_every_key_and_every_check() {
        let page =
            page(Some(&Config::default()), &[Check::problem("plugins", "a.b.c: no component")], Terminal::plain());
        assert!(KEYS.iter().all(|key| page.contains(key.path)), "{page}");
        assert!(page.ends_with("problem     plugins        a.b.c: no component"), "{page}");
    }
}
