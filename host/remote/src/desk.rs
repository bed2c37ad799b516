//! Where the hands of a lane and the workers of one step meet: workers take seats, hands are given the places at them.
//! Invariant: a seat that its worker has left has no place here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::manifest::Manifest;
use host_core::time::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, mpsc};

use crate::leases::Leases;
use crate::work::Offer;
use crate::{WorkerInfo, limits};

/// Of one step.
pub(crate) struct Desk {
    /// Of today.
    manifest: RwLock<Arc<Manifest>>,
    state: Mutex<State>,
    /// Wakes hands that wait for a place.
    places: Notify,
}

#[derive(Default)]
struct State {
    /// Places that nobody has taken, in the order in which workers asked.
    free: VecDeque<FreePlace>,
    next_seat: u64,
    workers: BTreeMap<String, Seen>,
    /// The step is none of this host's any more.
    is_closed: bool,
}

struct FreePlace {
    seat: u64,
    offers: mpsc::Sender<Offer>,
}

#[derive(Clone, Copy)]
struct Seen {
    at: Timestamp,
    since: Instant,
}

impl Desk {
    pub(crate) fn new(manifest: Arc<Manifest>) -> Self {
        Self { manifest: RwLock::new(manifest), state: Mutex::default(), places: Notify::new() }
    }

    pub(crate) fn manifest(&self) -> Arc<Manifest> {
        self.manifest.read().clone()
    }

    pub(crate) fn govern(&self, manifest: Arc<Manifest>) {
        *self.manifest.write() = manifest;
    }

    /// Whoever waits for a place here waits in vain and goes elsewhere.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.places.notify_waiters();
    }

    /// Wait for a place with a worker; none once the desk is closed. Cancel-safe.
    pub(crate) async fn place(&self) -> Option<TakenPlace> {
        loop {
            let more = self.places.notified();
            tokio::pin!(more);
            // Registered before the look, so that a place that comes in between is not missed.
            more.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.is_closed {
                    return None;
                }
                if let Some(place) = state.free.pop_front() {
                    return Some(TakenPlace { offers: place.offers });
                }
            }
            more.await;
        }
    }

    /// A worker of this name was heard of.
    pub(crate) fn seen(&self, name: &str) {
        let mut state = self.state.lock();
        let now = Seen { at: Timestamp::from_system_time(std::time::SystemTime::now()), since: Instant::now() };
        if !state.workers.contains_key(name) && state.workers.len() >= limits::WORKER_COUNT_MAX {
            let silent = state.workers.iter().min_by_key(|(_, seen)| seen.since).map(|(name, _)| name.clone());
            silent.map(|name| state.workers.remove(&name));
        }
        state.workers.insert(name.to_owned(), now);
    }

    /// Who was heard of lately, or holds a call.
    pub(crate) fn workers(&self, leases: &Leases) -> Vec<WorkerInfo> {
        let held = leases.held(&self.manifest().address);
        let mut state = self.state.lock();
        state.workers.retain(|name, seen| held.contains_key(name) || seen.since.elapsed() < limits::WORKER_KEPT);
        let info = |(name, seen): (&String, &Seen)| WorkerInfo {
            name: name.clone(),
            last_seen: seen.at,
            in_flight_count: held.get(name).copied().unwrap_or_default(),
        };
        state.workers.iter().map(info).collect()
    }
}

/// A place that a hand has taken. It is of use once.
#[derive(Debug)]
pub(crate) struct TakenPlace {
    offers: mpsc::Sender<Offer>,
}

impl TakenPlace {
    /// Hand a call over; false if the worker has left meanwhile.
    pub(crate) fn offer(self, offer: Offer) -> bool {
        self.offers.try_send(offer).is_ok()
    }
}

/// A worker that waits for work. When it leaves, the places that nobody took go with it.
pub(crate) struct Seat {
    desk: Arc<Desk>,
    number: u64,
    offers: mpsc::Receiver<Offer>,
}

impl Seat {
    /// With so many places.
    pub(crate) fn take(desk: &Arc<Desk>, count: usize) -> Self {
        // Each place is of use once, so there is always room.
        let (sender, offers) = mpsc::channel(count);
        let mut state = desk.state.lock();
        let number = state.next_seat;
        state.next_seat += 1;
        state.free.extend((0..count).map(|_| FreePlace { seat: number, offers: sender.clone() }));
        drop(state);
        desk.places.notify_waiters();
        Self { desk: desk.clone(), number, offers }
    }

    /// What is handed over: the first call within `wait`, and those that come at once behind it. Cancelled, what was
    /// handed over already goes to others.
    pub(crate) async fn handed(&mut self, wait: Duration) -> Vec<Offer> {
        let mut handed = Vec::new();
        // None: every place was taken, and given back without a call.
        match tokio::time::timeout(wait, self.offers.recv()).await {
            Ok(Some(first)) => handed.push(first),
            Ok(None) | Err(_) => return self.leave(handed),
        }
        let until = Instant::now() + limits::GATHER_MAX;
        // It ends by itself when all places are used: the last of their senders is gone.
        while let Ok(Some(next)) = tokio::time::timeout_at(until.into(), self.offers.recv()).await {
            handed.push(next);
        }
        self.leave(handed)
    }

    /// No more places; what was on its way through one that was taken comes along.
    fn leave(&mut self, mut handed: Vec<Offer>) -> Vec<Offer> {
        self.withdraw();
        self.offers.close();
        while let Ok(late) = self.offers.try_recv() {
            handed.push(late);
        }
        handed
    }

    fn withdraw(&self) {
        self.desk.state.lock().free.retain(|place| place.seat != self.number);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.withdraw();
    }
}
