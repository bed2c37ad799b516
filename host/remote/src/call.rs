//! A call on its way to a worker and back: it goes to the next one as long as none has it under a lease.

use host_core::outcome::{Answer, Fault, FaultKind};
use host_runtime::{Call, Effects, Place, Report, Running, Usage};
use tokio::sync::oneshot;

use crate::Remote;
use crate::desk::TakenPlace;
use crate::work::Offer;

/// A place with a worker; none if the step went while it was waited for.
struct WithWorker {
    remote: Remote,
    place: Option<TakenPlace>,
}

impl Place for WithWorker {
    fn call(self: Box<Self>, call: Call) -> Running<'static> {
        let Self { remote, place } = *self;
        Running::new(async move { remote.made(place, call).await })
    }
}

impl Remote {
    pub(crate) fn placed(&self, place: Option<TakenPlace>) -> Box<dyn Place> {
        Box::new(WithWorker { remote: self.clone(), place })
    }

    /// Make the call, at this place if its worker is still there.
    pub(crate) async fn made(&self, mut place: Option<TakenPlace>, call: Call) -> Report {
        loop {
            let taken = match place.take() {
                Some(taken) => taken,
                None => match self.next_place(&call).await {
                    Some(taken) => taken,
                    None => return report_of(unserved(&call)),
                },
            };
            let (end, ended) = oneshot::channel();
            if !taken.offer(Offer { call: call.clone(), end }) {
                continue;
            }
            // Dropped without an end, it never came to a lease: the worker left before it was handed over.
            if let Ok(report) = ended.await {
                return *report;
            }
        }
    }

    async fn next_place(&self, call: &Call) -> Option<TakenPlace> {
        self.desk(&call.address)?.place().await
    }
}

fn unserved(call: &Call) -> Answer {
    let address = &call.address;
    let reason = format!("{address} is no remote step of this host any more; put {address}.toml back, or a component");
    Answer::Fault(Fault { kind: FaultKind::Unavailable, reason })
}

/// What a call without effects leaves.
pub(crate) fn report_of(answer: Answer) -> Report {
    Report { answer, digest: None, effects: Effects::default(), usage: Usage::default() }
}
