//! A host with ten plugins that does nothing: just after it has compiled them, and when it found them compiled.

use super::memory::Memory;
use super::table::Table;
use super::{Scratch, note, place};
use crate::host::Host;

const PLUGINS: usize = 10;
const RESIDENT_MIB_MAX: f64 = 60.0;

pub(super) fn measure(scratch: Scratch<'_>) -> Table {
    let mut table = Table::new("idle");
    let mut host = Host::start(place::with_examples(scratch, PLUGINS));
    tell(&mut table, &host, "compiled at this start");
    host.terminate();
    host.start_again();
    tell(&mut table, &host, "found compiled");
    table
}

fn tell(table: &mut Table, host: &Host, how: &str) {
    note(&format!("waiting for a host with {PLUGINS} plugins, {how}, to settle"));
    let memory = Memory::settled(host);
    table.bounded(format!("resident, {PLUGINS} Rust plugins, {how}"), memory.resident, "MiB", RESIDENT_MIB_MAX);
    table.told("  of it allocated", memory.anonymous, "MiB");
    table.told("  proportional share", memory.proportional, "MiB");
}
