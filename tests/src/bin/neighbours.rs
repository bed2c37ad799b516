//! How long a healthy saga takes beside a step that misbehaves, as a multiple of how long it takes alone, in one run:
//! `cargo run --release -p saga-tests --bin neighbours`. With `--check` it ends with 1 if any multiple is above two;
//! names of programs of tests/guests choose which; `--seconds N` measures each for so long.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use saga_tests::api::Api;
use saga_tests::guests;
use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use saga_tests::{artefacts, check};
use serde_json::json;

/// One of each kind: computing, allocating, calling the host, printing, trapping, recursing, waiting.
const KINDS: [&str; 12] = [
    "loop_in_handle",
    "realloc_loops",
    "memory_bomb",
    "stack_overflow",
    "config_storm",
    "random_storm",
    "listing_storm",
    "log_flood",
    "print_flood",
    "output_flood",
    "panic_huge_text",
    "sleeps",
];
/// Clients of the healthy saga, each waiting for its end before it starts the next.
const CLIENT_COUNT: usize = 4;
/// Sagas of the bad step that are kept under way: more than there are processors.
const BAD_COUNT: usize = 8;
/// What a neighbour may be slowed down to, as a multiple.
const RATIO_MAX: f64 = 2.0;
const MANIFEST: &str =
    "grants = [\"config\", \"keyvalue\"]\nconcurrency = 8\n[retry.fault]\nmax-attempts = 1\n[limits]\ntime = \"1s\"\n";

struct Options {
    check: bool,
    seconds: u64,
    kinds: Vec<String>,
}

impl Options {
    fn read() -> anyhow::Result<Self> {
        let mut options = Self { check: false, seconds: 2, kinds: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--check" => options.check = true,
                "--seconds" => {
                    let number = arguments.next().context("--seconds needs a number")?;
                    options.seconds = number.parse().with_context(|| format!("--seconds {number} is no number"))?;
                }
                kind => options.kinds.push(kind.to_owned()),
            }
        }
        if options.kinds.is_empty() {
            options.kinds = KINDS.map(str::to_owned).to_vec();
        }
        Ok(options)
    }
}

/// Latencies of one stretch of the run, sorted.
struct Latencies(Vec<Duration>);

impl Latencies {
    fn at(&self, fraction: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let index = (last as f64 * fraction) as usize;
        self.0.get(index).copied().unwrap_or_default()
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::read()?;
    let guests = guests::all();
    let installation = Installation::empty();
    for name in ["one", "two", "three"] {
        // Granted to be called often; the instrument's own manifest is made for retries.
        installation.manifest(&instrument_address(name), "grants = [\"config\", \"keyvalue\", \"events\"]\n");
        installation.plugin(&instrument_address(name), &std::fs::read(artefacts::instrument())?);
    }
    installation.use_case("play", &["one", "two", "three"], "");
    for kind in &options.kinds {
        let guest = guests.get(kind).with_context(|| format!("there is no program {kind} in tests/guests"))?;
        installation.manifest(&address(kind), MANIFEST);
        installation.plugin(&address(kind), &guest.wasm);
        installation.use_case_of(&use_case(kind), &[address(kind)], "");
    }
    let host = Host::start_with(installation, &[("SAGA_LOG_LEVEL", "error")]);
    let span = Duration::from_secs(options.seconds);
    measure(&host.api, span);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<20} {:>9} {:>9} {:>9} {:>9} {:>7} {:>7}",
        "beside", "p50", "p99", "alone p50", "alone p99", "p50 x", "p99 x"
    )?;
    let mut worst: f64 = 0.0;
    for kind in &options.kinds {
        // Measured anew each time: the machine is not the same for the whole run.
        let alone = measure(&host.api, span);
        let beside = beside(&host, kind, span);
        let ratio = |fraction: f64| beside.at(fraction).as_secs_f64() / alone.at(fraction).as_secs_f64();
        worst = worst.max(ratio(0.5)).max(ratio(0.99));
        writeln!(
            out,
            "{kind:<20} {:>9} {:>9} {:>9} {:>9} {:>7.2} {:>7.2}",
            ms(beside.at(0.5)),
            ms(beside.at(0.99)),
            ms(alone.at(0.5)),
            ms(alone.at(0.99)),
            ratio(0.5),
            ratio(0.99)
        )?;
    }
    writeln!(out, "worst {worst:.2}, allowed {RATIO_MAX}")?;
    anyhow::ensure!(!options.check || worst <= RATIO_MAX, "a neighbour is slowed down {worst:.2} times");
    Ok(())
}

fn ms(span: Duration) -> String {
    format!("{:.2} ms", span.as_secs_f64() * 1e3)
}

fn address(kind: &str) -> String {
    format!("bad.guests.{}", use_case(kind))
}

fn use_case(kind: &str) -> String {
    kind.replace('_', "-")
}

/// Run healthy sagas for so long.
fn measure(api: &Api, span: Duration) -> Latencies {
    let end = Instant::now() + span;
    let client = || {
        let mut latencies = Vec::new();
        while Instant::now() < end {
            let began = Instant::now();
            let ended = api.run("play", &json!({}));
            assert_eq!(ended["status"], "completed", "a healthy saga: {ended}");
            latencies.push(began.elapsed());
        }
        latencies
    };
    let mut all: Vec<Duration> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENT_COUNT).map(|_| scope.spawn(client)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client does not panic")).collect()
    });
    all.sort_unstable();
    Latencies(all)
}

/// The same while sagas of the bad step are under way all the time.
fn beside(host: &Host, kind: &str, span: Duration) -> Latencies {
    let stop = AtomicBool::new(false);
    let path = format!("/v1/use-cases/{}/sagas", use_case(kind));
    let body = if kind == "output_flood" { "\"body\"" } else { "{}" };
    let latencies = thread::scope(|scope| {
        for _ in 0..BAD_COUNT {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Answered when the saga rests, with its failure: then the next one comes.
                    let answer = host.api.post(&path, &[("prefer", "wait=2")], body);
                    assert!(answer.is_ok(), "{kind}: {answer:?}");
                }
            });
        }
        check::until("the bad step has its hands full", || {
            (host.api.topic(&format!("{}.in", address(kind)))?["in-flight"] != 0).then_some(())
        });
        let latencies = measure(&host.api, span);
        stop.store(true, Ordering::Relaxed);
        latencies
    });
    check::until("its sagas have come to rest", || {
        host.api.list(&format!("use-case={}&status=running", use_case(kind))).is_empty().then_some(())
    });
    latencies
}
