//! The host is killed under load at random moments and started again, a dozen times. Goal: afterwards every saga that
//! was acknowledged has ended, nobody was told of an end that is not so, and each step's key-values hold exactly what
//! the ended sagas imply. Method: clients with a ledger of their own; SIGKILL; then the ledger is held against API and
//! buckets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use saga_tests::load::{Ledger, client};
use saga_tests::verdict::hold_to_account;

/// More with SAGA_TEST_KILLS.
const KILLS: usize = 12;
const CLIENTS: usize = 4;

#[test]
fn every_acknowledged_saga_ends_and_every_effect_is_counted_once() {
    let seed = number_from("SAGA_TEST_SEED").unwrap_or_else(|| fastrand::u64(..));
    announce(&format!("seed {seed} (run it again with SAGA_TEST_SEED={seed})"));
    let mut host = Host::start(Installation::for_load());
    let ledger = Ledger::create(&host.installation.path().join("ledger.jsonl"));
    let kills = kill_under_load(&mut host, &ledger, seed);

    let count = hold_to_account(&host, &ledger);
    announce(&format!("{kills} kills, {count:?}"));
    assert!(count.completed > 50 && count.compensated > 10, "too little happened to show anything: {count:?}");
}

fn kill_under_load(host: &mut Host, ledger: &Ledger, seed: u64) -> usize {
    let kills = number_from("SAGA_TEST_KILLS").and_then(|kills| usize::try_from(kills).ok()).unwrap_or(KILLS);
    let stop = AtomicBool::new(false);
    let api = host.api.clone();
    std::thread::scope(|scope| {
        for name in 0..CLIENTS {
            let (api, stop) = (&api, &stop);
            let seed = seed.wrapping_add(name as u64);
            scope.spawn(move || client(api, ledger, name, seed, stop));
        }
        let mut rng = Rng::with_seed(seed ^ 0xdead);
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(rng.u64(20..900)));
            host.kill();
            host.start_again();
        }
        stop.store(true, Ordering::Relaxed);
    });
    kills
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[expect(clippy::print_stdout, reason = "the seed must be known when the test fails")]
fn announce(text: &str) {
    println!("{text}");
}
