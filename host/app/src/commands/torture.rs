//! `saga torture`: kills a host of its own at every row of the crash table and at random moments, under load, starts it
//! again, and holds it to every promise it made.

mod api;
mod books;
mod child;
mod evidence;
mod installation;
mod ledger;
mod load;
mod plan;
mod report;
mod round;
mod row;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use fastrand::Rng;

use super::broker_choice::BrokerChoice;
use super::run::Signals;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::terminal::{Terminal, note, say, span};

use books::Books;
use installation::Installation;
use report::Report;
use round::{Outcome, Round};
use row::Row;

/// A part of a long run: long enough for several deaths, short enough that a violation is found soon after its cause.
const KILL_TIME: std::ops::RangeInclusive<Duration> = Duration::from_millis(1_500)..=Duration::from_secs(12);
/// What a round takes besides: the slowest sagas, the end of the host, the reading of its data.
const ACCOUNT_TIME: Duration = Duration::from_secs(5);
/// Sagas after which the database begins anew: the books, the data folder and the time to read them stay bounded.
const LAP_SAGAS_MAX: u64 = 60_000;
/// The same by time.
const LAP_TIME_MAX: Duration = Duration::from_secs(900);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga torture                             a minute or two, every row of the crash table once or more
  saga torture --seconds 7200              hours: memory and disk stay flat
  saga torture --kills 500 --seed 7        until so many kills, with chosen numbers
  saga torture --row during-compaction --row random --seconds 300

It writes an installation with the example steps into a scratch folder here, runs it as a process of its own, loads it
over HTTP, kills it at each row, starts it again, and compares what clients were told with what the host knows, with
the journal of every saga, with every list and with every key-value. Exit status 1 if a promise was broken; the folder
and the clients' ledger are kept then.")]
pub struct Options {
    /// How long to go on. Every row is visited once at least.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=2_592_000))]
    pub seconds: u32,

    /// End after so many kills, even if there is time left.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub kills: Option<u64>,

    /// Where the random numbers begin: chosen at random if it is left out, and told at the end.
    #[arg(long)]
    pub seed: Option<u64>,

    /// Visit this row of the crash table only; may be given several times.
    #[arg(long = "row", value_name = "ROW")]
    pub rows: Vec<Row>,

    /// Clients that start sagas at the same time.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub clients: u32,

    /// Who carries the messages: `embedded`, or `kafka=HOST:PORT` for a cluster that can be written to. Topics are made
    /// under a prefix of this run and left there.
    #[arg(long, value_name = "BROKER", default_value = "embedded")]
    pub broker: BrokerChoice,

    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let rows: &[Row] = if options.rows.is_empty() { &Row::ALL } else { &options.rows };
    note(format_args!("seed {seed}"));
    // Before there is anything to leave behind.
    let stop = stop_on_signal()?;
    let installation = Installation::write(options.broker.clone())?;
    let progress = Progress::begin(format!("torturing a host in {}", installation.path().display()));
    let run = Run { options, rows, seed, stop, began: Instant::now(), progress: &progress };
    let mut report = run.rounds(&installation).with_context(|| format!("with {}", run.again()))?;
    report.took = run.began.elapsed();
    report.again = run.again();
    progress.end();
    if report.violation_count() > 0 {
        report.kept = Some(installation.keep());
    }
    if options.json {
        say(report.json())?;
    } else {
        say(report.page(Terminal::detect()))?;
    }
    Ok(Exit::of(report.violation_count() == 0))
}

/// The first SIGINT or SIGTERM ends the run in order, so that no host and no folder is left behind.
fn stop_on_signal() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("listening for signals")?;
    let mut signals = {
        let _entered = runtime.enter();
        Signals::listen()?
    };
    let flag = stop.clone();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let name = runtime.block_on(signals.next());
        note(format_args!("ending after {name}"));
        flag.store(true, Ordering::Relaxed);
    })?;
    Ok(stop)
}

struct Run<'a> {
    options: &'a Options,
    rows: &'a [Row],
    seed: u64,
    stop: Arc<AtomicBool>,
    began: Instant,
    progress: &'a Progress,
}

impl Run<'_> {
    /// Round after round until time, kills, patience or a promise ends.
    fn rounds(&self, installation: &Installation) -> anyhow::Result<Report> {
        let mut report = Report::new(self.seed, self.rows);
        let mut books = Books::default();
        let mut lap = (Instant::now(), 0);
        let mut seeds = Rng::with_seed(self.seed);
        for (number, row) in (0..).zip(self.rows.iter().cycle().copied()) {
            let visited = usize::try_from(number).unwrap_or(usize::MAX);
            if self.is_over(&report, visited) {
                break;
            }
            if lap.1 > LAP_SAGAS_MAX || lap.0.elapsed() > LAP_TIME_MAX {
                installation.forget()?;
                (books, lap) = (Books::default(), (Instant::now(), 0));
            }
            let round = Round {
                row,
                number,
                clients: self.options.clients,
                kill_time: self.kill_time(visited),
                kills_max: self.options.kills.unwrap_or(u64::MAX).saturating_sub(report.kills()),
                seed: seeds.u64(..),
                stop: &self.stop,
            };
            self.progress.next(self.line(row, &report, 0));
            let tell = |kills| self.progress.at(self.line(row, &report, kills));
            let outcome = round.run(installation, &mut books, &tell)?;
            lap.1 += outcome.sagas;
            self.tell_round(row, &outcome);
            report.add(row, outcome);
        }
        Ok(report)
    }

    fn is_over(&self, report: &Report, visited: usize) -> bool {
        let has_time = self.began.elapsed() < self.total() || visited < self.rows.len();
        let may_kill = self.options.kills.is_none_or(|kills| report.kills() < kills);
        !has_time || !may_kill || report.violation_count() > 0 || self.stop.load(Ordering::Relaxed)
    }

    fn total(&self) -> Duration {
        Duration::from_secs(self.options.seconds.into())
    }

    /// What is left, shared by the rows that were not visited yet; later all get the same.
    fn kill_time(&self, visited: usize) -> Duration {
        let rows = u32::try_from(self.rows.len().saturating_sub(visited).max(1)).unwrap_or(1);
        let share = self.total().saturating_sub(self.began.elapsed()) / rows;
        share.saturating_sub(ACCOUNT_TIME).clamp(*KILL_TIME.start(), *KILL_TIME.end())
    }

    fn line(&self, row: Row, report: &Report, kills: u64) -> String {
        let left = self.total().saturating_sub(self.began.elapsed()).as_secs();
        let (kills, sagas) = (report.kills() + kills, report.sagas());
        format!("{}: {kills} kills, {sagas} sagas, {left} s left", row.as_str())
    }

    fn tell_round(&self, row: Row, outcome: &Outcome) {
        if outcome.kills == 0 && !self.stop.load(Ordering::Relaxed) {
            note(format_args!("{} was not reached in this round", row.as_str()));
        }
        for what in outcome.violations.iter().take(3) {
            note(format_args!("violation at {}: {}", row.as_str(), crate::terminal::printable(what)));
        }
        if !outcome.violations.is_empty() {
            note(format_args!("after {}", span(self.began.elapsed())));
        }
    }

    /// The command that makes the same choices again.
    fn again(&self) -> String {
        let Options { seconds, kills, rows, clients, .. } = self.options;
        let kills = kills.map(|kills| format!(" --kills {kills}")).unwrap_or_default();
        let rows: String = rows.iter().map(|row| format!(" --row {}", row.as_str())).collect();
        format!("saga torture --seconds {seconds}{kills} --seed {}{rows} --clients {clients}", self.seed)
    }
}
