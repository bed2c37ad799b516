//! The binary `saga`: reads the command line, runs one verb, ends with one of four exit statuses.
//! What a verb does stands in its own file under `commands/`.
#![forbid(unsafe_code)]
#![expect(
    unreachable_pub,
    reason = "nothing is public beyond a binary; `pub` marks what a module offers to the others"
)]

mod cli;
mod client;
mod commands;
mod compiler;
mod config;
mod descriptors;
mod door;
mod embedded;
mod exit;
mod host;
mod logging;
mod near;
mod needed;
mod progress;
mod steps;
mod terminal;
mod use_cases;
mod wiring;

use std::process::ExitCode;

use clap::Parser as _;

use crate::exit::Exit;
use crate::terminal::Tone;

/// Memory that is freed on another thread than it came from, as all of a saga's is, costs it little; what stays unused
/// for some ten seconds it gives back to the system from a thread of its own.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    if let Some(exit) = compiler::asked() {
        return exit;
    }
    compiler::this_is_the_program();
    let command = cli::Cli::parse().command;
    let exit = commands::run(command).unwrap_or_else(|error| report(&error));
    exit.into()
}

/// Tell the error on standard error; answer the status it asks for.
fn report(error: &anyhow::Error) -> Exit {
    let exit = exit::of_error(error);
    if exit != Exit::Success {
        let mark = terminal::Terminal::detect().paint(Tone::Bad, "error:");
        terminal::note(format_args!("{mark} {error:#}"));
    }
    exit
}
