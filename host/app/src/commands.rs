//! One file per verb; here is only the list and the way from a parsed command to its file.

pub mod act;
pub mod bench;
mod broker_choice;
pub mod build;
pub mod call;
pub mod check;
pub mod demo;
pub mod dev;
pub mod doctor;
pub mod errors;
mod input;
pub mod language;
pub mod list;
pub mod new;
pub mod plugins;
pub mod publish;
pub mod run;
pub mod show;
pub mod signal;
pub mod start;
pub mod tail;
pub mod topics;
pub mod torture;
pub mod use_cases;

use crate::cli::Command;
use crate::exit::Exit;

/// Run one verb.
pub fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(options) => run::run(options),
        Command::Dev(options) => dev::run(&options),
        Command::Demo(options) => demo::run(options),
        Command::New(options) => new::run(&options),
        Command::Build(options) => build::run(&options),
        Command::Check(options) => check::run(&options),
        Command::Call(options) => call::run(&options),
        Command::Start(options) => start::run(&options),
        Command::Signal(options) => signal::run(&options),
        Command::Publish(options) => publish::run(&options),
        Command::Show(options) => show::run(&options),
        Command::List(options) => list::run(&options),
        Command::Errors(options) => errors::run(&options),
        Command::Tail(options) => tail::run(&options),
        Command::Retry(options) => act::run(act::Verb::Retry, &options),
        Command::Compensate(options) => act::run(act::Verb::Compensate, &options),
        Command::Skip(options) => act::run(act::Verb::Skip, &options),
        Command::Close(options) => act::run(act::Verb::Close, &options),
        Command::Plugins(options) => plugins::run(&options),
        Command::UseCases(options) => use_cases::run(&options),
        Command::Topics(options) => topics::run(&options),
        Command::Doctor(options) => doctor::run(&options),
        Command::Bench(options) => bench::run(options),
        Command::Torture(options) => torture::run(&options),
    }
}
