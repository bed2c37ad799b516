//! The load and the threads: clients that wait for their saga, two threads that run steps, the writer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use hdrhistogram::Histogram;

use crate::guest::{Instance, Step};
use crate::message::{self, Envelope};
use crate::writer::{Effect, Writer};
use crate::{Kind, Options};

/// Two cores, two threads.
const STEP_THREADS: usize = 2;
/// More than the largest number of clients can have on their way.
const QUEUE_MAX: usize = 1 << 16;
/// How often a thread without work looks whether the end has come.
pub const LOOK: Duration = Duration::from_millis(20);
const WARM_UP: Duration = Duration::from_secs(1);

pub struct Counted {
    pub saga_count: u64,
    pub took: Duration,
    pub latencies: Histogram<u64>,
}

/// A saga that is over.
pub struct Ended {
    started: Instant,
}

struct Queued {
    place: u64,
    message: Vec<u8>,
    started: Instant,
}

/// What starts sagas and runs steps.
#[derive(Clone)]
struct Line {
    queue: Sender<Queued>,
    effects: Sender<Effect>,
    place_next: Arc<AtomicU64>,
}

impl Line {
    fn place(&self) -> u64 {
        self.place_next.fetch_add(1, Ordering::Relaxed)
    }

    fn start(&self, saga_number: u64) -> anyhow::Result<()> {
        let (place, message) = (self.place(), message::first(saga_number)?);
        self.effects.send(Effect::Start { place, message: message.clone() })?;
        Ok(self.queue.send(Queued { place, message, started: Instant::now() })?)
    }
}

/// Measure for as long as the options say.
pub fn run(options: &Options, folder: &Path) -> anyhow::Result<Counted> {
    let step = match options.kind {
        Kind::Reused | Kind::Fresh => Some(Step::load(&options.step).with_context(|| {
            format!("loading {}; make it with `cargo build --release -p host-app`", options.step.display())
        })?),
        Kind::Native => None,
    };
    let ((queue, queued), (effects, to_write)) = (bounded(QUEUE_MAX), bounded(QUEUE_MAX));
    let line = Line { queue, effects, place_next: Arc::default() };
    let stop = Arc::new(AtomicBool::new(false));
    let (ends, ended) = bounded(QUEUE_MAX);
    thread::scope(|scope| {
        let steps: Vec<_> = (0..STEP_THREADS)
            .map(|_| {
                let (line, queued, step, stop) = (line.clone(), queued.clone(), step.clone(), stop.clone());
                scope.spawn(move || run_steps(&line, &queued, step.as_ref(), options.kind, &stop))
            })
            .collect();
        for number in 0..u64::from(options.clients) {
            line.start(number)?;
        }
        let writer = Writer::open(folder)?;
        let write = scope.spawn({
            let (stop, clients) = (stop.clone(), u64::from(options.clients));
            move || write(writer, &line, &to_write, clients, &ends, &stop)
        });
        let counted = count(&ended, Duration::from_secs(options.seconds));
        stop.store(true, Ordering::Relaxed);
        // Keeps the writer from waiting for a reader that has gone.
        while ended.recv().is_ok() {}
        write.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
        for step in steps {
            step.join().map_err(|_| anyhow::anyhow!("a thread of steps panicked"))??;
        }
        counted
    })
}

/// Write until the end has come; each saga that is over makes its client start the next.
fn write(
    writer: Writer,
    line: &Line,
    to_write: &Receiver<Effect>,
    clients: u64,
    ends: &Sender<Duration>,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let mut saga_number = clients;
    let mut failed = Ok(());
    writer.run(
        to_write,
        |ended| {
            // The end of the measurement has no reader any more.
            let _ = ends.send(ended.started.elapsed());
            if !stop.load(Ordering::Relaxed) && failed.is_ok() {
                failed = line.start(saga_number);
                saga_number += 1;
            }
        },
        stop,
    )?;
    failed
}

fn run_steps(
    line: &Line,
    queued: &Receiver<Queued>,
    step: Option<&Step>,
    kind: Kind,
    stop: &AtomicBool,
) -> anyhow::Result<()> {
    let mut kept: Option<Instance> = None;
    while !stop.load(Ordering::Relaxed) {
        let queued = match queued.recv_timeout(LOOK) {
            Ok(queued) => queued,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        let envelope: Envelope<'_> = serde_json::from_slice(&queued.message)?;
        let body = match step {
            None => envelope.body.get().to_owned(),
            Some(step) => {
                let mut instance = kept.take().map_or_else(|| step.instance(), Ok)?;
                let body = instance.handle(&envelope)?;
                kept = (kind == Kind::Reused).then_some(instance);
                body
            }
        };
        settle(line, &queued, &envelope, &body)?;
    }
    Ok(())
}

fn settle(line: &Line, queued: &Queued, envelope: &Envelope<'_>, body: &str) -> anyhow::Result<()> {
    let mut record_key = envelope.meta.global_id.as_bytes().to_vec();
    record_key.extend_from_slice(&envelope.meta.position.to_be_bytes());
    let (consumed, started) = (queued.place, queued.started);
    match message::next(envelope, body)? {
        Some(message) => {
            let place = line.place();
            let next = Some((place, message.clone()));
            line.effects.send(Effect::Step { record_key, consumed, next, ended: None })?;
            line.queue.send(Queued { place, message, started })?;
        }
        None => {
            let ended = Some(Ended { started });
            line.effects.send(Effect::Step { record_key, consumed, next: None, ended })?;
        }
    }
    Ok(())
}

/// Count what ends after the warming up.
fn count(ended: &Receiver<Duration>, seconds: Duration) -> anyhow::Result<Counted> {
    let mut latencies = Histogram::new_with_bounds(1, 60_000_000, 3)?;
    let warm = Instant::now() + WARM_UP;
    while Instant::now() < warm {
        ended.recv_timeout(WARM_UP)?;
    }
    let began = Instant::now();
    let mut saga_count = 0;
    while began.elapsed() < seconds {
        let latency = ended.recv_timeout(WARM_UP)?;
        latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        saga_count += 1;
    }
    Ok(Counted { saga_count, took: began.elapsed(), latencies })
}
