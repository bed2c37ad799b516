//! Sagas that wait for a signal: what they add to the memory of a host that was warm already, and to that of one that
//! was started with them.

use super::memory::Memory;
use super::shape::Metrics;
use super::table::Table;
use super::{Scratch, note, place, volley, wait_for};
use crate::host::Host;

const MORE_MIB_MAX: f64 = 50.0;
/// Sagas that come and go before the first look, so that what any load leaves behind is not taken for theirs.
const WARMING: u64 = 2_000;

pub(super) fn measure(scratch: Scratch<'_>, sagas: u64) -> Table {
    let mut table = Table::new("parked");
    let mut host = Host::start(place::with_instruments(scratch, &["one"]));
    volley::send(host.address(), "play", WARMING, |_| "{}".to_owned());
    wait_for("the warming sagas end", || (Metrics::of(&host).sagas("completed") == WARMING).then_some(()));
    let before = Memory::settled(&host);
    table.told("resident before", before.resident, "MiB");

    note(&format!("parking {sagas} sagas"));
    let took = volley::send(host.address(), "play", sagas, |number| {
        format!(r#"{{"order":{number},"one":{{"wait":"key-{number}","wait-ms":86400000}}}}"#)
    });
    wait_for("every saga waits", || (Metrics::of(&host).sagas("waiting") == sagas).then_some(()));
    table.told("parked a second", sagas as f64 / took.as_secs_f64(), "sagas/s");
    table.told("resident right after", Memory::of(&host).resident - before.resident, "MiB more");
    let after = Memory::settled(&host);
    table.bounded(format!("{sagas} parked sagas add"), after.resident - before.resident, "MiB", MORE_MIB_MAX);

    host.terminate();
    host.start_again();
    let again = Memory::settled(&host);
    table.bounded("  after a restart", again.resident - before.resident, "MiB", MORE_MIB_MAX);
    table.told("disk", Metrics::of(&host).disk_mib(), "MiB");
    table
}
