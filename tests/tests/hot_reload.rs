//! Plugins come, change and go while messages flow. Goal: nothing is lost, nothing is doubled, neighbours do not pause,
//! and a bad file leaves the old version serving. Method: files in the plugins folder, the instrument, and its
//! counters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use saga_tests::artefacts::another_version;
use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use serde_json::{Value, json};

fn host(names: &[&str]) -> Host {
    Host::start(Installation::with_instruments(names))
}

/// Start sagas until `stop`, and answer their ids.
fn load(host: &Host, stop: &AtomicBool, body: &Value) -> Vec<String> {
    let mut ids = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        ids.push(host.api.start("play", body));
    }
    ids
}

/// Each of these sagas was counted exactly once by the step.
fn assert_counted_once(host: &Host, name: &str, ids: &[String]) {
    let counts = check::instrument_bucket(host, &instrument_address(name));
    let expected: BTreeMap<String, Value> = ids.iter().map(|id| (format!("handled/{id}"), json!(1))).collect();
    let found: BTreeMap<String, Value> = counts.into_iter().filter(|(key, _)| expected.contains_key(key)).collect();
    assert_eq!(found.len(), expected.len(), "some sagas were not counted by {name}");
    assert_eq!(found, expected, "a saga was counted more than once by {name}");
}

#[test]
fn a_plugin_is_replaced_many_times_under_load_and_nothing_is_lost_or_doubled() {
    let host = host(&["one", "two", "three"]);
    let address = instrument_address("two");
    let original = host.installation.plugin_bytes(&address);
    let stop = AtomicBool::new(false);
    let body = json!({});
    let ids = std::thread::scope(|scope| {
        let loads: Vec<_> = (0..2).map(|_| scope.spawn(|| load(&host, &stop, &body))).collect();
        let mut digest = check::serving(&host.api, &address);
        for version in 0..5 {
            host.installation.plugin(&address, &another_version(&original, &format!("v{version}")));
            digest = check::reloaded(&host.api, &address, &digest);
        }
        stop.store(true, Ordering::Relaxed);
        loads.into_iter().flat_map(|load| load.join().expect("the load ran")).collect::<Vec<_>>()
    });
    assert!(ids.len() > 20, "only {} sagas flowed", ids.len());
    for id in &ids {
        check::status(&host.api, id, "completed");
    }
    for name in ["one", "two", "three"] {
        assert_counted_once(&host, name, &ids);
    }
}

#[test]
fn a_call_under_way_ends_on_its_version_and_the_next_runs_on_the_new_one() {
    let host = host(&["one"]);
    let address = instrument_address("one");
    let first = check::serving(&host.api, &address);
    let old = host.api.start("play", &json!({"one": {"spin-ms": 2_000}}));
    check::until("the call is under way", || {
        (host.api.topic(&format!("{address}.in"))?["in-flight"] == 1).then_some(())
    });
    host.installation.plugin(&address, &another_version(&host.installation.plugin_bytes(&address), "new"));
    let second = check::reloaded(&host.api, &address, &first);
    let new = host.api.run("play", &json!({}));
    let old = check::status(&host.api, &old, "completed");
    assert_eq!(check::call(&old, 0, "handle")["digest"], first.as_str(), "{old:#}");
    assert_eq!(check::call(&old, 0, "handle")["attempts"], 1, "{old:#}");
    let new = host.api.saga(new["global-id"].as_str().expect("an id"));
    assert_eq!(check::call(&new, 0, "handle")["digest"], second.as_str(), "{new:#}");
}

#[test]
fn compensate_runs_on_the_version_that_ran_handle_also_after_a_kill() {
    let mut host = host(&["one", "two"]);
    let address = instrument_address("one");
    let first = check::serving(&host.api, &address);
    let id = host.api.start("play", &json!({"two": {"wait": "go", "reject": "no"}}));
    check::status(&host.api, &id, "waiting");

    host.installation.plugin(&address, &another_version(&host.installation.plugin_bytes(&address), "new"));
    let second = check::reloaded(&host.api, &address, &first);
    host.kill();
    host.start_again();
    assert_eq!(check::serving(&host.api, &address), second);
    host.api.signal("go");
    let saga = check::status(&host.api, &id, "compensated");
    assert_eq!(check::call(&saga, 0, "handle")["digest"], first.as_str(), "{saga:#}");
    assert_eq!(check::call(&saga, 0, "compensate")["digest"], first.as_str(), "{saga:#}");
}

#[test]
fn broken_and_half_written_files_leave_the_old_version_serving_and_say_so() {
    let host = host(&["one"]);
    let address = instrument_address("one");
    let digest = check::serving(&host.api, &address);
    let good = host.installation.plugin_bytes(&address);
    for (what, bytes) in
        [("half", &good[..good.len() / 2]), ("text", b"not wasm".as_slice()), ("empty", b"".as_slice())]
    {
        std::fs::write(host.installation.plugin_path(&address), bytes).expect("the folder is ours");
        check::until(&format!("the {what} file is told"), || {
            let plugins = host.api.ask("/v1/plugins");
            let mut list = plugins["plugins"].as_array()?.iter().filter(|plugin| plugin["address"] == address.as_str());
            list.any(|plugin| plugin["reason"].is_string()).then_some(())
        });
        let ended = host.api.run("play", &json!({}));
        assert_eq!(ended["status"], "completed", "{what}: {ended}");
        let saga = host.api.saga(ended["global-id"].as_str().expect("an id"));
        assert_eq!(check::call(&saga, 0, "handle")["digest"], digest.as_str(), "{what}");
    }
    host.installation.plugin(&address, &another_version(&good, "well"));
    check::reloaded(&host.api, &address, &digest);
}

#[test]
fn messages_of_a_removed_plugin_wait_until_it_is_back() {
    let host = host(&["one", "two"]);
    let address = instrument_address("two");
    let bytes = host.installation.plugin_bytes(&address);
    host.installation.remove_plugin(&address);
    check::until("it is gone", || {
        host.api.plugin(&address).is_none_or(|plugin| plugin["state"] != "serving").then_some(())
    });
    let ids: Vec<String> = (0..10).map(|_| host.api.start("play", &json!({}))).collect();
    let topic = check::until("ten messages wait", || {
        host.api.topic(&format!("{address}.in")).filter(|topic| topic["messages"] == 10)
    });
    assert_eq!(topic["served-here"], false, "{topic}");
    host.installation.plugin(&address, &bytes);
    for id in &ids {
        check::status(&host.api, id, "completed");
    }
    assert_counted_once(&host, "two", &ids);
}

#[test]
fn a_plugin_that_is_added_serves_what_waited_for_it() {
    let host = host(&["one"]);
    host.installation.use_case("longer", &["one", "added"], "");
    check::until("the use case is in force", || {
        host.api.ask("/v1/use-cases").to_string().contains("longer").then_some(())
    });
    let id = host.api.start("longer", &json!({}));
    check::until("its message waits", || host.api.topic(&format!("{}.in", instrument_address("added"))));
    host.installation.serve_instrument("added");
    check::status(&host.api, &id, "completed");
}

#[test]
fn a_changed_manifest_alone_is_taken_up() {
    let host = host(&["one"]);
    let address = instrument_address("one");
    let tell = json!({"one": {"tell": "mark"}});
    assert_eq!(host.api.run("play", &tell)["body"]["one-told"], "first");
    host.installation.manifest(&address, &check::manifest_with_mark("second"));
    check::until("the new setting is read", || {
        (host.api.run("play", &tell)["body"]["one-told"] == "second").then_some(())
    });
}

#[test]
fn neighbours_go_on_while_one_plugin_hangs_and_another_is_compiled() {
    let host = host(&["one", "two"]);
    host.installation.use_case("hang", &["one"], "");
    host.installation.use_case("quick", &["two"], "");
    check::until("the use cases are in force", || {
        host.api.ask("/v1/use-cases").to_string().contains("quick").then_some(())
    });
    // More hanging calls than there are processors.
    let hanging: Vec<String> = (0..8).map(|_| host.api.start("hang", &json!({"one": {"hang": true}}))).collect();
    let address = instrument_address("three");
    host.installation.serve_instrument("three");
    for _ in 0..50 {
        assert_eq!(host.api.run("quick", &json!({}))["status"], "completed");
    }
    check::serving(&host.api, &address);
    for id in &hanging {
        let saga = check::status(&host.api, id, "failed");
        assert_eq!(saga["failure"]["kind"], "time-limit", "{saga:#}");
    }
}
