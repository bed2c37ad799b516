//! The consuming end of a subscription. It takes from the window of its group and reads the tables when that runs dry.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use host_core::unit::{Ack, Offset};

use super::super::window::Slot;
use super::shared::Shared;
use super::stored::Stored;
use super::topic::{Seat, Topic, Turn};
use crate::{Consumer, Delivery, Error};

/// Pause before a table that could not be read is read again: long enough not to flood the log.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Consumer of the embedded broker.
pub(super) struct EmbeddedConsumer {
    shared: Arc<Shared>,
    topic: Arc<Topic>,
    seat: Seat,
}

/// What `next` does.
enum Step {
    Deliver(Delivery),
    Wait,
    Over,
}

impl EmbeddedConsumer {
    pub(super) fn new(shared: Arc<Shared>, topic: Arc<Topic>, seat: Seat) -> Self {
        Self { shared, topic, seat }
    }

    fn step(&self) -> Result<Step, Error> {
        loop {
            if self.shared.is_stopped() {
                return Ok(Step::Over);
            }
            let turn = {
                let mut state = self.topic.state.lock();
                state.turn(self.topic.kind, &self.seat, &self.shared.options, self.shared.written())
            };
            match turn {
                Turn::Deliver { offset, slot } => return Ok(Step::Deliver(self.delivery(offset, &slot))),
                Turn::Load { from, to, scan } => self.shared.load(&self.topic, self.seat.index, (from, to), scan)?,
                Turn::Wait => return Ok(Step::Wait),
                Turn::Over => return Ok(Step::Over),
            }
        }
    }

    fn delivery(&self, offset: u64, slot: &Slot<Stored>) -> Delivery {
        let ack = Ack {
            topic: self.topic.name.clone(),
            partition: super::group_number(self.seat.index),
            offset: Offset(offset),
        };
        Delivery { message: slot.stored.message.clone(), ack, redelivered: slot.redelivered }
    }

    fn complain(&self, error: &Error) {
        tracing::error!(topic = %self.topic.name, error = %error, "messages of a topic cannot be read");
    }
}

#[async_trait]
impl Consumer for EmbeddedConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            match self.step() {
                Ok(Step::Deliver(delivery)) => return Some(delivery),
                Ok(Step::Over) => return None,
                // Cancel-safe: nothing was taken, and the next call looks before it waits.
                Ok(Step::Wait) => self.seat.wake.notified().await,
                Err(error) => {
                    self.complain(&error);
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    }

    fn try_next(&mut self) -> Option<Delivery> {
        match self.step() {
            Ok(Step::Deliver(delivery)) => Some(delivery),
            Ok(Step::Wait | Step::Over) => None,
            Err(error) => {
                self.complain(&error);
                None
            }
        }
    }
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        let mut state = self.topic.state.lock();
        state.unsubscribe(self.topic.kind, &self.seat, self.shared.written());
    }
}
