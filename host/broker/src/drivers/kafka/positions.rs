//! Hands the positions of a transaction to the library on a thread of their own, as its call does not always return:
//! it looks for the group's coordinator, and when that is just moving and the one who is asked says that it is none,
//! the library waits until one of its connections comes or goes, which on a quiet cluster may be never. The time-out of
//! the call does not end that wait.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _};

use super::producers::Reports;
use crate::Error;

/// How much longer than its own time-out a call may take.
const GRACE: Duration = Duration::from_secs(2);

/// Positions of one group.
struct Call {
    list: TopicPartitionList,
    member: ConsumerGroupMetadata,
    timeout: Duration,
}

/// The way of one producer's positions.
pub(super) struct Positions {
    /// None once this is being dropped.
    calls: Option<SyncSender<Call>>,
    results: Receiver<Result<(), KafkaError>>,
    thread: Option<JoinHandle<()>>,
    is_stuck: Cell<bool>,
}

impl Positions {
    pub(super) fn of(client: Arc<BaseProducer<Reports>>) -> Result<Self, Error> {
        let (calls, incoming) = mpsc::sync_channel::<Call>(1);
        let (outgoing, results) = mpsc::sync_channel(1);
        let run = move || {
            for Call { list, member, timeout } in incoming {
                if outgoing.send(client.send_offsets_to_transaction(&list, &member, timeout)).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("saga-positions".to_owned()).spawn(run);
        let thread = thread.map_err(|error| Error::cluster("starting a thread for positions", &error))?;
        Ok(Self { calls: Some(calls), results, thread: Some(thread), is_stuck: Cell::new(false) })
    }

    /// Make these positions a part of the transaction. None if the library did not return in time: its producer is of
    /// no use any more, and must not be asked for anything.
    pub(super) fn send(
        &self,
        list: TopicPartitionList,
        member: ConsumerGroupMetadata,
        timeout: Duration,
    ) -> Option<Result<(), KafkaError>> {
        let calls = self.calls.as_ref().expect("it is not being dropped");
        calls.send(Call { list, member, timeout }).ok()?;
        match self.results.recv_timeout(timeout + GRACE) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.is_stuck.set(true);
                None
            }
        }
    }

    /// A call did not return.
    pub(super) fn is_stuck(&self) -> bool {
        self.is_stuck.get()
    }
}

impl Drop for Positions {
    /// A thread that is stuck is left behind with its producer: both end when the call returns after all, which it does
    /// with the next change of a connection. By then its producer is fenced.
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take().filter(|_| !self.is_stuck.get()) {
            let _ = thread.join();
        }
    }
}
