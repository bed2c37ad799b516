//! A burst on a cluster: a foreign producer puts it on the topic of a first step while no host runs, then hosts drain
//! it. How fast they do, and what that takes of memory.

use std::process::Command;
use std::time::Instant;

use super::memory::Memory;
use super::shape::Metrics;
use super::table::Table;
use super::{Drain, Scratch, note, place, wait_for};
use crate::artefacts;
use crate::host::Host;

/// What a burst may take of memory while it is drained, whatever its size: windows of deliveries, one transaction, the
/// buffers of the clients, and the database's.
const BURST_MIB: f64 = 256.0;

pub(super) fn measure(scratch: Scratch<'_>, options: &Drain) -> Table {
    let mut table = Table::new("drain");
    let prefix = format!("measure-{}.", std::process::id());
    let steps = &place::STEPS[..options.steps.clamp(1, place::STEPS.len())];

    note("making the topics");
    let hosts = start(scratch, options, &prefix, steps);
    let idle = Memory::settled(&hosts[0]).resident;
    table.told("resident before", idle, "MiB");
    drop(hosts);

    note(&format!("putting {} messages on {}.in", options.sagas, steps[0]));
    fill(options, &prefix, steps);

    let hosts = start(scratch, options, &prefix, steps);
    let completed = || Metrics::of(&hosts[0]).sagas("completed");
    let (first, began) = wait_for("the first saga has ended", || match completed() {
        0 => None,
        count => Some((count, Instant::now())),
    });
    let mut told = Instant::now();
    wait_for("every saga has ended", || {
        let count = completed();
        if told.elapsed().as_secs() >= 5 {
            told = Instant::now();
            note(&format!("{count} have ended"));
        }
        (count >= options.sagas).then_some(())
    });
    let rate = (options.sagas - first) as f64 / began.elapsed().as_secs_f64();
    table.told(format!("drained by {} hosts, sagas of {} steps", hosts.len(), steps.len()), rate, "sagas/s");
    let peak = hosts.iter().map(|host| host.peak_resident_kib() as f64 / 1024.0).fold(0.0, f64::max);
    table.bounded("resident at most, the largest host", peak - idle, "MiB more", BURST_MIB);
    table
}

/// All at once, as each would have a share of the work to itself until the next comes.
fn start(scratch: Scratch<'_>, options: &Drain, prefix: &str, steps: &[&str]) -> Vec<Host> {
    let several = if options.hosts > 1 { "several" } else { "one" };
    let partitions = options.partitions.to_string();
    let begin = |number: usize| {
        let name = format!("measure-{number}");
        let environment = [
            ("SAGA_BROKER_KIND", "kafka"),
            ("SAGA_BROKER_BOOTSTRAP", &*options.bootstrap),
            ("SAGA_BROKER_PREFIX", prefix),
            ("SAGA_BROKER_HOSTS", several),
            ("SAGA_BROKER_PARTITIONS", &*partitions),
            ("SAGA_HOST_NAME", &*name),
        ];
        Host::start_with(place::with_noops_at(scratch, steps), &environment)
    };
    std::thread::scope(|scope| {
        let begun: Vec<_> = (0..options.hosts).map(|number| scope.spawn(move || begin(number))).collect();
        begun.into_iter().map(|host| host.join().expect("a host starts")).collect()
    })
}

/// By the program that is the yardstick of a cluster.
fn fill(options: &Drain, prefix: &str, steps: &[&str]) {
    let program = artefacts::target_dir().join("release").join("saga-yardstick-kafka");
    let mut command = Command::new(&program);
    command.args(["--bootstrap", &options.bootstrap, "fill", "--step", &steps.join(",")]);
    command.args(["--topic", &format!("{prefix}{}.in", steps[0]), "--messages", &options.sagas.to_string()]);
    let output = command.output().unwrap_or_else(|error| {
        panic!("{}: {error}; build it with cargo build --release --bin saga-yardstick-kafka", program.display())
    });
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
