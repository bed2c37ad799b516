//! Ends on request, and what must not start. Goal: SIGTERM lets calls end and loses nothing; a second host is refused.
//! Method: signals to the process while it works.

use saga_tests::check;
use saga_tests::host::{Host, free_port, run_saga};
use saga_tests::installation::{Installation, instrument_address};
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
    assert!(second.err.contains("another host"), "it says why: {}", second.err);
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
