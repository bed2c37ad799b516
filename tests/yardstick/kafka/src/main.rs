//! The yardstick of a cluster: messages consumed, handed on and committed in Kafka transactions by a loop that does
//! nothing else. It has no steps, no journal to fold, no order per key, no retries; what it reaches is what the cluster
//! and librdkafka leave to a host, and a host on Kafka is quoted as a ratio to it, measured in the same minutes.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a program that prints its figures")]
#![expect(
    unreachable_pub,
    reason = "nothing is public beyond a binary; `pub` marks what a module offers to the others"
)]

mod clients;
mod fill;
mod hops;
mod mover;

use clap::{Parser, Subcommand};

/// What a cluster allows.
#[derive(Debug, Parser)]
#[command(after_help = "\
Examples:
  bootstrap=$(scripts/kafka start)
  saga-yardstick-kafka --bootstrap $bootstrap loop --batch 1000 --outputs 4
  saga-yardstick-kafka --bootstrap $bootstrap hops
  saga-yardstick-kafka --bootstrap $bootstrap fill --topic shop.orders.order.in --messages 100000 --step shop.orders.order")]
pub struct Options {
    /// The brokers that are asked first.
    #[arg(long, default_value = "127.0.0.1:9092")]
    bootstrap: String,

    /// Print one JSON object.
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Messages a second through consume, produce, commit, with a transaction for each batch.
    Loop(mover::Options),
    /// How long one message takes over three of these loops, one after the other.
    Hops(hops::Options),
    /// Put minimal envelopes on a topic, each of which starts a saga.
    Fill(fill::Options),
}

fn main() -> anyhow::Result<()> {
    let Options { bootstrap, json, what } = Options::parse();
    let (figures, text) = match what {
        What::Loop(options) => mover::run(&bootstrap, &options)?,
        What::Hops(options) => hops::run(&bootstrap, &options)?,
        What::Fill(options) => fill::run(&bootstrap, &options)?,
    };
    if json {
        println!("{figures}")
    } else {
        println!("{text}")
    }
    Ok(())
}
