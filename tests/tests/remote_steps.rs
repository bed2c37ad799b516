//! Remote steps with everything real: the program, a component before and behind, workers in Java as processes of their
//! own. Goal: a saga goes through a worker as through a component; a worker that dies, sleeps or is not there delays it
//! and does no harm; each call's results count once.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use saga_tests::api::text;
use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use saga_tests::java::{self, Program};
use serde_json::{Value, json};

const TOKEN: &str = "the-token-of-the-workers";
const TOKEN_SHA256: &str = "6c34d314c792926b6be32979dd6cb0438cd9e227b24f95974d19b21f8baccae4";
/// Short, so that a lost call comes again soon, and longer than a busy machine lets a worker wait for a processor.
const LEASE: &str = "2s";

/// A host with a component, the remote step `far`, and a component again.
fn host() -> Host {
    let installation = Installation::with_instruments(&["one", "two"]);
    let manifest = format!(
        "[remote]\ntoken-sha256 = \"{TOKEN_SHA256}\"\nlease = \"{LEASE}\"\n\
         [retry]\nmax-attempts = 4\ninitial = \"10ms\"\nmax = \"50ms\"\n"
    );
    installation.manifest(&instrument_address("far"), &manifest);
    installation.use_case("journey", &["one", "far", "two"], "");
    Host::start(installation)
}

fn worker(host: &Host, name: &str) -> Program {
    let folder = host.installation.path();
    let (calls, log) = (folder.join("calls"), folder.join(format!("{name}.log")));
    let uri = format!("http://127.0.0.1:{}", host.port());
    let arguments = [name, &instrument_address("far"), TOKEN, calls.to_str().expect("a plain path"), &uri];
    java::project("tests/instrument/java").start("Instrument", &arguments, &log)
}

/// What workers noted: `began <worker> <idempotency key> <attempt>`.
fn calls(host: &Host) -> Vec<String> {
    let text = std::fs::read_to_string(host.installation.path().join("calls")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn until_noted(host: &Host, line: &str) {
    check::until(&format!("a worker notes {line}; it noted {:?}", calls(host)), || {
        calls(host).iter().any(|call| call == line).then_some(())
    });
}

fn far(host: &Host) -> Value {
    host.api.plugin(&instrument_address("far")).expect("the remote step is listed")
}

fn workers(host: &Host) -> Vec<String> {
    far(host)["workers"].as_array().into_iter().flatten().map(|worker| text(worker, "name")).collect()
}

/// The saga went there and on: its path, and what the step behind the remote one counted in the commits of its calls.
fn completed_once(host: &Host, id: &str) {
    let saga = check::status(&host.api, id, "completed");
    assert_eq!(check::path(&saga), "one done, far done, two done", "{saga:#}");
    let counted = check::instrument_bucket(host, &instrument_address("two"));
    assert_eq!(counted.get(&format!("handled/{id}")), Some(&json!(1)), "{counted:?}");
}

#[test]
fn sagas_go_through_a_worker_there_and_back() {
    let host = host();
    let uri_topic = format!("{}.in", instrument_address("far"));
    let waiting = host.api.start("journey", &json!({"x": 1.10}));
    let topic = check::until("its message waits for a worker", || host.api.topic(&uri_topic));
    assert_eq!(topic["messages"], 1, "{topic}");
    assert!(workers(&host).is_empty(), "{}", far(&host));

    let worker = worker(&host, "w-1");
    completed_once(&host, &waiting);
    let listed = host.saga(&["plugins"]);
    assert!(listed.out.contains("remote") && listed.out.contains("w-1"), "{}", listed.out);

    let refused = host.api.start("journey", &json!({"two": {"reject": "no"}}));
    let saga = check::status(&host.api, &refused, "compensated");
    assert_eq!(check::path(&saga), "one done, far done, two rejected | far done, one done", "{saga:#}");
    let refused = host.api.start("journey", &json!({"far": {"reject": "no"}}));
    let saga = check::status(&host.api, &refused, "compensated");
    assert_eq!(check::path(&saga), "one done, far rejected | one done");

    let parked = host.api.start("journey", &json!({"far": {"wait": "customer/42"}}));
    check::status(&host.api, &parked, "waiting");
    host.api.signal("customer/42");
    completed_once(&host, &parked);
    worker.terminate();
    check::until("the worker holds nothing", || (far(&host)["in-flight"] == 0).then_some(()));
}

#[test]
fn a_worker_that_dies_in_a_call_loses_it_to_another() {
    let host = host();
    let first = worker(&host, "w-1");
    check::until("it asks", || workers(&host).contains(&"w-1".to_owned()).then_some(()));
    let id = host.api.start("journey", &json!({"far": {"slow": "w-1", "slow-ms": 60_000}}));
    until_noted(&host, &format!("began w-1 {id}/handle/1 1"));
    let second = worker(&host, "w-2");
    first.signal(Signal::SIGKILL);
    completed_once(&host, &id);
    assert!(calls(&host).contains(&format!("ended w-2 {id}/handle/1 2")), "{:?}", calls(&host));
    second.terminate();
}

#[test]
fn a_worker_that_slept_past_its_lease_answers_too_late() {
    let host = host();
    let first = worker(&host, "w-1");
    check::until("it asks", || workers(&host).contains(&"w-1".to_owned()).then_some(()));
    let id = host.api.start("journey", &json!({"far": {"slow": "w-1", "slow-ms": 1000}}));
    until_noted(&host, &format!("began w-1 {id}/handle/1 1"));
    first.signal(Signal::SIGSTOP);
    let second = worker(&host, "w-2");
    completed_once(&host, &id);
    first.signal(Signal::SIGCONT);
    check::until("it learns that its lease is over", || first.said().contains("lease-over").then_some(()));
    completed_once(&host, &id);
    // It is of use again.
    drop(second);
    let id = host.api.start("journey", &json!({}));
    check::status(&host.api, &id, "completed");
    first.terminate();
}

#[test]
fn a_host_that_is_killed_finds_its_workers_again() {
    let mut host = host();
    let worker = worker(&host, "w-1");
    check::until("it asks", || workers(&host).contains(&"w-1".to_owned()).then_some(()));
    let ids: Vec<String> =
        (0..3).map(|_| host.api.start("journey", &json!({"far": {"slow": "w-1", "slow-ms": 1500}}))).collect();
    for id in &ids {
        until_noted(&host, &format!("began w-1 {id}/handle/1 1"));
    }
    host.kill();
    host.start_again();
    for id in &ids {
        completed_once(&host, id);
    }
    let id = host.api.start("journey", &json!({"two": {"reject": "no"}}));
    check::status(&host.api, &id, "compensated");
    worker.terminate();
}

#[test]
fn a_wrong_token_ends_the_worker_and_tells_why() {
    let host = host();
    let folder: &Path = host.installation.path();
    let uri = format!("http://127.0.0.1:{}", host.port());
    let (address, log) = (instrument_address("far"), folder.join("w-1.log"));
    let arguments = ["w-1", &address, "another-token", "calls", &uri];
    let program = java::project("tests/instrument/java").start("Instrument", &arguments, &log);
    let start = Instant::now();
    check::until("it ends", || program.said().contains("WorkerException").then_some(()));
    assert!(start.elapsed() < Duration::from_secs(30), "it took {:?}", start.elapsed());
    assert!(program.said().contains("SHA-256"), "{}", program.said());
}
