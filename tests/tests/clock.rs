//! The machine's clock jumps by an hour, back and forth, while sagas run, wait, are retried and have deadlines. Goal:
//! nothing is lost, doubled or stuck, nothing ends before its time when the clock goes back, and every id is another.
//! Method: a real process whose wall clock the test moves; `host/engine` plays the same in virtual time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use saga_tests::check;
use saga_tests::crowd::{Told, client, hold_to_account};
use saga_tests::host::Host;
use saga_tests::installation::{INSTRUMENT_MANIFEST, Installation, instrument_address};
use saga_tests::interpose::Interposed;
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);

fn host(installation: Installation) -> (Host, Interposed) {
    let interposed = Interposed::new(&installation.path().join("control"), &installation.path().join("data"));
    let environment = interposed.environment();
    let environment: Vec<_> = environment.iter().map(|(key, value)| (*key, value.as_str())).collect();
    (Host::start_with(installation, &environment), interposed)
}

#[test]
fn a_crowd_that_works_while_the_clock_jumps_loses_and_doubles_nothing() {
    let (host, clock) = host(Installation::with_instruments(&["one", "two"]));
    let waiting = host.api.start("play", &json!({"two": {"wait": "go"}}));
    check::status(&host.api, &waiting, "waiting");
    let told = Told::default();
    let stop = AtomicBool::new(false);
    let api = host.api.clone();
    let minted = std::thread::scope(|scope| {
        for name in 0..3 {
            let (api, told, stop) = (&api, &told, &stop);
            scope.spawn(move || client(api, told, name, stop));
        }
        let mut minted = Vec::new();
        for jump in 0..12 {
            match jump % 4 {
                0 => clock.clock_ahead(HOUR),
                2 => clock.clock_behind(HOUR),
                _ => clock.clock_ahead(Duration::ZERO),
            }
            // Each jump is met by sagas of every kind: new ones, one that is retried, and those of the crowd.
            let before = told.acknowledged_count();
            minted.extend((0..5).map(|_| host.api.start("play", &json!({}))));
            minted.push(host.api.start("play", &json!({"one": {"retry-until": 3}})));
            check::until("the crowd goes on", || (told.acknowledged_count() > before + 3).then_some(()));
        }
        stop.store(true, Ordering::Relaxed);
        minted
    });
    assert_eq!(minted.iter().collect::<BTreeSet<_>>().len(), minted.len(), "an id was given twice");
    for id in &minted {
        check::status(&host.api, id, "completed");
    }
    assert_eq!(host.api.saga(&waiting)["status"], "waiting", "its day is not over");
    host.api.signal("go");
    check::status(&host.api, &waiting, "completed");
    hold_to_account(&host, &told, &["one", "two"]);
    assert!(!host.log_tail().contains("panicked"), "{}", host.log_tail());
}

#[test]
fn a_pause_and_a_wait_are_not_an_hour_longer_because_the_clock_went_back() {
    let installation = Installation::with_instruments(&["one", "two"]);
    let slow = INSTRUMENT_MANIFEST.replace("initial = \"10ms\"\nmax = \"50ms\"", "initial = \"3s\"\nmax = \"3s\"");
    installation.manifest(&instrument_address("two"), &slow);
    let (host, clock) = host(installation);
    let retried = host.api.start("play", &json!({"two": {"retry-until": 3}}));
    let waits = host.api.start("play", &json!({"one": {"wait": "never", "wait-ms": 3_000}}));
    check::status(&host.api, &waits, "waiting");
    let begun = Instant::now();
    clock.clock_behind(HOUR);
    // Waited for in vain for a minute, if they were an hour away.
    check::status(&host.api, &retried, "completed");
    let saga = check::status(&host.api, &waits, "compensated");
    assert_eq!(saga["failure"]["kind"], "wait-timeout", "{saga:#}");
    assert!(begun.elapsed() > Duration::from_millis(1_500), "not before its time");
    assert!(host.log_tail().contains("clock jumped back"), "{}", host.log_tail());
}

#[test]
fn what_is_due_by_a_clock_that_went_ahead_happens_at_once() {
    let installation = Installation::with_instruments(&["one", "two"]);
    installation.use_case("soon", &["one", "two"], "deadline = \"30m\"");
    let (host, clock) = host(installation);
    let waits = host.api.start("play", &json!({"one": {"wait": "never", "wait-ms": 1_800_000}}));
    let late = host.api.start("soon", &json!({"two": {"wait": "never"}}));
    for id in [&waits, &late] {
        check::status(&host.api, id, "waiting");
    }
    clock.clock_ahead(HOUR);
    assert_eq!(check::status(&host.api, &waits, "compensated")["failure"]["kind"], "wait-timeout");
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
    host.api.signal("never");
    let saga = check::status(&host.api, &late, "compensated");
    assert_eq!(saga["failure"]["kind"], "deadline", "{saga:#}");
}
