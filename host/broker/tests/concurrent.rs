//! The embedded broker under threads: messages hop from queue to queue while a committer seals and writes, windows are
//! so small that most hops spill, and others look on and claim. Every message makes every hop exactly once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use host_broker::conformance::{JointSubject, MemoryDisk, Subject};
use host_broker::drivers::embedded::EmbeddedOptions;
use host_broker::{Broker, Subscription};
use host_core::id::TopicName;
use host_core::unit::{Headers, Message, Offset, Payload, Publish, Unit};
use parking_lot::Mutex;

const HOPS: usize = 4;
const MESSAGES: usize = 20_000;
const KEYS: usize = 97;

fn hop(number: usize) -> TopicName {
    TopicName::try_new(&format!("concurrent.hop.n{number}.in")).expect("is a topic name")
}

fn publish(topic: TopicName, number: usize) -> Publish {
    let payload = Payload::Encoded(Bytes::from(number.to_string()));
    let key = (number % KEYS).to_string().into();
    Publish { message: Message { topic, key, headers: Headers::default(), payload }, due: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_message_makes_every_hop_once_and_keys_keep_their_order() {
    let options = EmbeddedOptions { window_count_max: 50, ..EmbeddedOptions::default() };
    let subject = Arc::new(JointSubject::new(MemoryDisk::default(), options));
    let is_over = Arc::new(AtomicBool::new(false));
    let committer = {
        let (subject, is_over) = (subject.clone(), is_over.clone());
        std::thread::spawn(move || {
            while !is_over.load(Ordering::Acquire) {
                let closed = subject.close();
                std::thread::yield_now();
                let sealed = subject.seal(closed);
                std::thread::yield_now();
                subject.write(sealed);
            }
        })
    };
    let looker = tokio::spawn(look_on(subject.clone(), is_over.clone()));
    let publisher = {
        let subject = subject.clone();
        tokio::spawn(async move {
            for number in 0..MESSAGES {
                let publishes = [publish(hop(0), number)].into_iter().collect();
                subject.commit(Unit { publishes, ..Unit::default() }).await;
                if number % 100 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    let hops: Vec<_> = (0..HOPS).map(|number| tokio::spawn(consume(subject.clone(), number))).collect();
    for hop in hops {
        tokio::time::timeout(std::time::Duration::from_secs(120), hop).await.expect("it ends").expect("it is well");
    }
    publisher.await.expect("the publisher is well");
    is_over.store(true, Ordering::Release);
    looker.await.expect("the looker is well");
    committer.join().expect("the committer is well");
    subject.sync().await;
    assert_eq!(subject.message_row_count(), Some(0));
}

async fn consume(subject: Arc<JointSubject<MemoryDisk>>, number: usize) {
    let subscription = Subscription { group: "workers".to_owned(), topic: hop(number), in_flight_max: 20 };
    let mut consumer = subject.embedded().subscribe(subscription).await.expect("the topic can be subscribed");
    let last = Arc::new(Mutex::new(HashMap::<String, usize>::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    while count.load(Ordering::Acquire) < MESSAGES {
        let delivery = tokio::select! {
            delivery = consumer.next() => delivery.expect("the broker goes on"),
            Some(task) = tasks.join_next() => {
                task.expect("the task is well");
                continue;
            }
        };
        let (subject, last, count) = (subject.clone(), last.clone(), count.clone());
        tasks.spawn(async move {
            let text = String::from_utf8(delivery.message.payload.encode().to_vec()).expect("is text");
            let value: usize = text.parse().expect("is a number");
            if value.is_multiple_of(3) {
                tokio::task::yield_now().await;
            }
            if value.is_multiple_of(101) && !delivery.redelivered {
                subject.embedded().release(delivery.ack);
                return;
            }
            let before = last.lock().insert(delivery.message.key.to_string(), value);
            assert!(before.is_none_or(|before| before < value), "{value} comes after {before:?}");
            let publishes = (number + 1 < HOPS).then(|| publish(hop(number + 1), value)).into_iter().collect();
            subject.commit(Unit { ack: Some(delivery.ack), publishes, ..Unit::default() }).await;
            count.fetch_add(1, Ordering::AcqRel);
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("the task is well");
    }
    assert_eq!(count.load(Ordering::Acquire), MESSAGES);
}

/// Looks at everything, claims this and that and puts it back.
async fn look_on(subject: Arc<JointSubject<MemoryDisk>>, is_over: Arc<AtomicBool>) {
    let broker = subject.embedded();
    let mut random = fastrand::Rng::with_seed(1);
    while !is_over.load(Ordering::Acquire) {
        let topic = hop(random.usize(0..HOPS));
        let browsed = broker.browse(&topic, Offset(0), 100).await.expect("the topic can be looked at");
        assert!(browsed.windows(2).all(|two| two[0].offset < two[1].offset));
        let key = random.usize(0..KEYS).to_string();
        if let Some(claimed) = broker.claim(&topic, &key).await.expect("a claim is answered") {
            assert_eq!(*claimed.message.key, *key);
            tokio::task::yield_now().await;
            broker.release(claimed.ack);
        }
        broker.topics().await.expect("the topics can be listed");
    }
}
