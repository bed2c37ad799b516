//! Nanoseconds per call of a step that hands its body on: with a fresh instance for each call, with reused ones, and on
//! several threads. `cargo bench -p host-runtime --profile release`, with a number of seconds per line if wanted.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends when it cannot run")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use host_core::id::Direction;
use host_core::outcome::{Answer, Outcome};
use host_runtime::{MemoryKeyValues, StepRunner as _};

#[path = "../tests/runtime/support.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod support;

fn main() {
    let seconds = std::env::args().skip(1).find_map(|text| text.parse::<f64>().ok()).unwrap_or(2.0);
    let span = Duration::from_secs_f64(seconds);
    println!("{:32} {:>12} {:>14} {:>12}", "step echo", "ns per call", "calls/s", "us at start");
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    for (name, manifest) in [("fresh instance", ""), ("reused instance", "calls-per-instance = \"unlimited\"")] {
        for threads in [1, threads] {
            measure(&format!("{name}, {threads} thread(s)"), manifest, threads, span);
        }
    }
}

fn measure(name: &str, manifest: &str, threads: usize, span: Duration) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    runtime.block_on(async {
        let stage = support::one("echo", manifest).await;
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let began = Instant::now();
        stage.handle("{\"order-id\":\"o-1\"}").await;
        let first = began.elapsed();
        let began = Instant::now();
        let callers: Vec<_> = (0..threads)
            .map(|_| {
                let (plugins, key_values) = (stage.plugins.clone(), stage.key_values.clone());
                tokio::spawn(call_until(plugins, key_values, stop.clone(), count.clone()))
            })
            .collect();
        tokio::time::sleep(span).await;
        stop.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.await.unwrap();
        }
        let (took, count) = (began.elapsed(), count.load(Ordering::Relaxed));
        let per_second = count as f64 / took.as_secs_f64();
        let nanoseconds = took.as_nanos() as f64 * threads as f64 / count as f64;
        println!("{name:32} {nanoseconds:>12.0} {per_second:>14.0} {:>12.1}", first.as_secs_f64() * 1e6);
    });
}

async fn call_until(
    plugins: host_runtime::Plugins,
    key_values: Arc<MemoryKeyValues>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
) {
    let call = support::call(support::STEP, Direction::Handle, "{\"order-id\":\"o-1\"}");
    let mut calls = 0;
    while !stop.load(Ordering::Relaxed) {
        let report = plugins.call(call.clone(), key_values.clone()).await;
        assert!(matches!(report.answer, Answer::Outcome(Outcome::Done { .. })), "{report:?}");
        calls += 1;
    }
    count.fetch_add(calls, Ordering::Relaxed);
}
