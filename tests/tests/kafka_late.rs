//! Requests that arrive late. Goal: the end of a transaction whose answer did not come, or whose connection was lost,
//! is never applied to a later transaction; positions are never committed of a partition that is another host's by
//! then; and every saga is still done once. Method: hosts under load on a cluster that they reach by a way which holds
//! single requests up; the cluster's own answers to late ends, then Apache's own client.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use saga_tests::api::Api;
use saga_tests::check::{all_over, until};
use saga_tests::crowd::{Ends, Told, client, hold_to_account};
use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use saga_tests::kafka::Cluster;
use saga_tests::kafka::judge::judge;
use saga_tests::kafka::strait::{Hold, Request, Strait};
use serde_json::Value;

/// Until then a transaction is to be over.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(3);

fn host(cluster: &Strait, prefix: &str) -> Host {
    let environment = [
        ("SAGA_BROKER_KIND", "kafka"),
        ("SAGA_BROKER_BOOTSTRAP", cluster.address()),
        ("SAGA_BROKER_PREFIX", prefix),
        ("SAGA_BROKER_SESSION_TIMEOUT", "6s"),
        ("SAGA_BROKER_TRANSACTION_TIMEOUT", "3s"),
    ];
    Host::start_with(Installation::with_instruments(&["one", "two"]), &environment)
}

/// How often, how, and for how long.
type Held = (usize, Hold, Duration);

/// Hold the end of one transaction up again and again under load. What the cluster answered to those that were late.
fn hold_up(host: &Host, strait: &Strait, told: &Told, (rounds, hold, late_by): Held) -> Vec<i16> {
    let (stop, known) = (AtomicBool::new(false), strait.answers().len());
    std::thread::scope(|scope| {
        let _ends = Ends(&stop);
        for name in 0..6 {
            let (api, told, stop) = (&host.api, told, &stop);
            scope.spawn(move || client(api, told, name, stop));
        }
        for round in 1..=rounds {
            let before = told.acknowledged_count();
            until("the crowd goes on", || (told.acknowledged_count() > before + 20).then_some(()));
            strait.hold_next(Request::End, hold, late_by);
            until("a late request was answered", || (strait.answers().len() == known + round).then_some(()));
        }
        let before = told.acknowledged_count();
        until("the crowd goes on at the end", || (told.acknowledged_count() > before + 20).then_some(()));
    });
    strait.answers().split_off(known)
}

#[test]
fn the_end_of_a_transaction_that_comes_late_is_refused_and_everything_is_done_once() {
    let (cluster, strait) = Cluster::start_behind_strait();
    for (prefix, held) in [
        // The library sends it again half a second later, on a new connection; then this producer goes on.
        ("cut.", (5, Hold::Cut, Duration::from_secs(2))),
        // Nobody waits for its answer any more, and the host has begun anew.
        ("silence.", (2, Hold::Silence, TRANSACTION_TIMEOUT + Duration::from_secs(4))),
    ] {
        let (host, told) = (host(&strait, prefix), Told::default());
        let answers = hold_up(&host, &strait, &told, held);
        assert!(answers.iter().all(|code| *code != 0), "late ends of transactions were applied: {answers:?}");
        hold_to_account(&host, &told, &["one", "two"]);
        drop(host);
        let started = judge(&cluster, &prefix.replace('.', "\\."));
        assert!(started >= told.acknowledged_count(), "{started}");
    }
}

#[test]
fn positions_that_never_find_their_coordinator_hold_nothing_up_for_good() {
    let (cluster, strait) = Cluster::start_behind_strait();
    let (host, told, stop) = (host(&strait, "astray."), Told::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _ends = Ends(&stop);
        for name in 0..6 {
            let (api, told, stop) = (&host.api, &told, &stop);
            scope.spawn(move || client(api, told, name, stop));
        }
        for round in 1..=3 {
            let before = told.acknowledged_count();
            until("the crowd goes on", || (told.acknowledged_count() > before + 20).then_some(()));
            strait.lead_astray("test.instrument.two");
            until("a coordinator was denied", || (strait.denied_count() == round).then_some(()));
        }
        let before = told.acknowledged_count();
        until("the crowd goes on at the end", || (told.acknowledged_count() > before + 20).then_some(()));
    });
    assert!(host.log_tail().contains("the client did not return in time"), "nothing was held up");
    hold_to_account(&host, &told, &["one", "two"]);
    drop(host);
    let started = judge(&cluster, "astray\\.");
    assert!(started >= told.acknowledged_count(), "{started}");
}

/// One of several hosts.
fn one_of_several(cluster: &Strait, name: &str, steps: &[&str]) -> Host {
    let installation = Installation::with_stateless_instruments(steps);
    installation.use_case("play", &["one", "two", "three"], "");
    let environment = [
        ("SAGA_BROKER_KIND", "kafka"),
        ("SAGA_BROKER_BOOTSTRAP", cluster.address()),
        ("SAGA_BROKER_PREFIX", "went."),
        ("SAGA_BROKER_HOSTS", "several"),
        ("SAGA_BROKER_PARTITIONS", "6"),
        ("SAGA_BROKER_TRANSACTION_TIMEOUT", "30s"),
        ("SAGA_HOST_NAME", name),
    ];
    Host::start_with(installation, &environment)
}

/// Starts sagas at a pace of its own, so that batches hold sagas at every step, on their way there and back.
fn start_sagas(api: &Api, started: &AtomicUsize, name: u64, stop: &AtomicBool) {
    let mut random = fastrand::Rng::with_seed(name);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let id = format!("c{name}-{number}");
        let body = if number % 4 == 0 { "{}" } else { "{\"three\":{\"reject\":\"no\"}}" };
        let answer = api.post("/v1/use-cases/play/sagas", &[("global-id", &id)], body);
        started.fetch_add(answer.is_ok_and(|answer| answer.status == 202).into(), Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(random.u64(..15)));
    }
}

#[test]
fn a_transaction_during_which_a_partition_went_to_another_host_does_not_happen() {
    // The positions of one group take so long that what the host has of the other one is given up meanwhile. The host
    // begins anew, and is a member of a group again of which it had given partitions up that nobody had got yet.
    const LATE_BY: Duration = Duration::from_secs(16);
    let (cluster, strait) = Cluster::start_behind_strait();
    let host = one_of_several(&strait, "a", &["one", "two", "three"]);
    // A host that begins waits for whatever is undecided, so this one is there already.
    let other = one_of_several(&strait, "b", &["one"]);
    let (started, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _ends = Ends(&stop);
        for name in 0..40 {
            let (api, started, stop) = (&host.api, &started, &stop);
            scope.spawn(move || start_sagas(api, started, name, stop));
        }
        let goes_on = |what: &str| {
            let before = started.load(Ordering::Relaxed);
            until(what, || (started.load(Ordering::Relaxed) > before + 200).then_some(()));
        };
        goes_on("the crowd goes on");
        // Groups are told in the order of their names: this one before `test.instrument.two`.
        strait.hold_next(Request::Positions("test.instrument.three"), Hold::Silence, LATE_BY);
        until("positions are held up", || (!strait.is_waiting()).then_some(()));
        let (two, source) = (instrument_address("two"), Installation::with_stateless_instruments(&["two"]));
        other.installation.manifest(&two, &source.manifest_text(&two));
        other.installation.plugin(&two, &source.plugin_bytes(&two));
        until("they came through", || (strait.late_positions_count() == 1).then_some(()));
        goes_on("the crowd goes on at the end");
    });
    all_over(&host.api);
    assert_eq!(host.api.errors(), Vec::<Value>::new());
    for mut host in [host, other] {
        host.terminate();
    }
    let known = judge(&cluster, "went\\.");
    assert!(known >= started.into_inner(), "{known}");
}
