//! A host that dies with unfinished sagas in its hands and is started again: how long until the first of them moves,
//! and what the time is made of. A third of them waits for signals, a third for the time of a retry, a third for a step
//! whose plugin comes back with the restart.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::shape::Metrics;
use super::table::Table;
use super::{Scratch, note, place, volley, wait_for};
use crate::host::Host;
use crate::installation::instrument_address;

const FIRST_MOVE_MS_MAX: f64 = 1000.0;
const ROUNDS: usize = 3;
const START_TIME_MAX: Duration = Duration::from_secs(120);
/// Retries that come back long after the measurement.
const MANIFEST: &str = "grants = [\"config\", \"keyvalue\", \"events\"]\n[config]\nmark = \"first\"\n\
    [keyvalue]\nshared = [\"common\"]\n[events]\ntopics = [\"test.events\"]\n\
    [retry]\nmax-attempts = 4\ninitial = \"6h\"\nmax = \"6h\"\n";

pub(super) fn measure(scratch: Scratch<'_>, sagas: u64) -> Table {
    let installation = place::with_instruments(scratch, &["one"]);
    installation.manifest(&instrument_address("one"), MANIFEST);
    installation.use_case("queued", &["absent"], "");
    let mut host = Host::start(installation);
    leave_unfinished(&host, sagas / 3);
    host.kill();
    host.installation.serve_instrument("absent");
    // Its code is compiled once; what is measured finds it in the cache, as every restart but the first does.
    split(&mut host);
    let mut rounds: Vec<Split> = (0..ROUNDS).map(|_| split(&mut host)).collect();
    rounds.sort_by_key(|split| split.moved);

    let mut table = Table::new("restart");
    let (median, slowest) = (&rounds[ROUNDS / 2], &rounds[ROUNDS - 1]);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let what = format!("killed with {sagas} unfinished sagas: from the start to the first move, median of {ROUNDS}");
    table.bounded(what, ms(median.moved), "ms", FIRST_MOVE_MS_MAX);
    table.told("  database and port are open after", ms(median.listening), "ms");
    table.told("  ready after", ms(median.ready), "ms");
    table.told("  the slowest", ms(slowest.moved), "ms");
    table
}

/// So many sagas for each way of not being finished.
fn leave_unfinished(host: &Host, each: u64) {
    note(&format!("leaving three times {each} sagas unfinished"));
    volley::send(host.address(), "queued", each, |_| "{}".to_owned());
    volley::send(host.address(), "play", each, |number| {
        format!(r#"{{"one":{{"wait":"key-{number}","wait-ms":86400000}}}}"#)
    });
    volley::send(host.address(), "play", each, |_| r#"{"one":{"retry-until":3}}"#.to_owned());
    let delayed = format!("saga_topic_delayed_messages{{topic=\"{}.in\"}}", instrument_address("one"));
    wait_for("every saga rests", || {
        let metrics = Metrics::of(host);
        (metrics.sagas("waiting") == each && metrics.value(&delayed) as u64 == each).then_some(())
    });
}

/// When what was there, counted from the start of the process.
struct Split {
    listening: Duration,
    ready: Duration,
    moved: Duration,
}

/// Start the host, listen for the first journal record that it tells, and kill it there, so that the next round finds
/// nearly as many unfinished sagas. The port is open before the first step runs; were the first record missed, the next
/// would be taken for it, which is later and not sooner.
fn split(host: &mut Host) -> Split {
    let began = Instant::now();
    host.launch();
    while TcpStream::connect(host.address()).is_err() {
        assert!(began.elapsed() < START_TIME_MAX, "the host does not listen:\n{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(1));
    }
    let listening = began.elapsed();
    let mut events = host.api.follow("");
    let first = std::thread::spawn(move || events.next().map(|_| Instant::now()));
    while !host.api.is_ready() {
        assert!(began.elapsed() < START_TIME_MAX, "the host is not ready:\n{}", host.log_tail());
        std::thread::sleep(Duration::from_millis(1));
    }
    let ready = began.elapsed();
    let moved = first.join().expect("the follower ran").expect("a saga moves");
    host.kill();
    Split { listening, ready, moved: moved.duration_since(began) }
}
