//! One round: load, kill at one row of the table again and again, leave the host alone, and hold it to account.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use fastrand::Rng;

use super::books::Books;
use super::child::{Heard, Host, died};
use super::evidence::{self, Folder};
use super::installation::{FINISHED_KEPT, Installation};
use super::ledger::{Ledger, Wish};
use super::load::{Field, client, listen, replace_plugins};
use super::plan::End;
use super::row::Row;
use super::verdict::{end, judge};

/// How long a host may take to be ready: well under a second, on a machine that does nothing else.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// More than a host gives its calls to end.
const STOP_TIME_MAX: Duration = Duration::from_secs(40);
/// How long a fail point may take to be reached under load; then the host is killed from outside and does not count.
const REACH_TIME_MAX: Duration = Duration::from_secs(60);
/// One random kill in four comes so many milliseconds after the start, often before the host is ready.
const KILL_AFTER_START_MS: std::ops::Range<u64> = 20..1_000;
/// The others come so many milliseconds after it was ready, in the midst of the load.
const KILL_AFTER_READY_MS: std::ops::Range<u64> = 10..1_500;
/// How often it is asked whether the run is to end.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a host may live.
#[derive(Debug, Clone, Copy)]
enum Patience {
    AfterStart(Duration),
    AfterReady(Duration),
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What a round is to do.
pub struct Round<'a> {
    pub row: Row,
    pub number: u32,
    pub clients: u32,
    /// How long to go on killing; at least one kill is made.
    pub kill_time: Duration,
    pub kills_max: u64,
    pub seed: u64,
    /// The person at the keyboard has had enough.
    pub stop: &'a AtomicBool,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub kills: u64,
    pub sagas: u64,
    pub completed: u64,
    pub compensated: u64,
    /// Ends that clients were told.
    pub told: u64,
    /// Ends that live events told.
    pub heard: u64,
    pub violations: Vec<String>,
}

impl Round<'_> {
    pub fn run(
        &self,
        installation: &Installation,
        books: &mut Books,
        tell: &(dyn Fn(u64) + Sync),
    ) -> anyhow::Result<Outcome> {
        let began = Instant::now();
        let field = Field::new(self.row, Ledger::create(&installation.ledger())?);
        let mut outcome = Outcome::default();
        let host = self.kill_under_load(installation, &field, &mut outcome, tell)?;
        let Some((host, base)) = host else { return Ok(outcome) };
        let (ledger, wrong) = field.into_parts();
        outcome.violations.extend(wrong);
        let wishes = ledger.read_back()?;
        self.hold_to_account(installation, host, &base, &wishes, books, &mut outcome)?;
        // Otherwise a saga that was forgotten in time would look like one that was lost.
        anyhow::ensure!(
            began.elapsed() < FINISHED_KEPT || outcome.violations.is_empty(),
            "a round took {} s, longer than the host keeps finished sagas; use fewer --clients on this machine",
            began.elapsed().as_secs()
        );
        Ok(outcome)
    }

    /// Clients and kills. Answers the host that runs afterwards; none if it does not start any more.
    fn kill_under_load(
        &self,
        installation: &Installation,
        field: &Field,
        outcome: &mut Outcome,
        tell: &(dyn Fn(u64) + Sync),
    ) -> anyhow::Result<Option<(Host, String)>> {
        thread::scope(|scope| {
            let mut seeds = Rng::with_seed(self.seed);
            let mut workers = Vec::new();
            for number in 0..self.clients {
                let (name, seed) = (format!("t{}-{number}", self.number), seeds.u64(..));
                workers.push(scope.spawn(move || client(field, &name, seed)));
            }
            workers.push(scope.spawn(move || listen(field)));
            if self.row.replaces_plugins() {
                let seed = seeds.u64(..);
                workers.push(scope.spawn(move || replace_plugins(field, installation, seed)));
            }
            let killed = self.kill(installation, field, &mut seeds, outcome, tell);
            let host = killed.and_then(|()| ready(installation, field, outcome));
            match &host {
                Ok(Some(_)) => field.stop(),
                Ok(None) | Err(_) => field.give_up(),
            }
            for worker in workers {
                worker.join().expect("a client does not panic")?;
            }
            host
        })
    }

    /// Start a host and let it die, again and again.
    fn kill(
        &self,
        installation: &Installation,
        field: &Field,
        rng: &mut Rng,
        outcome: &mut Outcome,
        tell: &(dyn Fn(u64) + Sync),
    ) -> anyhow::Result<()> {
        let until = Instant::now() + self.kill_time;
        while outcome.kills < self.kills_max && !self.stop.load(Ordering::Relaxed) {
            if Instant::now() >= until && outcome.kills > 0 {
                break;
            }
            let armed = self.row.armed(rng);
            let host = Host::start(installation, armed.as_deref())?;
            let patience = match self.row {
                Row::At(_) => Patience::AfterStart(REACH_TIME_MAX),
                Row::Random if rng.u8(..4) == 0 => Patience::AfterStart(ms(rng.u64(KILL_AFTER_START_MS))),
                Row::Random => Patience::AfterReady(ms(rng.u64(KILL_AFTER_READY_MS))),
            };
            let has_ended = self.follow(&host, field, patience);
            field.set_base(None);
            match (has_ended, self.row) {
                (true, _) => {
                    let mut host = host;
                    let status = host.wait()?;
                    if !died(status) {
                        outcome.violations.push(format!("the host ended by itself with {status}; see host.log"));
                        return Ok(());
                    }
                    outcome.kills += 1;
                }
                (false, Row::Random) => {
                    host.kill()?;
                    outcome.kills += 1;
                }
                // The place was not reached: nothing was shown.
                (false, Row::At(_)) => {
                    host.kill()?;
                    break;
                }
            }
            tell(outcome.kills);
        }
        Ok(())
    }

    /// Let the clients know when it is ready. True if it has ended before patience did.
    fn follow(&self, host: &Host, field: &Field, patience: Patience) -> bool {
        let mut until = Instant::now()
            + match patience {
                Patience::AfterStart(span) => span,
                Patience::AfterReady(_) => START_TIME_MAX,
            };
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match host.hear(left.min(LOOK_INTERVAL)) {
                Heard::Ready(base) => {
                    field.set_base(Some(base));
                    if let Patience::AfterReady(span) = patience {
                        until = Instant::now() + span;
                    }
                }
                Heard::Ended => return true,
                Heard::Nothing if left.is_zero() || self.stop.load(Ordering::Relaxed) => return false,
                Heard::Nothing => {}
            }
        }
    }

    /// Everything that was promised, against everything that is there.
    fn hold_to_account(
        &self,
        installation: &Installation,
        host: Host,
        base: &str,
        wishes: &BTreeMap<String, Wish>,
        books: &mut Books,
        outcome: &mut Outcome,
    ) -> anyhow::Result<()> {
        let statuses = evidence::statuses(base, wishes)?;
        let status_of = |id: &str| statuses.get(id).and_then(Option::as_deref);
        for (id, wish) in wishes {
            outcome.sagas += u64::from(status_of(id).is_some());
            outcome.told += wish.told.len() as u64;
            outcome.heard += wish.heard.len() as u64;
            let Some(end) = end(status_of(id)) else { continue };
            match end {
                End::Completed => outcome.completed += 1,
                End::Compensated => outcome.compensated += 1,
            }
            books.enter(id, wish, end);
        }
        outcome.violations.extend(evidence::left_over(base, books.told_count)?);
        match host.terminate(STOP_TIME_MAX)? {
            Some(status) if status.success() => {}
            Some(status) => {
                outcome.violations.push(format!("after SIGTERM the host ended with {status}; see host.log"))
            }
            None => outcome.violations.push(format!("the host did not end within {STOP_TIME_MAX:?} of SIGTERM")),
        }
        let folder = Folder::open(&installation.database()).context("opening the data folder of the ended host")?;
        for (id, wish) in wishes {
            let found = judge(wish, status_of(id), &folder.journal(id)?);
            outcome.violations.extend(found.into_iter().map(|what| format!("saga {id}: {what}")));
        }
        let audit = folder.audit()?;
        outcome.violations.extend(audit.differences.into_iter().map(|difference| match difference.global_id {
            Some(id) => format!("saga {id}: the projection differs: {}", difference.what),
            None => format!("the projection differs: {}", difference.what),
        }));
        let parked = folder.parked_count()?;
        if parked > 0 && outcome.violations.is_empty() {
            outcome.violations.push(format!("{parked} messages are parked, and no saga waits"));
        }
        outcome.violations.extend(books.compare(&folder.rows()?));
        Ok(())
    }
}

/// A host that nobody kills.
fn ready(installation: &Installation, field: &Field, outcome: &mut Outcome) -> anyhow::Result<Option<(Host, String)>> {
    let mut host = Host::start(installation, None)?;
    match host.hear(START_TIME_MAX) {
        Heard::Ready(base) => {
            field.set_base(Some(base.clone()));
            Ok(Some((host, base)))
        }
        Heard::Ended => {
            let status = host.wait()?;
            outcome.violations.push(format!("the host does not start any more: it ended with {status}; see host.log"));
            Ok(None)
        }
        Heard::Nothing => {
            outcome.violations.push(format!("the host is not ready after {START_TIME_MAX:?}; see host.log"));
            host.kill()?;
            Ok(None)
        }
    }
}
