//! The embedded commit: broker and store share one database, so a unit is one part of one write batch. Group commit:
//! while one batch is being synced the next one gathers; there is no timer, and of its size there is only a bound.
//! Visible before durable, released after durable (external synchrony, Nightingale et al., OSDI 2006): a unit's effects
//! are visible inside the process when `submit` returns. The log is one sequence, so a crash loses a suffix, never a
//! hole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use async_trait::async_trait;
use host_broker::{Gather, JointBroker, Page};
use host_core::id::Lsn;
use host_core::table::{Batch, Durability, Table, Tables};
use host_core::unit::Unit;
use host_store::{Committed, JointStore};
use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::{Commit, NotTaken, Refused, Stopped};
use crate::clock::Clock;
use crate::failpoint::{self, FailPoint, FailPoints};
use crate::limits::{FAILURE_LOOK, FOLLOWER_BATCHES_MAX, RELEASE_BATCH_MAX, TIMER_SLEEP_MAX};

/// The committer and the thread that writes.
pub struct Joint<S: JointStore, B: JointBroker> {
    shared: Arc<Shared<S, B>>,
    /// The writer, then the follower if there is one.
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

struct Shared<S: JointStore, B: JointBroker> {
    store: Arc<S>,
    broker: Arc<B>,
    tables: Arc<dyn Tables>,
    clock: Arc<dyn Clock>,
    fail_points: Arc<FailPoints>,
    /// Units that the open batch may hold.
    units_max: usize,
    /// Guards the open batch: the order of units is the order in which this lock was taken.
    open: Mutex<Open<S::Open, B::Open>>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes submitters who found the open batch full.
    room: Notify,
    /// Guards what became durable and who waits for it.
    progress: Mutex<Progress>,
    followers: Mutex<Vec<mpsc::Sender<Arc<Committed>>>>,
    /// Grows when another host may have changed what waits, or a mark.
    state: watch::Sender<u64>,
}

struct Open<S, B> {
    last: Lsn,
    unit_count: usize,
    store: S,
    broker: B,
    ending: Option<Ending>,
}

/// Why no unit is taken any more.
#[derive(Clone)]
enum Ending {
    /// What is open is still written.
    Closing,
    Failed(Stopped),
}

#[derive(Default)]
struct Progress {
    durable: Lsn,
    failed: Option<Stopped>,
    waiters: BTreeMap<(Lsn, u64), oneshot::Sender<()>>,
    next_waiter: u64,
}

impl<S: JointStore, B: JointBroker> Joint<S, B> {
    /// Start the writer. `last` is the last unit that the tables hold, and a batch has at most `units_max`.
    pub fn start(
        store: Arc<S>,
        broker: Arc<B>,
        tables: Arc<dyn Tables>,
        clock: Arc<dyn Clock>,
        fail_points: Arc<FailPoints>,
        last: Lsn,
        units_max: usize,
    ) -> std::io::Result<Arc<Self>> {
        let open = Open { last, unit_count: 0, store: S::Open::default(), broker: B::Open::default(), ending: None };
        let shared = Arc::new(Shared {
            store,
            broker,
            tables,
            clock,
            fail_points,
            units_max,
            open: Mutex::new(open),
            work: Condvar::new(),
            room: Notify::new(),
            progress: Mutex::new(Progress { durable: last, ..Progress::default() }),
            followers: Mutex::new(Vec::new()),
            state: watch::Sender::new(0),
        });
        let writer = thread::Builder::new().name("saga-commit".to_owned()).spawn({
            let shared = shared.clone();
            move || shared.write_batches()
        })?;
        let follower = match shared.broker.is_followed() {
            true => Some(thread::Builder::new().name("saga-follow".to_owned()).spawn({
                let shared = shared.clone();
                move || shared.follow_hosts(last)
            })?),
            false => None,
        };
        let threads = [Some(writer), follower].into_iter().flatten().collect();
        Ok(Arc::new(Self { shared, threads: Mutex::new(threads) }))
    }

    /// Take no more units, write what is open, and end the writer. Blocks until it is done.
    pub fn close(&self) {
        {
            let mut open = self.shared.open.lock();
            open.ending.get_or_insert(Ending::Closing);
        }
        self.shared.work.notify_all();
        self.shared.room.notify_waiters();
        let mut threads = std::mem::take(&mut *self.threads.lock()).into_iter();
        // A panic of the writer was already reported by its own hook; the progress says that it stopped.
        threads.next().map(thread::JoinHandle::join);
        self.shared.stopped(Stopped::shutting_down());
        // The follower ends when the broker is stopped.
        threads.next().map(thread::JoinHandle::join);
    }

    /// Move delayed messages whose time has come into their topics, as one unit. Answers how many.
    pub fn move_due(&self, limit: usize) -> Result<usize, Stopped> {
        let shared = &self.shared;
        let mut open = shared.open.lock();
        open.refuse_if_ending()?;
        let lsn = Lsn(open.last.0 + 1);
        let moved = shared.broker.take_due(&mut open.broker, lsn, shared.clock.now(), limit);
        if moved > 0 {
            open.last = lsn;
            open.unit_count += 1;
            shared.work.notify_one();
        }
        Ok(moved)
    }

    /// Deliver delayed messages when their time has come, until `stop`.
    pub async fn run_delays(self: Arc<Self>, stop: CancellationToken) {
        let shared = self.shared.clone();
        while let Ok(moved) = self.move_due(RELEASE_BATCH_MAX) {
            if moved == RELEASE_BATCH_MAX {
                tokio::task::yield_now().await;
                continue;
            }
            let sleep = match shared.broker.next_due() {
                Ok(Some(due)) => due.since(shared.clock.now()).min(TIMER_SLEEP_MAX),
                Ok(None) => TIMER_SLEEP_MAX,
                Err(error) => {
                    tracing::error!(%error, "delayed messages cannot be read");
                    TIMER_SLEEP_MAX
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = shared.broker.due_changed().notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }
}

impl<S, B> Open<S, B> {
    fn refuse_if_ending(&self) -> Result<(), Stopped> {
        match &self.ending {
            None => Ok(()),
            Some(Ending::Closing) => Err(Stopped::shutting_down()),
            Some(Ending::Failed(stopped)) => Err(stopped.clone()),
        }
    }
}

#[async_trait]
impl<S: JointStore, B: JointBroker> Commit for Joint<S, B> {
    fn try_submit(&self, unit: &mut Unit) -> Result<Lsn, NotTaken> {
        let shared = &self.shared;
        // Outside the lock: it is the same moment for everything in the unit.
        let now = shared.clock.now();
        let mut open = shared.open.lock();
        open.refuse_if_ending().map_err(|stopped| NotTaken::Refused(stopped.into()))?;
        if open.unit_count >= shared.units_max {
            return Err(NotTaken::Full);
        }
        if unit.ack.as_ref().is_some_and(|ack| !shared.broker.holds(ack)) {
            return Err(NotTaken::Refused(Refused::Lost));
        }
        let lsn = Lsn(open.last.0 + 1);
        let staged = shared.store.stage(&mut open.store, lsn, unit);
        staged.map_err(|conflict| NotTaken::Refused(conflict.into()))?;
        shared.broker.stage(&mut open.broker, lsn, now, unit);
        open.last = lsn;
        open.unit_count += 1;
        let is_first = open.unit_count == 1;
        drop(open);
        if is_first {
            shared.work.notify_one();
        }
        Ok(lsn)
    }

    async fn room(&self) {
        let room = self.shared.room.notified();
        tokio::pin!(room);
        // Registered before the look, so that room made in between is not missed.
        room.as_mut().enable();
        if self.shared.open.lock().unit_count >= self.shared.units_max {
            room.await;
        }
    }

    async fn durable(&self, lsn: Lsn) -> Result<(), Stopped> {
        let waiter = {
            let mut progress = self.shared.progress.lock();
            if progress.durable >= lsn {
                return Ok(());
            }
            if let Some(stopped) = &progress.failed {
                return Err(stopped.clone());
            }
            let (sender, waiter) = oneshot::channel();
            let number = progress.next_waiter;
            progress.next_waiter += 1;
            progress.waiters.insert((lsn, number), sender);
            waiter
        };
        match waiter.await {
            Ok(()) => Ok(()),
            // The sender was dropped: the writer stopped before it came to this unit.
            Err(_) => {
                let failed = self.shared.progress.lock().failed.clone();
                Err(failed.unwrap_or_else(Stopped::shutting_down))
            }
        }
    }

    fn follow(&self) -> mpsc::Receiver<Arc<Committed>> {
        let (sender, receiver) = mpsc::channel(FOLLOWER_BATCHES_MAX);
        self.shared.followers.lock().push(sender);
        receiver
    }

    fn state(&self) -> watch::Receiver<u64> {
        self.shared.state.subscribe()
    }
}

impl<S: JointStore, B: JointBroker> Shared<S, B> {
    /// The writer: one batch after the other until the end.
    fn write_batches(&self) {
        while let Some((store, broker, lsn)) = self.take_open() {
            self.fail_points.hit(FailPoint::BeforeCommit);
            let mut batch = Batch::default();
            let records = self.store.seal(store, lsn, &mut batch);
            if let Err(error) = self.broker.seal(broker, lsn, &records, &mut batch) {
                return self.fail(&error, error.restart_helps());
            }
            if self.broker.is_followed() {
                // The cluster holds it: the tables here get it together with what other hosts commit.
                self.fail_points.hit(FailPoint::AfterCommit);
                self.broker.written(lsn);
                self.advance(lsn);
                self.tell_reached();
                continue;
            }
            if let Err(error) = self.write(batch) {
                return self.fail(&error, false);
            }
            self.fail_points.hit(FailPoint::AfterCommit);
            self.store.written(lsn);
            self.broker.written(lsn);
            self.advance(lsn);
            if !records.is_empty() {
                self.tell_followers(Arc::new(Committed { lsn, records }));
            }
        }
    }

    /// The follower: one page after the other until the broker is stopped.
    fn follow_hosts(&self, mut last: Lsn) {
        while let Some(Page { records, rows: mut batch }) = self.broker.next_page() {
            last = Lsn(last.0 + 1);
            let changes_state = batch.writes.iter().any(|write| write.table != Table::Meta);
            if let Err(error) = self.store.follow(&records, last, &mut batch) {
                return self.fail(&error, false);
            }
            if let Err(error) = self.tables.write(batch, Durability::Visible) {
                return self.fail(&error, false);
            }
            self.broker.page_written();
            self.tell_reached();
            if changes_state {
                self.state.send_modify(|version| *version += 1);
            }
            if !records.is_empty() {
                self.tell_followers(Arc::new(Committed { lsn: last, records }));
            }
        }
    }

    /// Reads that wait for what this host has committed may go on as far as the tables hold it.
    fn tell_reached(&self) {
        if let Some(lsn) = self.broker.reached() {
            self.store.written(lsn);
        }
    }

    fn fail(&self, error: &dyn std::error::Error, restart_helps: bool) {
        tracing::error!(%error, "a batch cannot be committed, no more work is taken");
        self.stopped(Stopped { reason: error.to_string().into(), restart_helps });
    }

    fn write(&self, batch: Batch) -> Result<(), host_core::table::Error> {
        if self.fail_points.is_due(FailPoint::BeforeSync) {
            // What has reached the log outlives the process: the next host finds a batch of which nobody was told.
            let _ = self.tables.write(batch, Durability::Visible);
            failpoint::die();
        }
        self.tables.write(batch, self.broker.durability())
    }

    /// Wait for something to write and take all of it. None when there is nothing and no more will come.
    fn take_open(&self) -> Option<(S::Open, B::Open, Lsn)> {
        let mut open = self.open.lock();
        while open.unit_count == 0 {
            if open.ending.is_some() {
                return None;
            }
            if self.work.wait_for(&mut open, FAILURE_LOOK).timed_out()
                && let Some(error) = self.broker.failure()
            {
                drop(open);
                self.fail(&error, error.restart_helps());
                return None;
            }
        }
        self.gather(&mut open);
        open.unit_count = 0;
        let taken = (std::mem::take(&mut open.store), std::mem::take(&mut open.broker), open.last);
        drop(open);
        self.room.notify_waiters();
        Some(taken)
    }

    /// Where a commit costs far more than a step, wait for the steps that follow at once on what is staged: a saga
    /// whose steps are all here is then one commit.
    fn gather(&self, open: &mut MutexGuard<'_, Open<S::Open, B::Open>>) {
        let Some(Gather { gap, at_most }) = self.broker.gather() else { return };
        let until = Instant::now() + at_most;
        let mut seen = 0;
        while open.unit_count > seen
            && open.unit_count < self.units_max
            && open.ending.is_none()
            && Instant::now() < until
        {
            seen = open.unit_count;
            MutexGuard::unlocked(open, || thread::sleep(gap));
        }
    }

    fn advance(&self, lsn: Lsn) {
        let mut ready = Vec::new();
        {
            let mut progress = self.progress.lock();
            progress.durable = lsn;
            while let Some(first) = progress.waiters.first_entry() {
                if first.key().0 > lsn {
                    break;
                }
                ready.push(first.remove());
            }
        }
        for waiter in ready {
            // The waiter may have gone away: nobody is owed an answer then.
            let _ = waiter.send(());
        }
    }

    fn tell_followers(&self, committed: Arc<Committed>) {
        let followers = self.followers.lock().clone();
        for follower in &followers {
            // Blocks while the follower is behind: that is the back-pressure. A closed follower is dropped below.
            let _ = follower.blocking_send(committed.clone());
        }
        self.followers.lock().retain(|follower| !follower.is_closed());
    }

    /// No batch will be written any more: refuse units and let every waiter know.
    fn stopped(&self, stopped: Stopped) {
        {
            let mut open = self.open.lock();
            match &open.ending {
                Some(Ending::Failed(_)) => {}
                Some(Ending::Closing) | None => open.ending = Some(Ending::Failed(stopped.clone())),
            }
        }
        let waiters = {
            let mut progress = self.progress.lock();
            progress.failed.get_or_insert(stopped);
            std::mem::take(&mut progress.waiters)
        };
        drop(waiters);
        self.room.notify_waiters();
        self.followers.lock().clear();
        self.store.stopped();
        self.broker.stopped();
    }
}
