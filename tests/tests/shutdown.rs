//! Ends on request, and what must not start. Goal: SIGTERM lets calls end within their limit and loses nothing, what
//! was finished is not delivered again, every client gets an answer or a clean refusal; a second signal ends at once; a
//! second host is refused. Method: signals to the process while it works.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use saga_tests::check;
use saga_tests::crowd::{Told, client, hold_to_account};
use saga_tests::host::{Host, free_port, run_saga};
use saga_tests::installation::{INSTRUMENT_MANIFEST, Installation, instrument_address};
use serde_json::json;

#[test]
fn sigterm_lets_the_call_under_way_end_and_the_rest_goes_on_after_the_restart() {
    let mut host = Host::start(Installation::with_instruments(&["one", "two"]));
    let under_way = host.api.start("play", &json!({"one": {"spin-ms": 1_500}}));
    let waiting = host.api.start("play", &json!({"two": {"wait": "go"}}));
    check::status(&host.api, &waiting, "waiting");
    let one = instrument_address("one");
    check::until("the call is under way", || (host.api.topic(&format!("{one}.in"))?["in-flight"] == 1).then_some(()));

    let status = host.terminate();
    assert!(status.success(), "{status}: {}", host.log_tail());
    host.start_again();
    let saga = check::status(&host.api, &under_way, "completed");
    assert_eq!(check::call(&saga, 0, "handle")["attempts"], 1, "{saga:#}");
    host.api.signal("go");
    check::status(&host.api, &waiting, "completed");
    assert_eq!(check::instrument_bucket(&host, &one)[&format!("handled/{under_way}")], 1);
}

#[test]
fn a_host_that_is_killed_and_one_that_is_stopped_come_back_the_same() {
    let mut host = Host::start(Installation::with_instruments(&["one"]));
    let done = host.api.run("play", &json!({}));
    let id = done["global-id"].as_str().expect("an id").to_owned();
    let before = host.api.saga(&id);
    host.kill();
    host.start_again();
    assert_eq!(host.api.saga(&id), before);
    assert!(host.terminate().success());
    host.start_again();
    assert_eq!(host.api.saga(&id), before);
    assert_eq!(host.api.list("status=completed").len(), 1);
}

#[test]
fn a_second_host_on_the_same_data_is_refused_and_the_first_goes_on() {
    let host = Host::start(Installation::with_instruments(&["one"]));
    let config = host.installation.path().join("saga.toml");
    let listen = format!("127.0.0.1:{}", free_port());
    let second = run_saga(&["run", "--config", config.to_str().expect("a plain path")], &[("SAGA_LISTEN", &listen)]);
    assert_eq!(second.status, 1, "{second:?}");
    for word in ["data", "in use by another host", "stop that host, or give this one a data folder of its own"] {
        assert!(second.err.contains(word), "it says why and what to do: {}", second.err);
    }
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
}

#[test]
fn a_mistake_in_the_configuration_is_told_with_its_place() {
    let installation = Installation::with_instruments(&["one"]);
    installation.config("\n[limits]\nbacklok = 20\n");
    let config = installation.path().join("saga.toml");
    let ran = run_saga(&["run", "--config", config.to_str().expect("a plain path")], &[]);
    assert_ne!(ran.status, 0, "{ran:?}");
    for word in ["saga.toml:3", "backlok", "backlog"] {
        assert!(ran.err.contains(word), "{word} is missing: {}", ran.err);
    }
}

/// Wait until a call of this instrument is with its plugin.
fn under_way(host: &Host, name: &str) {
    let topic = format!("{}.in", instrument_address(name));
    check::until("the call is under way", || (host.api.topic(&topic)?["in-flight"] == 1).then_some(()));
}

#[test]
fn a_call_longer_than_the_time_to_drain_is_cut_and_its_message_is_delivered_again() {
    let installation = Installation::with_instruments(&["one", "two"]);
    installation.config("[shutdown]\ndrain = \"200ms\"\n");
    let mut host = Host::start(installation);
    let finished = host.api.run("play", &json!({}))["global-id"].as_str().expect("an id").to_owned();
    let cut = host.api.start("play", &json!({"one": {"spin-ms": 4_000}}));
    under_way(&host, "one");
    let begun = Instant::now();
    let status = host.terminate();
    assert!(status.success(), "{status}: {}", host.log_tail());
    assert!(begun.elapsed() < Duration::from_millis(3_500), "it did not wait for the call: {:?}", begun.elapsed());
    host.start_again();
    assert_eq!(host.api.saga(&cut)["status"], "running", "nothing of it was finished");
    check::status(&host.api, &cut, "completed");
    assert_eq!(check::call(&host.api.saga(&finished), 0, "handle")["attempts"], 1);
    let counts = check::instrument_bucket(&host, &instrument_address("one"));
    assert_eq!((&counts[&format!("handled/{cut}")], &counts[&format!("handled/{finished}")]), (&json!(1), &json!(1)));
}

#[test]
fn a_crowd_gets_an_answer_or_a_clean_refusal_and_what_was_finished_is_not_delivered_again() {
    let mut host = Host::start(Installation::with_instruments(&["one", "two"]));
    let told = Told::default();
    let stop = AtomicBool::new(false);
    let api = host.api.clone();
    std::thread::scope(|scope| {
        for name in 0..24 {
            let (api, told, stop) = (&api, &told, &stop);
            scope.spawn(move || client(api, told, name, stop));
        }
        for _ in 0..2 {
            let before = told.acknowledged_count();
            check::until("the crowd is at work", || (told.acknowledged_count() > before + 60).then_some(()));
            let status = host.terminate();
            assert!(status.success(), "{status}: {}", host.log_tail());
            host.start_again();
        }
        stop.store(true, Ordering::Relaxed);
    });
    hold_to_account(&host, &told, &["one", "two"]);
    assert!(told.refused_count() + told.unanswered_count() > 0, "clients met the end of the host: {told:?}");
}

#[test]
fn a_second_signal_ends_the_host_at_once_and_loses_nothing() {
    for second in [Signal::SIGTERM, Signal::SIGINT] {
        let installation = Installation::with_instruments(&["one", "two"]);
        installation.config("[shutdown]\ndrain = \"60s\"\n");
        let patient = INSTRUMENT_MANIFEST.replace("time = \"5s\"", "time = \"60s\"");
        assert_ne!(patient, INSTRUMENT_MANIFEST);
        installation.manifest(&instrument_address("one"), &patient);
        let mut host = Host::start(installation);
        let finished = host.api.run("play", &json!({}))["global-id"].as_str().expect("an id").to_owned();
        let cut = host.api.start("play", &json!({"one": {"spin-ms": 40_000}}));
        under_way(&host, "one");
        let begun = Instant::now();
        host.signal(Signal::SIGTERM);
        check::until("it is stopping", || host.log_tail().contains("stopping after").then_some(()));
        host.signal(second);
        let status = host.wait_for_end();
        assert!(status.success(), "{status}: {}", host.log_tail());
        assert!(begun.elapsed() < Duration::from_secs(20), "it ended at once: {:?}", begun.elapsed());
        host.start_again();
        assert_eq!(host.api.saga(&finished)["status"], "completed");
        assert_eq!(host.api.saga(&cut)["status"], "running");
    }
}
