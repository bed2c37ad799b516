//! One message at a time over three loops, each with its own transaction: what a saga of three steps costs that are
//! apart.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::clients;
use super::mover::{Mover, send, to_topic};

/// Messages that go before what is measured: groups come together, producers meet their coordinators.
const WARM_UP: usize = 20;

#[derive(Debug, Args)]
pub struct Options {
    #[arg(long, default_value_t = 500)]
    rounds: usize,
    #[arg(long, default_value_t = 3)]
    hops: usize,
}

pub fn run(bootstrap: &str, options: &Options) -> anyhow::Result<(Value, String)> {
    let topics: Vec<String> = (0..=options.hops).map(|number| clients::fresh(&format!("hop{number}"))).collect();
    clients::make_topics(bootstrap, &topics.iter().map(String::as_str).collect::<Vec<_>>(), 1)?;
    let stop = AtomicBool::new(false);
    let latencies = std::thread::scope(|scope| {
        let loops: Vec<_> = topics
            .windows(2)
            .map(|pair| {
                let stop = &stop;
                scope.spawn(move || -> anyhow::Result<()> {
                    let mut mover = Mover::open(bootstrap, &pair[0], &pair[1], 1)?;
                    while !stop.load(Ordering::Relaxed) {
                        mover.step(1)?;
                    }
                    Ok(())
                })
            })
            .collect();
        let latencies = send_and_wait(bootstrap, &topics, options.rounds);
        stop.store(true, Ordering::Relaxed);
        for one in loops {
            one.join().map_err(|_| anyhow::anyhow!("a loop panicked"))??;
        }
        latencies
    })?;
    let at = |quantile| Duration::from_micros(latencies.value_at_quantile(quantile)).as_secs_f64() * 1e3;
    let figures = json!({"hops": options.hops, "p50-ms": at(0.5), "p99-ms": at(0.99)});
    Ok((figures, format!("{} hops: p50 {:.2} ms, p99 {:.2} ms", options.hops, at(0.5), at(0.99))))
}

fn send_and_wait(bootstrap: &str, topics: &[String], rounds: usize) -> anyhow::Result<Histogram<u64>> {
    let (first, last) = (&topics[0], &topics[topics.len() - 1]);
    let end = clients::consumer(bootstrap, &clients::fresh("end"), last)?;
    let producer = clients::plain(bootstrap)?;
    let mut latencies = Histogram::new_with_max(60_000_000, 3)?;
    for round in 0..WARM_UP + rounds {
        let began = Instant::now();
        send(&producer, &to_topic(first, "k", b"{}"))?;
        producer.poll(Duration::ZERO);
        while end.poll(Duration::from_millis(10)).transpose()?.is_none() {
            anyhow::ensure!(began.elapsed() < clients::ANSWER_MAX, "a message did not come through in time");
            producer.poll(Duration::ZERO);
        }
        if round >= WARM_UP {
            latencies.saturating_record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        }
    }
    Ok(latencies)
}
