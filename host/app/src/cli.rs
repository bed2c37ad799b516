//! The shape of the command line: the list of verbs and what several of them share.
//! It must not do anything: each verb's file does.

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};

use crate::commands::{
    act, bench, build, call, check, demo, dev, doctor, errors, list, new, plugins, publish, run, show, signal, start,
    tail, topics, torture, use_cases,
};

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

/// A durable host for sagas whose steps are sandboxed WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "saga", version, styles = STYLES, arg_required_else_help = true, after_help = HELP)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const HELP: &str = "\
First steps:
  saga demo                              an installation with example steps, running, in ./saga-demo
  saga new shop.billing.payment          a step of your own: two functions
  saga build --out ../plugins            compile it and drop it into a host's plugins folder
  saga start shop --body '{\"order-id\":\"1\",\"item\":\"book\",\"quantity\":1,\"amount\":20}' --wait 5s
  saga errors                            what stands in the way, and since when

Exit status: 0 success, 1 the answer is no, 2 usage, 3 no host answers.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the host.
    Run(run::RunOptions),
    /// Run the host with readable logs, as one wants it while writing steps.
    Dev(dev::DevOptions),
    /// Write an installation with the example steps, run it, and show what its sagas do.
    Demo(demo::Options),

    /// Begin a project for one step.
    New(new::Options),
    /// Compile the step of this folder into `<address>.wasm`.
    Build(build::Options),
    /// Verify a compiled step: what it exports and imports, its size, its cost.
    Check(check::Options),
    /// Call a compiled step once, without a host.
    Call(call::Options),

    /// Begin a saga.
    Start(start::Options),
    /// Release what waits for a key.
    Signal(signal::Options),
    /// Publish a message to a topic, as a service that is not ours would.
    Publish(publish::Options),

    /// Show one saga: its steps forward and back, and why it stands where it stands.
    Show(show::Options),
    /// List sagas, newest first.
    List(list::Options),
    /// What stands in the way now, grouped by cause.
    Errors(errors::Options),
    /// Follow the journal as it is written.
    Tail(tail::Options),

    /// Send the message at which a saga stands again.
    Retry(act::Options),
    /// Turn a saga round where it stands.
    Compensate(act::Options),
    /// Treat the call at which a saga stands as done, without its effects.
    Skip(act::Options),
    /// End a saga as it is.
    Close(act::Options),

    /// The steps that are loaded, and the files that are not, with the reason.
    Plugins(plugins::Options),
    /// The use cases in force, and the files that are not, with the reason.
    UseCases(use_cases::Options),
    /// The topics: what waits in them and who serves them.
    Topics(topics::Options),
    /// Look for everything that is wrong, here and in the running host.
    Doctor(doctor::Options),
    /// Measure sagas per second and their latency.
    Bench(bench::Options),
    /// Kill a host of its own at every moment that matters and hold it to its promises.
    Torture(torture::Options),
}

/// Which host to ask, and how to print its answer.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Host")]
pub struct Target {
    /// Address of the host's HTTP API.
    #[arg(long, value_name = "URL", env = "SAGA_HOST", default_value = "http://127.0.0.1:7070")]
    pub host: String,

    /// Token of the host, if it asks for one.
    #[arg(long, env = "SAGA_TOKEN", hide_env_values = true)]
    pub token: Option<String>,

    /// Print the answer of the API as JSON.
    #[arg(long)]
    pub json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The list of the contract.
    #[test]
    fn every_verb_of_the_contract_exists() {
        let command = Cli::command();
        let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        for verb in [
            "run",
            "dev",
            "new",
            "build",
            "check",
            "call",
            "start",
            "signal",
            "show",
            "list",
            "errors",
            "tail",
            "retry",
            "compensate",
            "skip",
            "close",
            "plugins",
            "use-cases",
            "topics",
            "doctor",
            "demo",
            "bench",
            "torture",
        ] {
            assert!(verbs.contains(&verb), "{verb}");
        }
    }

    #[test]
    fn every_verb_teaches_with_an_example() {
        for verb in Cli::command().get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("saga "), "`saga {} --help` shows no example", verb.get_name());
        }
    }

    #[test]
    fn every_asking_verb_prints_json_on_demand() {
        for verb in ["start", "signal", "publish", "show", "list", "errors", "tail", "retry", "plugins", "topics"] {
            let command = Cli::command();
            let verb = command.find_subcommand(verb).expect("a verb of the list above");
            assert!(verb.get_arguments().any(|argument| argument.get_id() == "json"), "{}", verb.get_name());
        }
    }

    #[test]
    fn an_act_wants_either_a_saga_or_a_group() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("saga retry order-1 --reason fixed").is_ok());
        assert!(parse("saga retry --group g1 --dry-run").is_ok());
        assert!(parse("saga retry").is_err());
        assert!(parse("saga retry order-1 --group g1").is_err());
    }

    #[test]
    fn what_is_misspelt_is_a_usage_error() {
        for line in ["saga strat shop", "saga list --status don", "saga start shop --wait soon", "saga new Bad.Address"]
        {
            let error = Cli::try_parse_from(line.split(' ')).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
