//! Order per key, one delivery of a key at a time, and the bound on deliveries that are out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host_core::failure::{Failure, FailureKind};
use host_core::id::{Digest, Direction, Position, StepAddress, WaitKey};
use host_core::time::Timestamp;
use host_core::unit::{Attempts, Cause, Headers, Payload, Unit};

use super::Subject;
use super::subject::{Case, message, publishes, queue, text};

pub async fn messages_of_one_key_come_one_at_a_time_in_order<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 100).await;
    for text in ["1", "2", "3"] {
        case.publish(&queue(), "k", text).await;
    }
    for text in ["1", "2", "3"] {
        let delivery = case.expect(&mut consumer, text).await;
        assert!(!delivery.redelivered);
        case.expect_nothing(&mut consumer).await;
        case.acknowledge(delivery).await;
    }
    case.expect_nothing(&mut consumer).await;
}

pub async fn other_keys_pass_one_that_is_out<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 100).await;
    for (key, text) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2"), ("c", "c1")] {
        case.publish(&queue(), key, text).await;
    }
    let a1 = case.expect(&mut consumer, "a1").await;
    let b1 = case.expect(&mut consumer, "b1").await;
    let c1 = case.expect(&mut consumer, "c1").await;
    case.expect_nothing(&mut consumer).await;
    case.acknowledge(b1).await;
    let b2 = case.expect(&mut consumer, "b2").await;
    case.expect_nothing(&mut consumer).await;
    case.acknowledge(a1).await;
    let a2 = case.expect(&mut consumer, "a2").await;
    for delivery in [b2, c1, a2] {
        case.acknowledge(delivery).await;
    }
    case.expect_nothing(&mut consumer).await;
}

pub async fn no_more_are_out_than_the_consumer_takes<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 2).await;
    for text in ["1", "2", "3", "4"] {
        case.publish(&queue(), text, text).await;
    }
    let first = case.next(&mut consumer).await;
    let second = case.next(&mut consumer).await;
    case.expect_nothing(&mut consumer).await;
    case.acknowledge(first).await;
    let third = case.next(&mut consumer).await;
    case.expect_nothing(&mut consumer).await;
    // A delivery that comes back makes room as well, if only for itself.
    case.subject.broker().release(second.ack);
    let again = case.next(&mut consumer).await;
    case.expect_nothing(&mut consumer).await;
    case.acknowledge(third).await;
    case.acknowledge(again).await;
    assert_eq!(case.drain(&mut consumer).await.len(), 1);
}

pub async fn a_released_delivery_comes_again_before_others_of_its_key<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 100).await;
    for text in ["1", "2"] {
        case.publish(&queue(), "k", text).await;
    }
    for _ in 0..3 {
        let delivery = case.expect(&mut consumer, "1").await;
        case.subject.broker().release(delivery.ack);
    }
    let delivery = case.expect(&mut consumer, "1").await;
    assert!(delivery.redelivered);
    case.acknowledge(delivery).await;
    case.expect(&mut consumer, "2").await;
}

pub async fn a_unit_hands_its_key_on_to_the_message_it_publishes<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 1).await;
    case.publish(&queue(), "k", "0").await;
    for round in 0..20 {
        let delivery = case.expect(&mut consumer, &round.to_string()).await;
        let next = publishes([message(&queue(), "k", &(round + 1).to_string())]);
        case.subject.commit(Unit { ack: Some(delivery.ack), ..next }).await;
        if round % 3 == 0 {
            case.subject.sync().await;
        }
    }
    case.expect(&mut consumer, "20").await;
}

pub async fn a_wait_for_a_message_can_be_given_up<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 100).await;
    for round in 0..50 {
        assert!(tokio::time::timeout(Duration::ZERO, consumer.next()).await.is_err(), "nothing is there yet");
        let text = round.to_string();
        case.publish(&queue(), &text, &text).await;
        let delivery = case.expect(&mut consumer, &text).await;
        case.acknowledge(delivery).await;
    }
}

pub async fn a_waiting_consumer_is_woken<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 1).await;
    for round in 0..50 {
        let text = round.to_string();
        let ((), first) = tokio::join!(
            async {
                tokio::task::yield_now().await;
                case.publish(&queue(), "k", &text).await;
                case.publish(&queue(), "other", &text).await;
            },
            case.next(&mut consumer)
        );
        // At its bound the consumer waits for an acknowledgement.
        let ((), second) = tokio::join!(
            async {
                tokio::task::yield_now().await;
                case.acknowledge(first).await;
            },
            case.next(&mut consumer)
        );
        case.acknowledge(second).await;
    }
}

pub async fn headers_and_payload_come_as_they_were_sent<S: Subject>(subject: &mut S) {
    let sent = {
        let mut sent = message(&queue(), "schlüssel", "{\"ü\":1}");
        sent.headers = full_headers();
        sent
    };
    let mut case = Case { subject };
    case.subject.commit(publishes([sent.clone()])).await;
    case.subject.sync().await;
    for _ in 0..2 {
        let mut consumer = case.subscribe(&queue(), 1).await;
        let delivery = case.expect(&mut consumer, "{\"ü\":1}").await;
        assert_eq!(delivery.message.headers, sent.headers);
        assert_eq!(delivery.message.key, sent.key);
        assert_eq!(delivery.message.topic, sent.topic);
        drop(consumer);
        case = {
            case.subject.crash().await;
            case
        };
    }
}

fn full_headers() -> Headers {
    let at = Timestamp::from_ms(1_700_000_000_123);
    let failure = Failure {
        position: Position(2),
        address: StepAddress::try_new("a.b.c").expect("is an address"),
        direction: Direction::Compensate,
        kind: FailureKind::RetryExhausted,
        code: "retry-exhausted".to_owned(),
        reason: "der Dienst antwortet nicht\n…".to_owned(),
        at,
    };
    let cause = Cause {
        failure,
        attempts: 7,
        first_at: at,
        last_at: at.plus(Duration::from_millis(1)),
        digest: Some(Digest([0xab; 32])),
        host: "host-1".to_owned(),
    };
    Headers {
        attempts: Attempts { retry_count: 3, fault_count: 4 },
        first_at: Some(at),
        signalled: Some((WaitKey::try_new("customer 42").expect("is a wait key"), at)),
        cause: Some(Arc::new(cause)),
        foreign: true,
    }
}

pub async fn a_foreign_message_stays_marked<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut sent = message(&queue(), "k", "x");
    sent.headers.foreign = true;
    case.subject.commit(publishes([sent])).await;
    case.publish(&queue(), "l", "y").await;
    let mut consumer = case.subscribe(&queue(), 2).await;
    assert!(case.expect(&mut consumer, "x").await.message.headers.foreign);
    assert!(!case.expect(&mut consumer, "y").await.message.headers.foreign);
}

pub async fn large_and_binary_payloads_come_whole<S: Subject>(subject: &mut S) {
    let mut random = fastrand_bytes(1 << 20);
    let case = Case { subject };
    for round in 0..20u8 {
        random[0] = round;
        let mut large = message(&queue(), &round.to_string(), "");
        large.payload = Payload::Encoded(Bytes::copy_from_slice(&random));
        case.subject.commit(publishes([large])).await;
        if round % 3 == 0 {
            case.subject.sync().await;
        }
    }
    case.subject.sync().await;
    case.subject.crash().await;
    let mut consumer = case.subscribe(&queue(), 100).await;
    for round in 0..20u8 {
        random[0] = round;
        let delivery = case.next(&mut consumer).await;
        assert!(delivery.message.payload.encode() == random, "the payload of message {round} changed");
        case.acknowledge(delivery).await;
    }
    assert_eq!(text(&message(&queue(), "", "")), "");
}

/// Every byte value, in no order.
fn fastrand_bytes(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let step = |state: &mut u64| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        state.to_le_bytes()[3]
    };
    (0..count).map(|_| step(&mut state)).collect()
}
