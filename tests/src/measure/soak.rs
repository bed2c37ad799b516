//! A steady load for as long as asked for, at a rate that does not follow the host (an open loop): rate, latency,
//! memory and disk minute by minute, and at the end whether they have stayed flat once retention had begun to forget.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::memory::Memory;
use super::shape::Metrics;
use super::table::Table;
use super::wire::Connection;
use super::{Scratch, Soak, note, place};
use crate::host::Host;

/// Growth from the first third to the last third of the minutes after retention began, in parts of the first: merges
/// of the database make single minutes differ by more than a trend of this size.
const GROWTH_MAX: f64 = 0.15;
/// Sagas that were started in parts of those that should have been.
const RATE_MIN: f64 = 0.99;

/// One minute.
#[derive(Debug, Clone, Copy)]
struct Minute {
    rate: f64,
    p50: Duration,
    p99: Duration,
    resident_mib: f64,
    disk_mib: f64,
}

pub(super) fn measure(scratch: Scratch<'_>, soak: &Soak) -> Table {
    let installation = place::with_noops(scratch);
    let kept = format!("{}s", soak.kept_seconds);
    let host = Host::start_with(
        installation,
        &[("SAGA_RETENTION_FINISHED", &kept), ("SAGA_RETENTION_LOG_AGE", &kept), ("SAGA_LOG_LEVEL", "warn")],
    );
    let clock = Clock { began: Instant::now(), rate: soak.rate, next: AtomicU64::new(0) };
    let (stop, latencies) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let minutes = std::thread::scope(|scope| {
        for _ in 0..soak.connections {
            scope.spawn(|| drive(host.address(), &clock, &stop, &latencies));
        }
        let minutes = (0..soak.minutes).map(|number| minute(&host, number, &clock, &latencies)).collect();
        stop.store(true, Ordering::Relaxed);
        minutes
    });
    verdict(soak, minutes)
}

/// Which saga is due when: the n-th start belongs to the n-th tick of the rate, whatever became of those before.
struct Clock {
    began: Instant,
    rate: u64,
    next: AtomicU64,
}

impl Clock {
    fn next_due(&self) -> Instant {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.began + Duration::from_nanos(number.saturating_mul(1_000_000_000 / self.rate))
    }
}

/// One connection: waits for a saga's time, runs it to its end. A saga that could not begin in time has waited in the
/// client, and its latency counts from when it was due.
fn drive(address: SocketAddr, clock: &Clock, stop: &AtomicBool, latencies: &Mutex<Vec<Duration>>) {
    let path = format!("/v1/use-cases/{}/sagas", place::USE_CASE);
    let mut connection = Connection::open(address).expect("the host listens");
    while !stop.load(Ordering::Relaxed) {
        let due = clock.next_due();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let status = connection.post(&path, "prefer: wait=30\r\n", r#"{"order-id":"soak","amount":12.5}"#);
        assert_eq!(status.ok(), Some(200), "a saga under steady load");
        latencies.lock().expect("no connection panicked").push(due.elapsed());
    }
}

/// Look at the host for a minute.
fn minute(host: &Host, number: u64, clock: &Clock, latencies: &Mutex<Vec<Duration>>) -> Minute {
    let end = clock.began + Duration::from_secs(60 * (number + 1));
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    let mut taken = std::mem::take(&mut *latencies.lock().expect("no connection panicked"));
    taken.sort_unstable();
    let at = |percent: usize| taken.get(taken.len() * percent / 100).copied().unwrap_or_default();
    let minute = Minute {
        rate: taken.len() as f64 / 60.0,
        p50: at(50),
        p99: at(99),
        resident_mib: Memory::of(host).resident,
        disk_mib: Metrics::of(host).disk_mib(),
    };
    let Minute { rate, p50, p99, resident_mib, disk_mib } = minute;
    note(&format!(
        "minute {:3}  {rate:7.0} sagas/s  p50 {:6.1} ms  p99 {:7.1} ms  resident {resident_mib:6.1} MiB  disk {disk_mib:7.1} MiB",
        number + 1,
        p50.as_secs_f64() * 1e3,
        p99.as_secs_f64() * 1e3,
    ));
    minute
}

fn verdict(soak: &Soak, minutes: Vec<Minute>) -> Table {
    let mut table = Table::new("soak");
    // Until the first sagas are forgotten everything grows, and a while after it merges are still behind.
    let warming = usize::try_from(soak.kept_seconds.div_ceil(60) + 2).unwrap_or(usize::MAX);
    let steady = minutes.get(warming.min(minutes.len())..).unwrap_or_default();
    let third = steady.len() / 3;
    let growth = |of: fn(&Minute) -> f64| {
        let mean = |part: &[Minute]| part.iter().map(of).sum::<f64>() / part.len().max(1) as f64;
        let (first, last) = (mean(&steady[..third]), mean(&steady[steady.len() - third..]));
        if first > 0.0 { last / first - 1.0 } else { f64::INFINITY }
    };
    let mean_rate = minutes.iter().map(|minute| minute.rate).sum::<f64>() / minutes.len().max(1) as f64;
    table.told("asked for", soak.rate as f64, "sagas/s");
    table.bounded("left out of what was asked for", 1.0 - mean_rate / soak.rate as f64, "parts", 1.0 - RATE_MIN);
    table.bounded("growth of resident memory", growth(|minute| minute.resident_mib), "parts", GROWTH_MAX);
    table.bounded("growth of the disk", growth(|minute| minute.disk_mib), "parts", GROWTH_MAX);
    for (what, percentile) in [("p50", Minute::p50_ms as fn(&Minute) -> f64), ("p99", Minute::p99_ms)] {
        let mut values: Vec<f64> = minutes.iter().map(percentile).collect();
        values.sort_by(f64::total_cmp);
        table.told(
            format!("{what}, median of the minutes"),
            values.get(values.len() / 2).copied().unwrap_or_default(),
            "ms",
        );
    }
    table
}

impl Minute {
    fn p50_ms(&self) -> f64 {
        self.p50.as_secs_f64() * 1e3
    }

    fn p99_ms(&self) -> f64 {
        self.p99.as_secs_f64() * 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soak() -> Soak {
        Soak { minutes: 12, rate: 100, kept_seconds: 60, connections: 1 }
    }

    fn minutes(disk: impl Fn(f64) -> f64) -> Vec<Minute> {
        let minute = |number: i32| Minute {
            rate: 100.0,
            p50: Duration::from_millis(2),
            p99: Duration::from_millis(9),
            resident_mib: 50.0,
            disk_mib: disk(f64::from(number)),
        };
        (0..12).map(minute).collect()
    }

    #[test]
    fn what_levels_off_after_retention_is_flat_and_what_goes_on_growing_is_not() {
        assert!(verdict(&soak(), minutes(|number| 100.0 * number.min(3.0) + 50.0)).is_met());
        let grows = verdict(&soak(), minutes(|number| 100.0 + 20.0 * number));
        assert!(!grows.is_met(), "{grows}");
    }

    #[test]
    fn a_host_that_falls_behind_is_found() {
        let mut slow = minutes(|_| 100.0);
        slow.iter_mut().for_each(|minute| minute.rate = 90.0);
        assert!(!verdict(&soak(), slow).is_met());
    }
}
