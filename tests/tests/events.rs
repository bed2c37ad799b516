//! The journal can be followed as it is written. Goal: every transition of a saga is told once, in order, and only when
//! it is durable; followers come and go. Method: follow over HTTP and with `saga tail` while sagas run.

use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use serde_json::json;

#[test]
fn a_follower_hears_each_transition_of_a_saga_once_and_in_order() {
    let host = Host::start(Installation::with_instruments(&["one", "two"]));
    let follower = host.api.follow("use-case=play");
    let id = host.api.start("play", &json!({"two": {"retry-until": 2, "reject": "no"}}));
    let mut heard = Vec::new();
    for record in follower.filter(|record| record["global-id"] == id.as_str()) {
        let event = record["event"].as_str().expect("a record has an event").to_owned();
        heard.push(format!("{event} {}/{}", record["direction"].as_str().unwrap_or("?"), record["position"]));
        if event == "ended" {
            break;
        }
    }
    assert_eq!(
        heard,
        [
            "started handle/0",
            "done handle/0",
            "retried handle/1",
            "rejected handle/1",
            "compensated compensate/0",
            "ended compensate/0",
        ]
    );
}

#[test]
fn what_a_follower_heard_survives_a_kill() {
    let mut host = Host::start(Installation::with_instruments(&["one"]));
    let follower = host.api.follow("");
    let id = host.api.start("play", &json!({}));
    let ended = follower.into_iter().find(|record| record["event"] == "ended").expect("the end is told");
    assert_eq!(ended["global-id"], id.as_str());
    host.kill();
    host.start_again();
    assert_eq!(host.api.saga(&id)["status"], "completed");
}

#[test]
fn tail_prints_as_many_events_as_asked() {
    let host = Host::start(Installation::with_instruments(&["one"]));
    let ran = std::thread::scope(|scope| {
        let tail = scope.spawn(|| host.saga(&["tail", "--count", "3", "--json"]));
        // It hears only what comes after it: go on until it has heard enough.
        check::until("tail has heard three events", || {
            host.api.run("play", &json!({}));
            tail.is_finished().then_some(())
        });
        tail.join().expect("tail ran")
    });
    assert_eq!(ran.status, 0, "{ran:?}");
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:?}");
    assert!(lines.iter().all(|line| line.contains("\"event\"")), "{ran:?}");
}

#[test]
fn doctor_names_what_dangles() {
    let installation = Installation::with_instruments(&["one"]);
    installation.use_case("dangling", &["one", "missing"], "");
    std::fs::write(installation.plugin_path("test.instrument.bad"), "not wasm").expect("the folder is ours");
    let host = Host::start(installation);
    let config = host.installation.path().join("saga.toml");
    let ran = host.saga(&["doctor", "--config", config.to_str().expect("a plain path")]);
    for word in ["test.instrument.missing", "test.instrument.bad"] {
        assert!(ran.out.contains(word), "{word} is missing: {ran:?}");
    }
}
