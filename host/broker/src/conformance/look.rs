//! What operators look at and take out: topics, messages at rest, one message of a key; and one consumer after another.

use std::time::Duration;

use host_core::unit::Offset;

use super::Subject;
use super::subject::{Case, log, queue, text, topic};

pub async fn a_fresh_broker_has_no_topics<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    assert_eq!(case.subject.broker().topics().await.expect("the topics can be listed"), []);
    let nowhere = topic("conformance.nowhere");
    assert!(case.browse(&nowhere, Offset(0), 10).await.is_empty());
    assert!(case.claim(&nowhere, "k").await.is_none());
    assert_eq!(case.subject.broker().topics().await.expect("the topics can be listed"), [], "a look makes no topic");
}

pub async fn topics_tell_what_they_hold<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let began_at = case.subject.now();
    let mut consumer = case.subscribe_as("workers", &queue(), 10).await;
    for number in 0..5 {
        case.publish(&queue(), &number.to_string(), "x").await;
        case.subject.advance(Duration::from_secs(1)).await;
    }
    case.publish_after(&queue(), "later", "x", Duration::from_secs(9)).await;
    case.publish(&log(), "k", "x").await;
    let first = case.next(&mut consumer).await;
    let _second = case.next(&mut consumer).await;
    case.acknowledge(first).await;
    for _ in 0..2 {
        let state = case.state(&queue()).await;
        assert_eq!((state.message_count, state.delayed_count), (4, 1));
        assert_eq!(state.oldest_at, Some(began_at.plus(Duration::from_secs(1))));
        assert_eq!(state.consumers.len(), 1);
        let consumer = &state.consumers[0];
        assert_eq!((consumer.group.as_str(), consumer.in_flight_count, consumer.lag), ("workers", 1, 4));
        let names = case.subject.broker().topics().await.expect("the topics can be listed");
        assert_eq!(names.iter().map(|state| &state.topic).collect::<Vec<_>>(), [&log(), &queue()]);
        case.subject.sync().await;
    }
}

pub async fn a_look_sees_messages_wherever_they_are<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 1).await;
    let expected = |from: usize| (from..9).map(|number| number.to_string()).collect::<Vec<_>>();
    for number in 0..9 {
        case.publish(&queue(), &number.to_string(), &number.to_string()).await;
        if number % 4 == 0 {
            case.subject.sync().await;
        }
    }
    assert_eq!(case.browse_texts(&queue()).await, expected(0));
    // Some of these are written, some are not; their removal is not.
    for _ in 0..2 {
        let delivery = case.next(&mut consumer).await;
        case.acknowledge(delivery).await;
    }
    let _out = case.next(&mut consumer).await;
    assert_eq!(case.browse_texts(&queue()).await, expected(2), "what is out is still there");
    drop(consumer);
    assert_eq!(case.browse_texts(&queue()).await, expected(2));
    case.subject.sync().await;
    assert_eq!(case.browse_texts(&queue()).await, expected(2));
    // Offsets rise, and may leave some out: they are a driver's own.
    let all = case.browse(&queue(), Offset(0), usize::MAX).await;
    assert!(all.is_sorted_by(|one, next| one.offset < next.offset));
    let part = case.browse(&queue(), all[1].offset, 2).await;
    assert_eq!(part.iter().map(|browsed| text(&browsed.message)).collect::<Vec<_>>(), ["3", "4"]);
    let next = case.browse(&queue(), Offset(part[1].offset.0 + 1), 2).await;
    assert_eq!(next.iter().map(|browsed| text(&browsed.message)).collect::<Vec<_>>(), ["5", "6"]);
}

pub async fn a_claim_takes_one_message_at_rest<S: Subject>(subject: &mut S) {
    let mut case = Case { subject };
    // Where the message rests: never written; written; written and lost from memory; behind a consumer's window.
    for round in 0..4 {
        for number in 0..5 {
            case.publish(&queue(), &number.to_string(), &format!("{round}/{number}")).await;
        }
        if round > 0 {
            case.subject.sync().await;
        }
        if round == 2 {
            case = {
                case.subject.crash().await;
                case
            };
        }
        let consumer = if round == 3 { Some(case.subscribe(&queue(), 1).await) } else { None };
        let claimed = case.claim(&queue(), "3").await.expect("the message is at rest");
        assert_eq!(text(&claimed.message), format!("{round}/3"));
        assert!(case.claim(&queue(), "3").await.is_none(), "it is out");
        assert!(case.claim(&queue(), "7").await.is_none(), "there is none");
        case.acknowledge(claimed).await;
        assert!(case.claim(&queue(), "3").await.is_none(), "it is gone");
        drop(consumer);
        let mut consumer = case.subscribe(&queue(), 10).await;
        let expected = ["0", "1", "2", "4"].map(|number| format!("{round}/{number}"));
        assert_eq!(case.drain(&mut consumer).await, expected);
    }
    case.subject.sync().await;
    case.expect_rows(0);
}

pub async fn a_claim_that_comes_back_is_delivered<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    for number in 0..3 {
        case.publish(&queue(), "k", &number.to_string()).await;
    }
    let claimed = case.claim(&queue(), "k").await.expect("the message is at rest");
    assert_eq!(text(&claimed.message), "0");
    let mut consumer = case.subscribe(&queue(), 10).await;
    case.expect_nothing(&mut consumer).await;
    case.subject.broker().release(claimed.ack);
    let delivery = case.expect(&mut consumer, "0").await;
    assert!(case.claim(&queue(), "k").await.is_none(), "it is out with the consumer");
    case.acknowledge(delivery).await;
    assert_eq!(case.drain(&mut consumer).await, ["1", "2"]);
}

pub async fn a_claim_finds_a_delayed_message<S: Subject>(subject: &mut S) {
    let mut case = Case { subject };
    for round in 0..3 {
        case.publish_after(&queue(), "k", "x", Duration::from_secs(5)).await;
        case.publish_after(&queue(), "other", "y", Duration::from_secs(5)).await;
        if round > 0 {
            case.subject.sync().await;
        }
        if round == 2 {
            case = {
                case.subject.crash().await;
                case
            };
        }
        let claimed = case.claim(&queue(), "k").await.expect("the message is delayed");
        assert_eq!(text(&claimed.message), "x");
        assert!(case.claim(&queue(), "k").await.is_none());
        case.subject.broker().release(claimed.ack);
        let claimed = case.claim(&queue(), "k").await.expect("the message is delayed again");
        case.acknowledge(claimed).await;
        let mut consumer = case.subscribe(&queue(), 10).await;
        case = {
            case.subject.advance(Duration::from_secs(5)).await;
            case
        };
        assert_eq!(case.drain(&mut consumer).await, ["y"]);
        let state = case.state(&queue()).await;
        assert_eq!((state.message_count, state.delayed_count), (0, 0));
    }
    case.subject.sync().await;
    case.expect_rows(0);
}

pub async fn a_delayed_claim_that_comes_back_is_due_as_before<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    case.publish_after(&queue(), "k", "x", Duration::from_secs(5)).await;
    case.subject.sync().await;
    let claimed = case.claim(&queue(), "k").await.expect("the message is delayed");
    let mut consumer = case.subscribe(&queue(), 10).await;
    case.publish(&queue(), "k", "newer").await;
    case.expect_nothing(&mut consumer).await;
    case.subject.broker().release(claimed.ack);
    assert_eq!(case.drain(&mut consumer).await, ["newer"]);
    case.subject.advance(Duration::from_secs(5)).await;
    let delivery = case.expect(&mut consumer, "x").await;
    assert!(delivery.redelivered, "the claim had it before");
}

pub async fn a_second_consumer_takes_over<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut first = case.subscribe(&queue(), 2).await;
    for number in 0..4 {
        case.publish(&queue(), &number.to_string(), &number.to_string()).await;
    }
    let out = case.expect(&mut first, "0").await;
    let mut second = case.subscribe(&queue(), 2).await;
    assert!(case.ends(&mut first).await, "the first consumer ends");
    let other = case.expect(&mut second, "1").await;
    // What is out with the first counts until it is answered for.
    case.expect_nothing(&mut second).await;
    case.acknowledge(out).await;
    case.acknowledge(other).await;
    drop(first);
    assert_eq!(case.drain(&mut second).await, ["2", "3"]);
}

pub async fn a_waiting_consumer_learns_that_it_was_replaced<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut first = case.subscribe(&queue(), 2).await;
    let (mut second, is_over) = tokio::join!(
        async {
            tokio::task::yield_now().await;
            case.subscribe(&queue(), 2).await
        },
        case.ends(&mut first)
    );
    assert!(is_over);
    case.publish(&queue(), "k", "x").await;
    case.expect(&mut second, "x").await;
}
