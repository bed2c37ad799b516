//! `saga signal`: release what waits for a key.

use clap::Args;
use host_core::id::WaitKey;

use crate::cli::Target;
use crate::client::{Client, Request, encode};
use crate::exit::Exit;
use crate::terminal::say;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga signal customer/42            whoever waits for customer/42 goes on
  saga list --status waiting         who waits; `saga show <global-id>` tells for which key

A signal that comes before anyone waits is remembered for a while (retention.signals).")]
pub struct Options {
    /// The key that a step named when it answered `wait`.
    pub key: WaitKey,

    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let path = format!("/v1/signals/{}", encode(options.key.as_str()));
    let answer = Client::new(&options.target)?.post(&path, Request::default())?;
    if options.target.json {
        say(answer.text.trim_end())?;
    } else {
        say(format_args!("signalled {}", options.key))?;
    }
    Ok(Exit::Success)
}
