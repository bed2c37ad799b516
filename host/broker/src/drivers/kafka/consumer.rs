//! The consuming end of a subscription: takes from what is at hand of its topic.

use std::sync::Arc;

use async_trait::async_trait;

use super::shared::Shared;
use super::topic::{Right, Topic, Turn};
use crate::{Consumer, Delivery};

/// Consumer of the Kafka driver.
pub(super) struct KafkaConsumer {
    pub shared: Arc<Shared>,
    pub topic: Arc<Topic>,
    pub right: Right,
}

enum Step {
    Deliver(Delivery),
    Wait,
    Over,
}

impl KafkaConsumer {
    fn step(&self) -> Step {
        if self.shared.is_stopped() {
            return Step::Over;
        }
        let turn = self.topic.state.lock().turn(&self.right);
        match turn {
            Turn::Deliver { number, slot } => {
                let ack = self.topic.ack(self.right.seat, number, &slot.stored);
                Step::Deliver(Delivery { message: slot.stored.message.clone(), ack, redelivered: slot.redelivered })
            }
            Turn::Wait => Step::Wait,
            Turn::Over => Step::Over,
        }
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            match self.step() {
                Step::Deliver(delivery) => return Some(delivery),
                Step::Over => return None,
                // Cancel-safe: nothing was taken, and the next call looks before it waits.
                Step::Wait => self.right.wake.notified().await,
            }
        }
    }

    fn try_next(&mut self) -> Option<Delivery> {
        match self.step() {
            Step::Deliver(delivery) => Some(delivery),
            Step::Wait | Step::Over => None,
        }
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.topic.state.lock().unsubscribe(&self.right);
    }
}
