//! Minimal envelopes on a topic, as any foreign producer may write them: each starts a saga.

use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use super::clients;
use super::mover::{send, to_topic};

#[derive(Debug, Args)]
pub struct Options {
    /// The topic of the first step, with the prefix of the installation.
    #[arg(long)]
    topic: String,
    /// The steps, separated by commas.
    #[arg(long, value_delimiter = ',', required = true)]
    step: Vec<String>,
    #[arg(long, default_value_t = 100_000)]
    messages: usize,
    /// Stands before the number in each global-id.
    #[arg(long, default_value = "fill")]
    name: String,
    /// Bytes of the text in each body.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
}

pub fn run(bootstrap: &str, options: &Options) -> anyhow::Result<(Value, String)> {
    let producer = clients::plain(bootstrap)?;
    let text = "x".repeat(options.bytes);
    let began = Instant::now();
    for number in 0..options.messages {
        let id = format!("{}-{number}", options.name);
        let message = json!({"meta": {"global-id": id, "steps": options.step}, "body": {"text": text}});
        send(&producer, &to_topic(&options.topic, &id, message.to_string().as_bytes()))?;
    }
    clients::acknowledged(&producer)?;
    let rate = options.messages as f64 / began.elapsed().as_secs_f64();
    let figures = json!({"messages": options.messages, "messages-per-second": rate.round()});
    Ok((figures, format!("{} messages at {rate:.0} a second", options.messages)))
}
