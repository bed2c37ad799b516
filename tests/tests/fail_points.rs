//! The host dies exactly where it hurts: before and after a call, before and after the write of a batch. Goal: the same
//! as being killed at random, at each row of the crash table. Method: arm a fail point, load until the host has died by
//! itself, start it again, and hold it to account.

use std::sync::atomic::{AtomicBool, Ordering};

use saga_tests::host::Host;
use saga_tests::installation::Installation;
use saga_tests::load::{Ledger, client};
use saga_tests::verdict::hold_to_account;

fn die_at(point: &str, hit: u64) {
    let mut host = Host::start_with(Installation::for_load(), &[("SAGA_FAIL_POINT", &format!("{point}:{hit}"))]);
    let ledger = Ledger::create(&host.installation.path().join("ledger.jsonl"));
    let stop = AtomicBool::new(false);
    let api = host.api.clone();
    std::thread::scope(|scope| {
        for name in 0..3 {
            let (api, ledger, stop) = (&api, &ledger, &stop);
            scope.spawn(move || client(api, ledger, name, hit + name as u64, stop));
        }
        let status = host.wait_for_end();
        assert_eq!(status.code(), None, "it aborted, it did not end: {status}");
        host.set_environment(&[]);
        host.start_again();
        stop.store(true, Ordering::Relaxed);
    });
    let count = hold_to_account(&host, &ledger);
    assert!(count.completed > 0, "too little happened to show anything: {count:?}");
}

#[test]
fn a_death_before_a_call_loses_and_doubles_nothing() {
    die_at("before-execute", 150);
}

#[test]
fn a_death_after_a_call_loses_and_doubles_nothing() {
    die_at("after-execute", 150);
}

#[test]
fn a_death_before_a_batch_is_written_loses_and_doubles_nothing() {
    die_at("before-commit", 40);
}

#[test]
fn a_death_after_a_batch_is_written_loses_and_doubles_nothing() {
    die_at("after-commit", 40);
}
