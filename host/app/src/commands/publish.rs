//! `saga publish`: put a message on a topic, as a service that is not ours would.

use clap::Args;
use host_core::id::TopicName;

use super::input;
use crate::cli::Target;
use crate::client::{Client, Request, encode};
use crate::exit::Exit;
use crate::terminal::say;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga publish shop.orders.order.in --body '{\"meta\":{\"global-id\":\"o-1\",\"steps\":[\"shop.orders.order\"]},\"body\":{}}'
  saga publish orders.placed --body @order.json --key o-1     a use case with this trigger-topic starts")]
pub struct Options {
    /// Name of the topic.
    pub topic: TopicName,

    /// The message: JSON text, @file, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub body: String,

    /// Messages of one key stay in order; the global-id if it is left out.
    #[arg(long)]
    pub key: Option<String>,

    #[command(flatten)]
    pub target: Target,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let body = input::body(&options.body)?;
    let query = options.key.iter().map(|key| ("key", key.clone())).collect();
    let path = format!("/v1/topics/{}", encode(options.topic.as_str()));
    let request = Request { query, body: Some(body.as_str().to_owned()), ..Request::default() };
    let answer = Client::new(&options.target)?.post(&path, request)?;
    if options.target.json {
        say(answer.text.trim_end())?;
    } else {
        say(format_args!("published to {}", options.topic))?;
    }
    Ok(Exit::Success)
}
