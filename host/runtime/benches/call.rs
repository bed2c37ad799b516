//! Nanoseconds per call of a step that hands its body on: with a fresh instance for each call, with reused ones, and on
//! several threads. `cargo bench -p host-runtime --profile release`, with a number of seconds per line if wanted.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends when it cannot run")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use host_core::id::Direction;
use host_core::outcome::{Answer, Outcome};
use host_runtime::StepRunner as _;

#[path = "../tests/runtime/support.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod support;

fn main() {
    let seconds = std::env::args().skip(1).find_map(|text| text.parse::<f64>().ok()).unwrap_or(2.0);
    let span = Duration::from_secs_f64(seconds);
    println!("{:32} {:>12} {:>12} {:>12} {:>12}", "step echo", "ns per call", "of processor", "calls/s", "us at start");
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    for (name, manifest) in [("fresh instance", ""), ("reused instance", "calls-per-instance = \"unlimited\"")] {
        for threads in [1, threads] {
            measure(&format!("{name}, {threads} thread(s)"), manifest, threads, span);
        }
    }
}

fn measure(name: &str, manifest: &str, threads: usize, span: Duration) {
    let stage = runtime().block_on(support::one("echo", manifest));
    let began = Instant::now();
    runtime().block_on(stage.handle("{\"order-id\":\"o-1\"}"));
    let first = began.elapsed();
    let stop = AtomicBool::new(false);
    let (began, processor) = (Instant::now(), processor_time());
    let count: u64 = std::thread::scope(|scope| {
        // A runtime for each thread: a shared one may leave both callers, which never wait, on one thread.
        let callers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| runtime().block_on(call_until(&stage, &stop)))).collect();
        std::thread::sleep(span);
        stop.store(true, Ordering::Relaxed);
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    let (took, processor) = (began.elapsed(), processor_time() - processor);
    let per_second = count as f64 / took.as_secs_f64();
    let nanoseconds = took.as_nanos() as f64 * threads as f64 / count as f64;
    let of_processor = processor.as_nanos() as f64 / count as f64;
    let first = first.as_secs_f64() * 1e6;
    println!("{name:32} {nanoseconds:>12.0} {of_processor:>12.0} {per_second:>12.0} {first:>12.1}");
}

/// What this process has used so far: tells the cost of a call also on a machine that does other things. Zero where
/// there is no /proc.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    // User and system time, in hundredths of a second.
    fields.skip(11).take(2).map(|ticks| Duration::from_millis(10 * ticks.parse::<u64>().unwrap_or(0))).sum()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn call_until(stage: &support::Stage, stop: &AtomicBool) -> u64 {
    let call = support::call(support::STEP, Direction::Handle, "{\"order-id\":\"o-1\"}");
    let mut calls = 0;
    while !stop.load(Ordering::Relaxed) {
        let report = stage.plugins.call(call.clone(), stage.key_values.clone()).await;
        assert!(matches!(report.answer, Answer::Outcome(Outcome::Done { .. })), "{report:?}");
        calls += 1;
    }
    calls
}
