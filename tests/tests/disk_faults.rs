//! The disk fails under a running host: no room, a write that fails, a sync that fails. Goal: the host takes no more
//! work and says why and what to do, in its log, on /readyz and in every refusal; it answers questions; and started
//! again on a disk that is well, it has everything that it had acknowledged. Method: clients with a memory of their
//! own, and a library in front of the C library that fails calls on request; once the kernel itself refuses.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use saga_tests::check;
use saga_tests::crowd::{Told, client, hold_to_account};
use saga_tests::host::{Host, free_port, run_saga};
use saga_tests::installation::Installation;
use saga_tests::interpose::{Call, Interposed};
use serde_json::json;

/// A host on a disk that can be made to fail.
fn host(installation: Installation) -> (Host, Interposed) {
    let interposed = Interposed::new(&installation.path().join("control"), &installation.path().join("data"));
    let host = start_with(installation, &interposed.environment());
    (host, interposed)
}

fn start_with(installation: Installation, environment: &[(&'static str, String)]) -> Host {
    let environment: Vec<_> = environment.iter().map(|(key, value)| (*key, value.as_str())).collect();
    Host::start_with(installation, &environment)
}

/// Wait until the host is not ready, and see that it says so everywhere: each of these words must be told.
fn says_why(host: &Host, words: &[&str]) {
    let answer = check::until("the host takes no more work", || {
        host.api.get("/readyz").ok().filter(|answer| answer.status == 503)
    });
    let start = host.api.post("/v1/use-cases/play/sagas", &[], "{}").expect("the host answers");
    assert_eq!((start.status, &start.body["code"]), (503, &json!("not-ready")), "{}", start.body);
    let log = host.log_tail();
    for word in words {
        let told = answer.body["detail"].as_str().expect("a problem has a detail");
        assert!(told.contains(word), "/readyz does not say {word:?}: {told}");
        let told = start.body["detail"].as_str().expect("a problem has a detail");
        assert!(told.contains(word), "a refused start does not say {word:?}: {told}");
        assert!(log.contains(word), "the log does not say {word:?}: {log}");
    }
    let path = host.installation.path().display().to_string();
    assert!(!format!("{}{}", answer.body, start.body).contains(&path), "no path of the host is told");
}

/// Let the disk fail under load, look at what the host says, mend the disk, and hold the host to its word.
fn fails_under_load(call: Call, error: Errno, after: i64, words: &[&str]) {
    let (mut host, disk) = host(Installation::with_instruments(&["one", "two"]));
    let told = Told::default();
    let stop = AtomicBool::new(false);
    let api = host.api.clone();
    std::thread::scope(|scope| {
        for name in 0..3 {
            let (api, told, stop) = (&api, &told, &stop);
            scope.spawn(move || client(api, told, name, stop));
        }
        check::until("the load has begun", || (told.acknowledged_count() > 20).then_some(()));
        disk.fail(call, error, after);
        says_why(&host, words);
        assert!(disk.failed_count(call) > 0, "the fault was met");
        // Questions are answered, and a disk that is well again is not believed: what a failed sync left is unknown.
        assert_eq!(host.api.saga("crowd-0-1")["global-id"], "crowd-0-1");
        disk.mend();
        let refused = host.api.post("/v1/signals/x", &[], "").expect("the host answers");
        assert_eq!(refused.status, 503, "{}", refused.body);
        let ended = host.terminate();
        assert!(ended.code().is_some(), "it ends by itself: {ended}");
        host.start_again();
        stop.store(true, Ordering::Relaxed);
    });
    hold_to_account(&host, &told, &["one", "two"]);
    assert!(told.refused_count() > 0, "clients met the fault: {told:?}");
}

#[test]
fn a_full_disk_is_told_and_nothing_acknowledged_is_lost() {
    let words = ["the disk is full", "No space left on device", "make room", "restart"];
    fails_under_load(Call::Write, Errno::ENOSPC, 11, &words);
}

#[test]
fn a_write_that_fails_is_told_and_nothing_acknowledged_is_lost() {
    fails_under_load(Call::Write, Errno::EIO, 0, &["the disk refused it", "Input/output error", "restart"]);
}

#[test]
fn a_sync_that_fails_is_told_and_nothing_acknowledged_is_lost() {
    fails_under_load(Call::Sync, Errno::EIO, 7, &["syncing", "the disk refused it", "Input/output error", "restart"]);
}

/// The kernel cuts a write short and refuses the rest: the log ends in the middle of a record.
#[test]
fn a_write_that_the_kernel_cuts_short_is_a_torn_end_that_the_next_start_cuts_off() {
    let mut host = Host::start(Installation::with_instruments(&["one", "two"]));
    let order = json!({"note": "x".repeat(3_000)});
    host.api.run("play", &order);
    assert!(host.terminate().success());
    host.start_again();
    assert!(host.terminate().success());
    let log = host.installation.path().join("data/db/0.jnl");
    let length = std::fs::metadata(&log).expect("the log is there").len();
    let limit = length + 100_000;
    let library = saga_tests::interpose::library().to_str().expect("a plain path");
    host.set_environment(&[("LD_PRELOAD", library), ("INTERPOSE_FILE_BYTES_MAX", &limit.to_string())]);
    host.start_again();
    let mut accepted = Vec::new();
    let refused = loop {
        let answer = host.api.post("/v1/use-cases/play/sagas", &[], &order.to_string()).expect("the host answers");
        match answer.status {
            202 => accepted.push(saga_tests::api::text(&answer.body, "global-id")),
            _ => break answer,
        }
        assert!(accepted.len() < 1_000, "the limit is never met");
    };
    assert_eq!((refused.status, &refused.body["code"]), (503, &json!("not-ready")), "{}", refused.body);
    says_why(&host, &["a file may not grow as large", "File too large", "raise the host's limit", "restart"]);
    host.kill();
    assert_eq!(std::fs::metadata(&log).expect("the log is there").len(), limit, "the kernel cut a write short");
    host.set_environment(&[]);
    host.start_again();
    assert!(host.log_tail().contains("the torn end of the log is cut off"), "{}", host.log_tail());
    assert!(!accepted.is_empty());
    for id in accepted {
        check::status(&host.api, &id, "completed");
    }
}

#[test]
fn a_host_that_cannot_make_its_data_folder_says_why_and_ends() {
    for (call, error, words) in [
        (Call::Grow, Errno::ENOSPC, ["No space left on device", "its disk is not full"]),
        (Call::Sync, Errno::EIO, ["Input/output error", "writable"]),
    ] {
        let installation = Installation::with_instruments(&["one", "two"]);
        let disk = Interposed::new(&installation.path().join("control"), &installation.path().join("data"));
        disk.fail(call, error, 0);
        let config = installation.path().join("saga.toml");
        let listen = format!("127.0.0.1:{}", free_port());
        let data = installation.path().join("data");
        let mut environment = disk.environment();
        environment.push(("SAGA_LISTEN", listen));
        environment.push(("SAGA_DATA_DIR", data.to_str().expect("a plain path").to_owned()));
        let environment: Vec<_> = environment.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let ran = run_saga(&["run", "--config", config.to_str().expect("a plain path")], &environment);
        assert_eq!(ran.status, 1, "{ran:?}");
        for word in words.iter().copied().chain([data.to_str().expect("a plain path")]) {
            assert!(ran.err.contains(word), "{word:?} is missing: {}", ran.err);
        }
    }
}
