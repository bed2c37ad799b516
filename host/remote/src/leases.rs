//! Calls that workers have in their hands: each under a lease that is renewed, answered, or runs out.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use host_core::call::Work;
use host_core::id::StepAddress;
use host_core::outcome::{Answer, Fault, FaultKind, Outcome};
use host_core::time::format_span;
use host_runtime::Report;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::call::report_of;
use crate::desk::Desk;
use crate::error::Refused;
use crate::work::Offer;

/// How a call that was handed out ended.
pub(crate) type End = Box<Report>;

/// All of them.
#[derive(Default)]
pub(crate) struct Leases {
    by_id: Mutex<HashMap<String, Lease>>,
}

struct Lease {
    address: StepAddress,
    worker: String,
    began: Instant,
    span: Duration,
    /// Of the whole call, however often the lease is renewed.
    time_max: Duration,
    runs_out: Instant,
    end: oneshot::Sender<End>,
}

impl Lease {
    /// Until when the worker may be silent, from `now`.
    fn until(&self, now: Instant) -> Instant {
        (now + self.span).min(self.began + self.time_max)
    }

    /// What becomes of a call whose worker was silent for too long, or at it for too long.
    fn ran_out(&self) -> Answer {
        let worker = &self.worker;
        if self.began + self.time_max <= self.runs_out {
            let span = format_span(self.time_max);
            let reason = format!("worker {worker} had not answered after {span}, which [limits] time allows a call");
            return Answer::Fault(Fault { kind: FaultKind::TimeLimit, reason });
        }
        let span = format_span(self.span);
        let reason = format!("the lease ran out: worker {worker} neither answered nor renewed it for {span}");
        Answer::Outcome(Outcome::Retry { reason, after: None })
    }
}

impl Leases {
    /// A worker has this call in its hands from now on.
    pub(crate) fn begin(&self, desk: &Desk, worker: &str, offer: Offer) -> Work {
        let manifest = desk.manifest();
        let span = manifest.remote.map_or(Duration::ZERO, |remote| remote.lease);
        let now = Instant::now();
        let mut lease = Lease {
            address: manifest.address.clone(),
            worker: worker.to_owned(),
            began: now,
            span,
            time_max: manifest.limits.time_max,
            runs_out: now,
            end: offer.end,
        };
        lease.runs_out = lease.until(now);
        let lease_span = lease.runs_out - now;
        // Two random halves: whoever knows one lease cannot guess another.
        let id = Uuid::new_v4().simple().to_string();
        self.by_id.lock().insert(id.clone(), lease);
        Work { lease: id, lease_span, call: offer.call }
    }

    /// Answers for how long the worker may be silent now.
    pub(crate) fn renew(&self, desk: &Desk, id: &str) -> Result<Duration, Refused> {
        let mut leases = self.by_id.lock();
        let lease = leases.get_mut(id).filter(|lease| lease.address == desk.manifest().address);
        let lease = lease.ok_or(Refused::LeaseOver)?;
        let now = Instant::now();
        // The sweep may be late: what ran out is not brought back.
        if lease.runs_out <= now {
            return Err(Refused::LeaseOver);
        }
        lease.runs_out = lease.until(now);
        desk.seen(&lease.worker);
        Ok(lease.runs_out - now)
    }

    /// The call was answered in time.
    pub(crate) fn end(&self, desk: &Desk, id: &str, report: Report) -> Result<(), Refused> {
        let now = Instant::now();
        let lease = {
            let mut leases = self.by_id.lock();
            let is_alive = |lease: &Lease| lease.address == desk.manifest().address && lease.runs_out > now;
            if !leases.get(id).is_some_and(is_alive) {
                return Err(Refused::LeaseOver);
            }
            leases.remove(id).ok_or(Refused::LeaseOver)?
        };
        desk.seen(&lease.worker);
        let mut report = Box::new(report);
        report.usage.took = now - lease.began;
        // The host is ending and does not wait for it any more: the message comes again after the start.
        lease.end.send(report).map_err(|_| Refused::Closed)
    }

    /// End what ran out.
    pub(crate) fn sweep(&self, now: Instant) {
        let over: Vec<Lease> = {
            let mut leases = self.by_id.lock();
            // Nobody waits for a call that was given up with its host.
            leases
                .extract_if(|_, lease| lease.runs_out <= now || lease.end.is_closed())
                .map(|(_, lease)| lease)
                .collect()
        };
        for lease in over {
            let mut report = Box::new(report_of(lease.ran_out()));
            report.usage.took = now - lease.began;
            let _ = lease.end.send(report);
        }
    }

    /// How many calls each worker of a step holds.
    pub(crate) fn held(&self, address: &StepAddress) -> BTreeMap<String, usize> {
        let mut held = BTreeMap::new();
        for lease in self.by_id.lock().values().filter(|lease| lease.address == *address) {
            *held.entry(lease.worker.clone()).or_default() += 1;
        }
        held
    }
}
