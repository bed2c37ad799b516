//! The places that connections have: a bounded number, and which of them is given up when one more comes.
//! A connection is *idle* while the host owes it nothing: no request of it is being answered and nothing is left to be
//! written. Only an idle one is given up, the one that was idle longest first, so that clients who hold connections
//! open and ask nothing cannot keep out those who ask.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// A connection that was answered is not idle before so much time has passed: a client that asks all the time must not
/// lose its connection between two of its requests.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);

/// A request is being answered.
const BUSY: u64 = 0;
/// The place was given to another connection.
const GIVEN_UP: u64 = u64::MAX;

/// All places.
pub(super) struct Places {
    count_max: usize,
    /// Cancelled when the host stops.
    stop: CancellationToken,
    epoch: Instant,
    open: Mutex<Open>,
}

/// Guarded by `Places::open`: held for one look-up, and for one look over all when the last place is taken.
#[derive(Default)]
struct Open {
    next: u64,
    by_number: HashMap<u64, Arc<State>>,
}

/// What one connection does, shared between its own task and whoever looks for a place.
struct State {
    /// `BUSY`, `GIVEN_UP`, or since when it is idle: twice the microseconds, plus one if it was never answered.
    activity: AtomicU64,
    /// Bytes of an answer wait for the client to take them.
    is_writing: AtomicBool,
    /// Cancelled when the host stops, and when the place is given up. One of its own, because each wake of a
    /// connection looks at it and the lock inside must not be everybody's.
    end: CancellationToken,
}

/// A connection's place, free again when this is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
    state: Arc<State>,
}

/// A request of a connection is being answered, until this is dropped.
pub(super) struct Answering {
    state: Arc<State>,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(count_max: usize, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { count_max, stop, epoch: Instant::now(), open: Mutex::default() })
    }

    /// A free place, or that of the connection that was idle longest; none if all are busy. The second value says
    /// whether another connection lost its place.
    pub(super) fn take(self: &Arc<Self>) -> Option<(Place, bool)> {
        let mut open = self.open.lock();
        let is_full = open.by_number.len() >= self.count_max;
        if is_full {
            let number = self.give_up_one(&open)?;
            open.by_number.remove(&number);
        }
        let state = Arc::new(State {
            activity: AtomicU64::new(self.now() << 1 | 1),
            is_writing: AtomicBool::new(false),
            end: self.stop.child_token(),
        });
        open.next += 1;
        let number = open.next;
        open.by_number.insert(number, Arc::clone(&state));
        Some((Place { places: Arc::clone(self), number, state }, is_full))
    }

    /// Those that never asked come first: they have shown nothing that they are here for.
    fn give_up_one(&self, open: &Open) -> Option<u64> {
        let now = self.now();
        loop {
            let idle = open.by_number.iter().filter_map(|(number, state)| state.idle_since(now).map(|at| (at, number)));
            let (seen, number) = idle.min_by_key(|(activity, _)| (*activity & 1 == 0, *activity))?;
            let state = &open.by_number[number];
            // It may have begun to ask in this moment; then it keeps its place and another one is looked for.
            if state.activity.compare_exchange(seen, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                state.end.cancel();
                return Some(*number);
            }
        }
    }

    /// Microseconds: enough for half a million years.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX >> 2).max(1)
    }
}

impl State {
    /// The activity, if it says that the connection can be given up.
    fn idle_since(&self, now: u64) -> Option<u64> {
        let activity = self.activity.load(Ordering::Acquire);
        let was_answered = activity & 1 == 0;
        let between = u64::try_from(BETWEEN_REQUESTS.as_micros()).unwrap_or(u64::MAX);
        let is_idle = activity != BUSY
            && activity != GIVEN_UP
            && !self.is_writing.load(Ordering::Acquire)
            && (!was_answered || (activity >> 1).saturating_add(between) <= now);
        is_idle.then_some(activity)
    }
}

impl Place {
    /// A request came. None if the place was given up: then nobody hears an answer, and nothing may be done.
    pub(super) fn begin(&self) -> Option<Answering> {
        let begun = self
            .state
            .activity
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |activity| (activity != GIVEN_UP).then_some(BUSY));
        begun.ok().map(|_| Answering { state: Arc::clone(&self.state), places: Arc::clone(&self.places) })
    }

    /// Told by the stream whenever it changes.
    pub(super) fn writing(&self) -> impl Fn(bool) + Send + Sync + use<> {
        let state = Arc::clone(&self.state);
        move |is_writing| state.is_writing.store(is_writing, Ordering::Release)
    }

    /// Ends when the host stops or the place was given to another connection. Cancel-safe.
    pub(super) async fn end(&self) {
        self.state.end.cancelled().await;
    }

    pub(super) fn is_given_up(&self) -> bool {
        self.state.activity.load(Ordering::Acquire) == GIVEN_UP
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.open.lock().by_number.remove(&self.number);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.state.activity.store(self.places.now() << 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if this place's connection had been answered, and idle for a while since.
    fn idle(place: &Place, micros: u64) {
        place.state.activity.store(micros << 1, Ordering::Release);
    }

    /// Places whose clock has run for a while.
    fn places(count_max: usize) -> Arc<Places> {
        let epoch = Instant::now().checked_sub(Duration::from_secs(60)).expect("a machine that is up for a minute");
        Arc::new(Places { count_max, stop: CancellationToken::new(), epoch, open: Mutex::default() })
    }

    fn take(places: &Arc<Places>) -> Place {
        places.take().map(|(place, _)| place).expect("a place")
    }

    #[test]
    fn who_never_asked_goes_first_then_who_was_idle_longest() {
        let places = places(4);
        let all: Vec<Place> = (0..4).map(|_| take(&places)).collect();
        idle(&all[0], 2_000_000);
        idle(&all[1], 1_000_000);
        let _busy = all[3].begin().expect("it has its place");
        let mut kept = Vec::new();
        for loser in [2, 1, 0] {
            let (next, made_room) = places.take().expect("one is idle");
            assert!(made_room && all[loser].is_given_up(), "{loser}");
            kept.push((next.begin().expect("it has its place"), next));
        }
        assert!(places.take().is_none(), "all are busy");
        assert!(!all[3].is_given_up() && kept.iter().all(|(_, place)| !place.is_given_up()));
    }

    #[test]
    fn a_connection_between_two_requests_keeps_its_place() {
        let places = places(1);
        let place = take(&places);
        drop(place.begin().expect("it has its place"));
        assert!(places.take().is_none(), "it was answered a moment ago");
        idle(&place, 1);
        place.writing()(true);
        assert!(places.take().is_none(), "its answer is still on the way");
        place.writing()(false);
        assert!(places.take().is_some_and(|(_, made_room)| made_room));
    }

    #[test]
    fn a_request_on_a_place_that_was_given_up_is_not_begun() {
        let places = places(1);
        let first = take(&places);
        let second = take(&places);
        assert!(first.begin().is_none());
        drop(first);
        assert!(second.begin().is_some(), "the end of the first frees no place of others");
        assert!(places.take().is_none());
        drop(second);
        assert!(places.take().is_some_and(|(_, made_room)| !made_room));
    }
}
