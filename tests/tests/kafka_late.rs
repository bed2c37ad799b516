//! Requests that arrive late. Goal: the end of a transaction whose answer did not come, or whose connection was lost,
//! is never applied to a later transaction, and every saga is still done once. Method: a host under load on a cluster
//! that it reaches by a way which holds single requests up; the cluster's own answers to them, then Apache's own
//! client.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use saga_tests::check::until;
use saga_tests::crowd::{Ends, Told, client, hold_to_account};
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use saga_tests::kafka::Cluster;
use saga_tests::kafka::judge::judge;
use saga_tests::kafka::strait::{Hold, Strait};

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
            strait.hold_next(hold, late_by);
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
        // The library sends it again half a second later, on a new connection; then others of this producer begin.
        ("cut.", (5, Hold::Cut, Duration::from_secs(2))),
        // Nobody waits for its answer any more.
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
