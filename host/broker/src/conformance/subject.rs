//! What a case may do with a driver: subscribe, commit, let time pass, crash; and the words the cases are written in.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::TopicName;
use host_core::time::Timestamp;
use host_core::unit::{Ack, Headers, Message, Offset, Payload, Publish, Unit};

use crate::{Broker, Browsed, Consumer, Delivery, Subscription, TopicState};

/// A driver under test, with something that commits and a clock that the case turns.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The broker as it is now; another one after `crash`.
    fn broker(&self) -> Arc<dyn Broker>;

    /// Commit a unit. On return its effects can be seen; they need not survive a crash yet.
    async fn commit(&self, unit: Unit);

    /// Everything that was committed survives from now on.
    async fn sync(&self);

    /// Lose what was not synced, and start again. The case has dropped all consumers by then.
    async fn crash(&mut self);

    /// Let time pass. What becomes due is on its way to its topic when this returns.
    async fn advance(&mut self, span: Duration);

    fn now(&self) -> Timestamp;

    /// How long nothing has to come before a case believes that nothing will. Zero where a commit is seen at once.
    fn patience(&self) -> Duration;

    /// Rows of messages and delayed messages that were written and not removed, for a driver that can tell.
    fn message_row_count(&self) -> Option<usize>;
}

/// A log that the subject must keep for `SHORT_LOG_AGE_MAX`, and up to `SHORT_LOG_BYTES_MAX`.
pub const SHORT_LOG: &str = "conformance.short";
pub const SHORT_LOG_AGE_MAX: Duration = Duration::from_secs(3600);
pub const SHORT_LOG_BYTES_MAX: u64 = 64 << 10;

/// A message that must come is waited for so long: far longer than any driver takes.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

pub(super) fn topic(name: &str) -> TopicName {
    TopicName::try_new(name).expect("the case names a topic correctly")
}

/// A work queue.
pub(super) fn queue() -> TopicName {
    topic("conformance.suite.step.in")
}

/// A log.
pub(super) fn log() -> TopicName {
    topic("conformance.log")
}

pub(super) fn message(topic: &TopicName, key: &str, text: &str) -> Message {
    let payload = Payload::Encoded(Bytes::copy_from_slice(text.as_bytes()));
    Message { topic: topic.clone(), key: key.into(), headers: Headers::default(), payload }
}

/// A unit that publishes these messages.
pub(super) fn publishes(messages: impl IntoIterator<Item = Message>) -> Unit {
    let publishes = messages.into_iter().map(|message| Publish { message, due: None }).collect();
    Unit { publishes, ..Unit::default() }
}

/// A unit that publishes a message for later.
pub(super) fn delays(message: Message, due: Timestamp) -> Unit {
    Unit { publishes: [Publish { message, due: Some(due) }].into_iter().collect(), ..Unit::default() }
}

/// A unit that acknowledges.
pub(super) fn acknowledges(ack: Ack) -> Unit {
    Unit { ack: Some(ack), ..Unit::default() }
}

pub(super) fn text(message: &Message) -> String {
    String::from_utf8(message.payload.encode().to_vec()).expect("the case wrote text")
}

/// The same words for every case.
pub(super) struct Case<'a, S> {
    pub(super) subject: &'a mut S,
}

impl<S: Subject> Case<'_, S> {
    pub(super) async fn publish(&self, topic: &TopicName, key: &str, text: &str) {
        self.subject.commit(publishes([message(topic, key, text)])).await;
    }

    pub(super) async fn publish_after(&self, topic: &TopicName, key: &str, text: &str, delay: Duration) {
        self.subject.commit(delays(message(topic, key, text), self.subject.now().plus(delay))).await;
    }

    pub(super) async fn subscribe(&self, topic: &TopicName, in_flight_max: usize) -> Box<dyn Consumer> {
        self.subscribe_as("workers", topic, in_flight_max).await
    }

    pub(super) async fn subscribe_as(&self, group: &str, topic: &TopicName, in_flight_max: usize) -> Box<dyn Consumer> {
        let subscription = Subscription { group: group.to_owned(), topic: topic.clone(), in_flight_max };
        self.subject.broker().subscribe(subscription).await.expect("the topic can be subscribed")
    }

    pub(super) async fn next(&self, consumer: &mut Box<dyn Consumer>) -> Delivery {
        let next = tokio::time::timeout(ARRIVAL_MAX, consumer.next()).await;
        next.expect("a message comes").expect("the consumer goes on")
    }

    /// Whether the consumer ends.
    pub(super) async fn ends(&self, consumer: &mut Box<dyn Consumer>) -> bool {
        tokio::time::timeout(ARRIVAL_MAX, consumer.next()).await.is_ok_and(|next| next.is_none())
    }

    /// The next delivery, which has to be this one.
    pub(super) async fn expect(&self, consumer: &mut Box<dyn Consumer>, expected: &str) -> Delivery {
        let delivery = self.next(consumer).await;
        assert_eq!(text(&delivery.message), expected);
        delivery
    }

    pub(super) async fn expect_nothing(&self, consumer: &mut Box<dyn Consumer>) {
        if let Ok(next) = tokio::time::timeout(self.subject.patience(), consumer.next()).await {
            panic!("{:?} came, nothing should have", next.map(|delivery| text(&delivery.message)));
        }
    }

    pub(super) async fn acknowledge(&self, delivery: Delivery) {
        self.subject.commit(acknowledges(delivery.ack)).await;
    }

    /// Take and acknowledge everything that comes, one at a time.
    pub(super) async fn drain(&self, consumer: &mut Box<dyn Consumer>) -> Vec<String> {
        let mut texts = Vec::new();
        while let Ok(Some(delivery)) = tokio::time::timeout(self.subject.patience(), consumer.next()).await {
            texts.push(text(&delivery.message));
            self.acknowledge(delivery).await;
        }
        texts
    }

    pub(super) async fn browse(&self, topic: &TopicName, from: Offset, limit: usize) -> Vec<Browsed> {
        self.subject.broker().browse(topic, from, limit).await.expect("the topic can be looked at")
    }

    pub(super) async fn browse_texts(&self, topic: &TopicName) -> Vec<String> {
        self.browse(topic, Offset(0), usize::MAX).await.iter().map(|browsed| text(&browsed.message)).collect()
    }

    pub(super) async fn claim(&self, topic: &TopicName, key: &str) -> Option<Delivery> {
        self.subject.broker().claim(topic, key).await.expect("a message can be claimed")
    }

    /// The state of a topic that must be there.
    pub(super) async fn state(&self, topic: &TopicName) -> TopicState {
        let topics = self.subject.broker().topics().await.expect("the topics can be listed");
        topics.into_iter().find(|state| state.topic == *topic).expect("the topic is listed")
    }

    /// Whether the driver can tell how many rows it has, it has this many.
    pub(super) fn expect_rows(&self, count: usize) {
        if let Some(rows) = self.subject.message_row_count() {
            assert_eq!(rows, count, "rows of messages");
        }
    }
}
