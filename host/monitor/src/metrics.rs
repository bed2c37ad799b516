//! What the monitor counts, and the Prometheus text of `/metrics`. Every metric's name stands in `names`; label values
//! are bounded: route patterns, words of the contract, addresses up to a limit, never an id.

pub(crate) mod names;
mod render;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use host_core::id::{Direction, StepAddress};
use host_core::record::{Event, Record};
use host_core::saga::Status;
use parking_lot::Mutex;

use crate::limits::LABEL_VALUES_MAX;

pub(crate) use render::Page;

/// Upper bounds of the latency buckets in seconds: from an embedded commit to a long wait.
pub(crate) const SECONDS_BUCKETS: [f64; 14] =
    [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The monitor's own counters.
#[derive(Default)]
pub(crate) struct Metrics {
    /// By route pattern and status class. The lock is held for one look-up.
    requests: Mutex<BTreeMap<(&'static str, u8), Requests>>,
    /// By step and direction. The lock is held while one batch is counted.
    calls: Mutex<Calls>,
    sagas_started: AtomicU64,
    sagas_ended: [AtomicU64; 4],
    records_projected: AtomicU64,
    records_not_projected: AtomicU64,
    projection_is_stopped: AtomicBool,
    connections_open: AtomicU64,
    connections_refused: AtomicU64,
    /// In the order of `Cut::ALL`.
    connections_cut: [AtomicU64; Cut::ALL.len()],
}

/// Why the host ended a connection that its client had not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It was idle, and another one needed its place.
    MadeRoom,
    /// It was idle for too long.
    Idle,
    /// A head that did not come to its end.
    SlowHead,
    /// The client took nothing of its answer.
    StoppedReading,
    /// What it sent is no HTTP, or a head too large.
    Malformed,
}

impl Cut {
    const ALL: [Cut; 5] = [Cut::MadeRoom, Cut::Idle, Cut::SlowHead, Cut::StoppedReading, Cut::Malformed];

    fn as_str(self) -> &'static str {
        match self {
            Cut::MadeRoom => "made-room",
            Cut::Idle => "idle",
            Cut::SlowHead => "slow-head",
            Cut::StoppedReading => "stopped-reading",
            Cut::Malformed => "malformed",
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Requests {
    pub(crate) count: u64,
    pub(crate) seconds: Histogram,
}

/// Counts by bucket, with their sum.
#[derive(Debug, Clone, Default)]
pub(crate) struct Histogram {
    pub(crate) buckets: [u64; SECONDS_BUCKETS.len()],
    pub(crate) count: u64,
    pub(crate) seconds_sum: f64,
}

/// What was counted about the steps' calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    by_step: BTreeMap<StepAddress, [CallCounts; 2]>,
    /// Of the steps beyond the bound of label values.
    other: [CallCounts; 2],
}

/// One direction of one step.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallCounts {
    /// By event, in the order of `CALL_EVENTS`.
    pub(crate) by_event: [u64; CALL_EVENTS.len()],
    pub(crate) seconds: Histogram,
}

/// The events that a call can lead to.
pub(crate) const CALL_EVENTS: [&str; 6] = ["done", "compensated", "rejected", "retried", "waiting", "dead-lettered"];
/// The statuses in which a saga can be over.
pub(crate) const END_STATUSES: [Status; 4] =
    [Status::Completed, Status::Compensated, Status::CompensationFailed, Status::Closed];

impl Metrics {
    /// Count a batch of the journal.
    pub(crate) fn see(&self, records: &[Record]) {
        let mut calls = self.calls.lock();
        for record in records {
            match &record.event {
                Event::Started { .. } => add(&self.sagas_started, 1),
                Event::Ended { status } => {
                    let status = Status::from(*status);
                    let index = END_STATUSES.iter().position(|end| *end == status);
                    add(&self.sagas_ended[index.expect("END_STATUSES lists every end")], 1);
                }
                Event::Done { .. } => calls.see(record, 0),
                Event::Compensated { .. } => calls.see(record, 1),
                Event::Rejected { .. } => calls.see(record, 2),
                Event::Retried { .. } => calls.see(record, 3),
                Event::Waiting { .. } => calls.see(record, 4),
                Event::DeadLettered { .. } => calls.see(record, 5),
                Event::Signalled { .. } | Event::LateDropped { .. } | Event::NotRun | Event::Acted { .. } => {}
            }
        }
    }

    pub(crate) fn request(&self, route: &'static str, status: u16, took: Duration) {
        let class = u8::try_from(status / 100).unwrap_or(5);
        let mut requests = self.requests.lock();
        let counts = requests.entry((route, class)).or_default();
        counts.count += 1;
        counts.seconds.add(took);
    }

    pub(crate) fn projected(&self, record_count: usize) {
        add(&self.records_projected, record_count);
    }

    pub(crate) fn projection_failed(&self, record_count: usize) {
        add(&self.records_not_projected, record_count);
    }

    pub(crate) fn projection_stopped(&self) {
        self.projection_is_stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_projection_stopped(&self) -> bool {
        self.projection_is_stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn connection_opened(&self) {
        add(&self.connections_open, 1);
    }

    pub(crate) fn connection_closed(&self) {
        self.connections_open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_refused(&self) {
        add(&self.connections_refused, 1);
    }

    pub(crate) fn connection_cut(&self, why: Cut) {
        add(&self.connections_cut[why as usize], 1);
    }

    /// Write the monitor's own metrics.
    pub(crate) fn render(&self, page: &mut Page) {
        page.counter(names::SAGAS_STARTED, &[], get(&self.sagas_started));
        for (status, count) in END_STATUSES.iter().zip(&self.sagas_ended) {
            page.counter(names::SAGAS_ENDED, &[("status", status.as_str())], get(count));
        }
        let calls = self.calls.lock().clone();
        calls.render(page);
        let requests = self.requests.lock().clone();
        for ((route, class), counts) in &requests {
            let class = format!("{class}xx");
            page.counter(names::HTTP_REQUESTS, &[("route", route), ("status", &class)], counts.count);
        }
        for ((route, class), counts) in &requests {
            let class = format!("{class}xx");
            page.histogram(names::HTTP_SECONDS, &[("route", route), ("status", &class)], &counts.seconds);
        }
        page.gauge(names::HTTP_CONNECTIONS, &[], get(&self.connections_open) as f64);
        page.counter(names::HTTP_CONNECTIONS_REFUSED, &[], get(&self.connections_refused));
        for (why, count) in Cut::ALL.iter().zip(&self.connections_cut) {
            page.counter(names::HTTP_CONNECTIONS_CUT, &[("why", why.as_str())], get(count));
        }
        page.counter(names::RECORDS_PROJECTED, &[], get(&self.records_projected));
        page.counter(names::RECORDS_NOT_PROJECTED, &[], get(&self.records_not_projected));
    }
}

impl Calls {
    fn see(&mut self, record: &Record, event: usize) {
        if record.attempt == 0 {
            return;
        }
        let direction = match record.direction {
            Direction::Handle => 0,
            Direction::Compensate => 1,
        };
        let is_full = self.by_step.len() >= LABEL_VALUES_MAX;
        let counts = match self.by_step.get_mut(&record.address) {
            Some(counts) => counts,
            None if is_full => &mut self.other,
            None => self.by_step.entry(record.address.clone()).or_default(),
        };
        counts[direction].by_event[event] += 1;
        counts[direction].seconds.add(record.at.since(record.began_at));
    }

    fn render(&self, page: &mut Page) {
        let other = self.other.iter().any(|counts| counts.seconds.count > 0).then_some(("other", &self.other));
        let all: Vec<_> =
            self.by_step.iter().map(|(address, counts)| (address.as_str(), counts)).chain(other).collect();
        let directions = [Direction::Handle, Direction::Compensate];
        for (step, counts) in &all {
            for (direction, counts) in directions.iter().zip(counts.iter()) {
                for (event, count) in CALL_EVENTS.iter().zip(counts.by_event).filter(|(_, count)| *count > 0) {
                    let labels = [("step", *step), ("direction", direction.as_str()), ("event", event)];
                    page.counter(names::STEP_CALLS, &labels, count);
                }
            }
        }
        for (step, counts) in &all {
            for (direction, counts) in directions.iter().zip(counts.iter()) {
                if counts.seconds.count > 0 {
                    let labels = [("step", *step), ("direction", direction.as_str())];
                    page.histogram(names::STEP_CALL_SECONDS, &labels, &counts.seconds);
                }
            }
        }
    }
}

impl Histogram {
    fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        if let Some(index) = SECONDS_BUCKETS.iter().position(|bound| seconds <= *bound) {
            self.buckets[index] += 1;
        }
        self.count += 1;
        self.seconds_sum += seconds;
    }
}

fn add(counter: &AtomicU64, count: impl TryInto<u64>) {
    counter.fetch_add(count.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests;
