//! The clients: they start sagas, ask again when no answer comes, sometimes give up, and write down what they are told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use parking_lot::Mutex;
use serde_json::Value;

use super::api::{Answer, Api, events};
use super::ledger::Ledger;
use super::plan::{self, Planned};
use super::row::Row;
use crate::client::encode;
use crate::embedded::STEPS;

/// Bytes that a heavy saga carries through all its steps.
const PADDING_BYTES: usize = 64 << 10;
/// Versions of each step that take turns: enough that undoing meets an older one, few enough to be kept.
const VERSION_COUNT: u8 = 6;

/// What clients and the round share.
pub struct Field {
    pub row: Row,
    /// Where the host listens; none while there is none.
    base: Mutex<Option<String>>,
    ledger: Ledger,
    stop: AtomicBool,
    /// Nobody insists any more: the host does not come back.
    give_up: AtomicBool,
    /// What no host may answer to a start.
    wrong: Mutex<Vec<String>>,
}

impl Field {
    pub fn new(row: Row, ledger: Ledger) -> Self {
        Self {
            row,
            base: Mutex::default(),
            ledger,
            stop: AtomicBool::new(false),
            give_up: AtomicBool::new(false),
            wrong: Mutex::default(),
        }
    }

    pub fn set_base(&self, base: Option<String>) {
        *self.base.lock() = base;
    }

    pub fn base(&self) -> Option<String> {
        self.base.lock().clone()
    }

    /// Start no more sagas.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn give_up(&self) {
        self.stop();
        self.give_up.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub fn into_parts(self) -> (Ledger, Vec<String>) {
        (self.ledger, self.wrong.into_inner())
    }
}

/// One client until the field is stopped. `name` tells its sagas from all others.
pub fn client(field: &Field, name: &str, seed: u64) -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed);
    let api = Api::new();
    let padding = if field.row.is_heavy() { padding(&mut rng) } else { String::new() };
    let mut number = 0;
    while !field.is_over() {
        number += 1;
        let together = plan::next(&mut rng, &format!("{name}-{number}"));
        let insist = if together.len() > 1 { Insist::ToTheEnd } else { Insist::ForAWhile };
        for planned in &together {
            start(field, &api, &mut rng, planned, insist, &padding)?;
        }
    }
    Ok(())
}

/// Listen to live events until the field is stopped, and write down every end that is told.
pub fn listen(field: &Field) -> anyhow::Result<()> {
    while !field.is_over() {
        let Some(events) = field.base().and_then(|base| events(&base)) else {
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        for event in events {
            let event: Value = serde_json::from_str(&event).unwrap_or_default();
            if let (Some("ended"), Some(id), Some(at)) =
                (event["event"].as_str(), event["global-id"].as_str(), event["at"].as_str())
            {
                field.ledger.heard(id, at)?;
            }
            if field.is_over() {
                break;
            }
        }
    }
    Ok(())
}

/// How long a client asks for the same saga.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Insist {
    /// Another saga needs this one.
    ToTheEnd,
    /// It may give up; then nobody knows whether the saga exists.
    ForAWhile,
}

fn start(
    field: &Field,
    api: &Api,
    rng: &mut Rng,
    planned: &Planned,
    insist: Insist,
    padding: &str,
) -> anyhow::Result<()> {
    field.ledger.wish(planned)?;
    let path = format!("/v1/use-cases/{}/sagas", encode(planned.use_case));
    let body = padded(&planned.body, rng, padding);
    loop {
        let answer = field.base().and_then(|base| {
            let key = [("idempotency-key", planned.id.as_str()), ("prefer", "wait=5")];
            let waits = insist == Insist::ForAWhile && rng.bool();
            api.post(&base, &path, if waits { &key } else { &key[..1] }, &body)
        });
        match answer {
            Some(Answer { status: 202, .. }) => return field.ledger.accepted(&planned.id),
            Some(answer @ Answer { status: 200, .. }) => {
                let status = answer.member("status");
                return field.ledger.told(&planned.id, status.as_str().unwrap_or("nothing"));
            }
            // Too much waits, or it is just starting or ending: a client comes again.
            Some(Answer { status: 429 | 503, .. }) => {}
            None if insist == Insist::ForAWhile && rng.u8(..4) == 0 => return Ok(()),
            None => {}
            Some(Answer { status, text }) => {
                field.wrong.lock().push(format!("the start of saga {} was answered {status}: {text}", planned.id));
                return Ok(());
            }
        }
        let over = match insist {
            Insist::ToTheEnd => field.give_up.load(Ordering::Relaxed),
            Insist::ForAWhile => field.is_over(),
        };
        if over {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(rng.u64(5..30)));
    }
}

/// Hexadecimal digits at random, which no compression makes small.
fn padding(rng: &mut Rng) -> String {
    (0..2 * PADDING_BYTES).map(|_| char::from_digit(rng.u32(..16), 16).unwrap_or('0')).collect()
}

/// The body with something to carry, which no step looks at.
fn padded(body: &Value, rng: &mut Rng, padding: &str) -> String {
    let mut body = body.clone();
    if !padding.is_empty() {
        let from = rng.usize(..PADDING_BYTES);
        body["padding"] = padding[from..from + PADDING_BYTES].into();
    }
    body.to_string()
}

/// Replace one step after the other, until the field is stopped.
pub fn replace_plugins(
    field: &Field,
    installation: &super::installation::Installation,
    seed: u64,
) -> anyhow::Result<()> {
    let mut rng = Rng::with_seed(seed);
    while !field.is_over() {
        let step = &STEPS[rng.usize(..STEPS.len())];
        installation.replace(step, rng.u8(..VERSION_COUNT))?;
        std::thread::sleep(Duration::from_millis(rng.u64(20..200)));
    }
    Ok(())
}
