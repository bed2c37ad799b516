//! Sagas that have ended: what they leave in memory while they can still be asked for, and when they are forgotten.

use super::memory::Memory;
use super::shape::Metrics;
use super::table::Table;
use super::{Scratch, note, place, volley, wait_for};
use crate::host::Host;

/// Nothing is allowed, which cannot be measured: an allocator gives back what it does not need in pieces.
const NOISE_MIB: f64 = 5.0;
/// Enough for caches, pools and the database's buffers to be as full as they get.
const WARMING: u64 = 100_000;

pub(super) fn measure(scratch: Scratch<'_>, sagas: u64) -> Table {
    let mut table = Table::new("finished");
    let mut host = Host::start(place::with_noops(scratch));
    run(&host, WARMING, WARMING);
    let before = Memory::settled(&host);
    table.told("resident before", before.resident, "MiB");

    note(&format!("running {sagas} sagas"));
    let rate = run(&host, sagas, WARMING + sagas);
    table.told("finished a second, over HTTP", rate, "sagas/s");
    table.told("resident right after", Memory::of(&host).resident - before.resident, "MiB more");
    let after = Memory::settled(&host);
    table.bounded(format!("{sagas} finished sagas, kept, add"), after.resident - before.resident, "MiB", NOISE_MIB);
    table.told("disk", Metrics::of(&host).disk_mib(), "MiB");

    note("forgetting them");
    host.terminate();
    host.set_environment(&[("SAGA_RETENTION_FINISHED", "1s")]);
    host.start_again();
    wait_for("every saga is forgotten", || (Metrics::of(&host).sagas("completed") == 0).then_some(()));
    let forgotten = Memory::settled(&host);
    table.bounded("  forgotten, add", forgotten.resident - before.resident, "MiB", NOISE_MIB);
    table.told("disk", Metrics::of(&host).disk_mib(), "MiB");
    table
}

/// Start so many sagas and wait until there are `total` that have ended. Answers how many ended a second.
fn run(host: &Host, sagas: u64, total: u64) -> f64 {
    let began = std::time::Instant::now();
    volley::send(host.address(), place::USE_CASE, sagas, |number| {
        format!(r#"{{"order-id":"{number}","amount":12.5}}"#)
    });
    wait_for("every saga has ended", || (Metrics::of(host).sagas("completed") >= total).then_some(()));
    sagas as f64 / began.elapsed().as_secs_f64()
}
