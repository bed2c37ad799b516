//! More messages than memory takes: they come all the same, in order, each once.

use super::Subject;
use super::subject::{Case, message, publishes, queue, text};

/// Far more than any window.
const MANY: usize = 10_000;

fn numbers(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|number| number.to_string()).collect()
}

pub async fn many_messages_come_in_order<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 1).await;
    for number in 0..MANY {
        case.publish(&queue(), "k", &number.to_string()).await;
        if number % 999 == 0 {
            case.subject.sync().await;
        }
    }
    assert_eq!(case.state(&queue()).await.message_count, MANY as u64);
    assert_eq!(case.drain(&mut consumer).await, numbers(0, MANY));
    case.subject.sync().await;
    case.expect_rows(0);
}

pub async fn many_messages_wait_for_a_consumer_through_a_crash<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    for start in (0..MANY).step_by(100) {
        let batch = (start..start + 100).map(|number| message(&queue(), &number.to_string(), &number.to_string()));
        case.subject.commit(publishes(batch)).await;
    }
    case.subject.sync().await;
    case.subject.crash().await;
    let mut consumer = case.subscribe(&queue(), 10).await;
    for number in 0..MANY {
        // Newer ones come behind those that wait, while some of these are still on disk only.
        if number % 10 == 0 {
            let newer = (MANY + number / 10).to_string();
            case.publish(&queue(), &newer, &newer).await;
        }
        let delivery = case.expect(&mut consumer, &number.to_string()).await;
        case.acknowledge(delivery).await;
        if number % 500 == 0 {
            case.subject.sync().await;
        }
    }
    assert_eq!(case.drain(&mut consumer).await, numbers(MANY, MANY + MANY / 10));
    case.subject.sync().await;
    case.expect_rows(0);
}

pub async fn a_slow_consumer_catches_up_while_others_publish<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 3).await;
    let mut seen = Vec::new();
    // Three in, one out; then one in, three out: the window overflows and runs dry, over and over.
    let mut next = 0;
    for round in 0..4000 {
        let (ins, outs) = if round % 1000 < 500 { (3, 1) } else { (1, 3) };
        for _ in 0..ins {
            case.publish(&queue(), &next.to_string(), &next.to_string()).await;
            next += 1;
        }
        for _ in 0..outs {
            if seen.len() < next {
                let delivery = case.next(&mut consumer).await;
                seen.push(text(&delivery.message));
                case.acknowledge(delivery).await;
            }
        }
        if round % 37 == 0 {
            case.subject.sync().await;
        }
    }
    seen.extend(case.drain(&mut consumer).await);
    assert_eq!(seen, numbers(0, next));
}

pub async fn one_key_with_many_messages_does_not_stop_the_consumer<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 100).await;
    for number in 0..3000 {
        case.publish(&queue(), "hot", &number.to_string()).await;
    }
    case.publish(&queue(), "cold", "cold").await;
    case.subject.sync().await;
    let texts = case.drain(&mut consumer).await;
    let hot: Vec<_> = texts.iter().filter(|text| *text != "cold").cloned().collect();
    assert_eq!(hot, numbers(0, 3000));
    assert_eq!(texts.len(), 3001);
}

pub async fn a_consumer_that_leaves_loses_nothing<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    for number in 0..100 {
        case.publish(&queue(), &number.to_string(), &number.to_string()).await;
        if number == 50 {
            case.subject.sync().await;
        }
    }
    let mut consumer = case.subscribe(&queue(), 100).await;
    let mut out = Vec::new();
    for _ in 0..10 {
        out.push(case.next(&mut consumer).await);
    }
    drop(consumer);
    // What is out is still answered for: some is done, some comes back.
    let back = out.split_off(4);
    for delivery in out {
        case.acknowledge(delivery).await;
    }
    let left_out = {
        let mut back = back.into_iter();
        let left_out: Vec<_> = back.by_ref().take(2).collect();
        back.for_each(|delivery| case.subject.broker().release(delivery.ack));
        left_out
    };
    case.publish(&queue(), "100", "100").await;
    let mut consumer = case.subscribe(&queue(), 100).await;
    assert_eq!(case.drain(&mut consumer).await, numbers(6, 101));
    left_out.into_iter().for_each(|delivery| case.subject.broker().release(delivery.ack));
    assert_eq!(case.drain(&mut consumer).await, numbers(4, 6));
    case.subject.sync().await;
    case.expect_rows(0);
}

pub async fn messages_too_large_for_memory_come_one_by_one<S: Subject>(subject: &mut S) {
    let case = Case { subject };
    let mut consumer = case.subscribe(&queue(), 2).await;
    let large = "x".repeat(1 << 20);
    for number in 0..40 {
        case.publish(&queue(), &(number / 2).to_string(), &format!("{number}{large}")).await;
        if number % 9 == 0 {
            case.subject.sync().await;
        }
    }
    let mut keys = Vec::new();
    for _ in 0..40 {
        let delivery = case.next(&mut consumer).await;
        keys.push(delivery.message.key.parse::<usize>().expect("the case wrote numbers"));
        case.acknowledge(delivery).await;
    }
    keys.sort_unstable();
    assert_eq!(keys, (0..40).map(|number| number / 2).collect::<Vec<_>>());
}
