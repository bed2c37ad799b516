//! Transactional producers, used in turn: while the marks of one's transaction are written, the next one works.
//! One whose transaction had no certain end is thrown away, and so is one that lost a connection, on which a request
//! may still be on its way that it has sent again since. The one that takes its place is initialised anew, which raises
//! its epoch: what the old one still has on its way is refused by the cluster.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};

use super::cluster::ANSWER_MAX;
use super::options::KafkaOptions;
use super::positions::Positions;
use super::{refusal, voice};
use crate::Error;

/// The word by which the library tells of a connection that failed. It tells the first one of each client, whatever it
/// leaves out later.
const CONNECTION_FAILED: &str = "FAIL";

/// What became of a message, by its number in the batch.
type Report = (usize, Result<u64, KafkaError>);

/// Gathers what became of messages.
#[derive(Default)]
pub(super) struct Reports {
    reports: Mutex<Vec<Report>>,
    /// A connection was lost, or requests on it timed out.
    is_cut: AtomicBool,
}

impl ClientContext for Reports {
    /// Told by the thread of the connection, before what was on its way is sent again.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        voice::log(level, facility, message);
        if facility == CONNECTION_FAILED && !refusal::is_unconnected(message) {
            self.is_cut.store(true, Ordering::Release);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        voice::complain(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let report = match result {
            Ok(record) => Ok(u64::try_from(record.offset()).unwrap_or_default()),
            Err((error, _)) => Err(error.clone()),
        };
        self.reports.lock().push((number, report));
    }
}

/// A transactional producer.
pub(super) struct Client {
    pub client: Arc<BaseProducer<Reports>>,
    /// By which the positions of its transactions go.
    pub positions: Positions,
    number: usize,
    /// It must not be used again.
    pub is_spent: bool,
}

impl Client {
    fn open(options: &KafkaOptions, number: usize) -> Result<Self, Error> {
        let config = options.producer(number);
        let client = options.make_producer(&config, Reports::default())?;
        let doing =
            format!("beginning with the transactional id {}", config.get("transactional.id").unwrap_or_default());
        client.init_transactions(ANSWER_MAX).map_err(|error| Error::cluster(&doing, &error))?;
        let positions = Positions::of(client.clone())?;
        Ok(Self { client, positions, number, is_spent: false })
    }

    fn is_cut(&self) -> bool {
        self.client.context().is_cut.load(Ordering::Acquire)
    }

    pub(super) fn clear_reports(&self) {
        self.client.context().reports.lock().clear();
    }

    pub(super) fn take_reports(&self) -> Vec<Report> {
        std::mem::take(&mut *self.client.context().reports.lock())
    }
}

/// The pool.
pub(super) struct Producers {
    options: KafkaOptions,
    /// In the order in which they are used.
    idle: Mutex<VecDeque<Slot>>,
}

enum Slot {
    Ready(Client),
    /// To be made anew, with this number.
    Empty(usize),
}

impl Producers {
    pub(super) fn open(options: &KafkaOptions) -> Result<Self, Error> {
        // All are made at once: it tells whether the cluster can be reached and takes transactions, and what a host
        // before this one has left open is aborted before anything is read.
        let clients = (0..options.producer_count.max(1)).map(|number| Client::open(options, number).map(Slot::Ready));
        Ok(Self { options: options.clone(), idle: Mutex::new(clients.collect::<Result<_, _>>()?) })
    }

    /// The next one in turn.
    pub(super) fn take(&self) -> Result<Client, Error> {
        let next = self.idle.lock().pop_front();
        let next = match next {
            Some(Slot::Ready(client)) if client.is_cut() => Some(Slot::Empty(client.number)),
            next => next,
        };
        match next {
            Some(Slot::Ready(client)) => Ok(client),
            Some(Slot::Empty(number)) => Client::open(&self.options, number).inspect_err(|_| {
                self.idle.lock().push_front(Slot::Empty(number));
            }),
            None => unreachable!("one thread makes transactions, and gives back what it took"),
        }
    }

    pub(super) fn give_back(&self, client: Client) {
        let slot = if client.is_spent { Slot::Empty(client.number) } else { Slot::Ready(client) };
        self.idle.lock().push_back(slot);
    }
}
