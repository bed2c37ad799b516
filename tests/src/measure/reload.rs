//! From the rename that puts a plugin file into the folder to the first message that it has handled: for a file that
//! must be compiled and for one whose code is kept, in the place of an older version and under a new address.
//! Told by the host's live events, so each time holds one sync of the disk as well: nothing is told before it is safe.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use super::table::Table;
use super::wire::Connection;
use super::{Scratch, note, place};
use crate::artefacts::another_version;
use crate::check;
use crate::host::Host;
use crate::installation::Installation;

const COMPILED_MS_MAX: f64 = 150.0;
const CACHED_MS_MAX: f64 = 20.0;
const REPLACED: &str = "bench.steps.s1";
/// No message comes so late on a machine that lives.
const PATIENCE: Duration = Duration::from_secs(60);

/// Messages told while nobody listens, between two rounds: a second of the steady load many times over.
const UNHEARD_MAX: usize = 1 << 16;

/// One message that was handled: which version, when it was heard of.
struct Handled {
    address: String,
    digest: String,
    at: Instant,
}

pub(super) fn measure(scratch: Scratch<'_>, rounds: usize) -> Table {
    let installation = place::with_noops(scratch);
    for round in 0..rounds {
        for kind in ["new", "known"] {
            installation.use_case_of(&use_case(kind, round), &[address(kind, round)], "");
        }
    }
    installation.use_case_of("replaced", &[REPLACED], "");
    let host = Host::start(installation);
    let events = follow(&host);
    let mut table = Table::new("reload");
    note("replacing a plugin under load");
    let (compiled, cached) = replaced(&host, &events, rounds);
    tell(&mut table, "replaced, compiled", compiled, COMPILED_MS_MAX);
    tell(&mut table, "replaced, from the cache", cached, CACHED_MS_MAX);
    note("adding plugins that messages wait for");
    let (compiled, cached) = added(&host, &events, rounds);
    tell(&mut table, "added, compiled", compiled, COMPILED_MS_MAX);
    tell(&mut table, "added, from the cache", cached, CACHED_MS_MAX);
    table
}

fn tell(table: &mut Table, what: &str, mut times: Vec<Duration>, bound: f64) {
    times.sort();
    let ms = |time: &Duration| time.as_secs_f64() * 1e3;
    table.bounded(format!("{what}, median"), times.get(times.len() / 2).map_or(0.0, ms), "ms", bound);
    table.told("  slowest", times.last().map_or(0.0, ms), "ms");
}

fn use_case(kind: &str, round: usize) -> String {
    format!("{kind}-{round}")
}

fn address(kind: &str, round: usize) -> String {
    format!("bench.{kind}.s{round}")
}

/// New versions one after the other, then back and forth between two that are compiled.
fn replaced(host: &Host, events: &Receiver<Handled>, rounds: usize) -> (Vec<Duration>, Vec<Duration>) {
    let wasm = place::noop();
    let version = |round: usize| another_version(&wasm, &format!("r{round}"));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| steady(host, &stop));
        let time = |bytes: &[u8]| {
            let before = check::serving(&host.api, REPLACED);
            let from = drop_in(&host.installation, REPLACED, bytes);
            heard(events, from, |handled| handled.address == REPLACED && handled.digest != before)
        };
        let compiled = (0..rounds).map(|round| time(&version(round))).collect();
        let cached = (0..rounds).map(|round| time(&version(round % 2))).collect();
        stop.store(true, Ordering::Relaxed);
        (compiled, cached)
    })
}

/// One message after the other through the step that is replaced.
fn steady(host: &Host, stop: &AtomicBool) {
    let mut connection = Connection::open(host.address()).expect("the host listens");
    while !stop.load(Ordering::Relaxed) {
        let status = connection.post("/v1/use-cases/replaced/sagas", "", "{}").expect("the host answers");
        assert_eq!(status, 202, "a start under load");
        // A light load: the machine is to be busy with the reload, not with this.
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Steps that a message waits for already: under new code, then under code that is known from another address.
fn added(host: &Host, events: &Receiver<Handled>, rounds: usize) -> (Vec<Duration>, Vec<Duration>) {
    let wasm = place::noop();
    let time = |kind: &str, round: usize, bytes: &[u8]| {
        host.api.start(&use_case(kind, round), &serde_json::json!({}));
        let address = address(kind, round);
        host.installation.manifest(&address, "");
        let from = drop_in(&host.installation, &address, bytes);
        heard(events, from, |handled| handled.address == address)
    };
    let compiled = (0..rounds).map(|round| time("new", round, &another_version(&wasm, &format!("a{round}")))).collect();
    let cached = (0..rounds).map(|round| time("known", round, &wasm)).collect();
    (compiled, cached)
}

/// Put the file in place and answer the moment at which it was there.
fn drop_in(installation: &Installation, address: &str, wasm: &[u8]) -> Instant {
    let beside = installation.path().join("beside");
    std::fs::write(&beside, wasm).expect("the scratch folder is ours");
    let at = Instant::now();
    std::fs::rename(&beside, installation.plugin_path(address)).expect("both are in one folder");
    at
}

fn heard(events: &Receiver<Handled>, from: Instant, wanted: impl Fn(&Handled) -> bool) -> Duration {
    loop {
        let handled = events.recv_timeout(PATIENCE).expect("a message is handled in time");
        if wanted(&handled) {
            return handled.at.saturating_duration_since(from);
        }
    }
}

/// Every message that a step is done with, as the host tells it.
fn follow(host: &Host) -> Receiver<Handled> {
    let (sender, receiver) = sync_channel(UNHEARD_MAX);
    let events = host.api.follow("");
    std::thread::spawn(move || {
        for event in events.filter(|event| event["event"] == "done") {
            let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
            let handled = Handled { address: text("address"), digest: text("digest"), at: Instant::now() };
            if sender.send(handled).is_err() {
                return;
            }
        }
    });
    receiver
}
