//! Nanoseconds per operation of what every step of every saga pays: reading and writing a message, deciding, and
//! writing a record. Run with `cargo bench --profile release -p host-core`.
#![expect(clippy::print_stdout, reason = "its output is what a benchmark is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use host_core::decide::{Input, Moment, Next, Rules, decide};
use host_core::envelope::{Envelope, Start, UseCaseRef, decode, encode};
use host_core::id::{Digest, Direction, GlobalId, StepAddress, UseCaseName};
use host_core::json::Json;
use host_core::limits::Limits;
use host_core::manifest::Manifest;
use host_core::outcome::{Answer, Outcome};
use host_core::record::{Event, Record};
use host_core::retry::Jitter;
use host_core::time::Timestamp;
use host_core::unit::Attempts;
use host_core::use_case::Policy;

/// The best of several rounds: what the code costs when nothing else runs.
fn measure(name: &str, bytes: usize, mut operation: impl FnMut()) {
    const ROUND: Duration = Duration::from_millis(100);
    let mut best = f64::MAX;
    for _ in 0..10 {
        let began = Instant::now();
        let mut count = 0u32;
        while began.elapsed() < ROUND {
            for _ in 0..100 {
                operation();
            }
            count += 100;
        }
        best = best.min(began.elapsed().as_secs_f64() / f64::from(count));
    }
    println!("{name:<44} {:>8.0} ns  {bytes:>7} bytes", best * 1e9);
}

fn json(text: &str) -> Json {
    Json::try_from_text(text).expect("JSON")
}

fn start(body: &str) -> Envelope {
    let address = |text| StepAddress::try_new(text).expect("an address");
    Envelope::try_start(Start {
        global_id: GlobalId::try_new("019ab3c4-5d6e-7f80-9123-456789abcdef").expect("an id"),
        steps: ["exchange.orders.validate", "exchange.ledger.core", "exchange.settlement.service-b"]
            .map(address)
            .into(),
        body: json(body),
        use_case: Some(UseCaseRef { name: UseCaseName::try_new("uc-1-2").expect("a name"), version: 1 }),
        deadline: None,
        trace: None,
    })
    .expect("three steps")
}

fn rules(address: &StepAddress) -> Rules {
    let manifest = Manifest::of(address.clone());
    Rules { retry: manifest.retry, wait: manifest.wait, policy: Policy::default() }
}

fn done(body: &Json) -> Input {
    let outcome = Outcome::Done { body: body.clone(), compensation: Some(json("{\"reserved\":\"10.00\"}")) };
    Input::Answered { answer: Answer::Outcome(outcome), digest: Some(Digest([7; 32])) }
}

fn main() {
    let limits = Limits::default();
    let moment = Moment { now: Timestamp::from_ms(1_795_000_000_000), jitter: Jitter::new(0.5) };
    let small = r#"{"order-id":"o-1","account":"a-17","asset":"BTC","amount":"0.25000000"}"#;
    let first = start(small);
    let rules = rules(first.meta.address());
    let Next::Publish(second) = decide(&first, Attempts::default(), done(&first.body), &rules, moment).next else {
        unreachable!("there is a second step")
    };
    let minimal =
        Bytes::from_static(br#"{"meta":{"global-id":"1","steps":["d.s.one","d.s.two","d.s.three"]},"body":{}}"#);
    let to_one = StepAddress::try_new("d.s.one").expect("an address");
    measure("decode, minimal form", minimal.len(), || {
        black_box(decode(black_box(&minimal), Direction::Handle, &to_one, &limits).is_ok());
    });
    for (name, envelope) in [("first of three steps", &first), ("second, with one log entry", &*second)] {
        let text = encode(envelope);
        let to = envelope.meta.address();
        measure(&format!("encode, {name}"), text.len(), || {
            black_box(encode(black_box(envelope)));
        });
        measure(&format!("decode, {name}"), text.len(), || {
            black_box(decode(black_box(&text), Direction::Handle, to, &limits).is_ok());
        });
    }
    let traced = Envelope {
        meta: second.meta.clone().with_trace("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
        ..(*second).clone()
    };
    let text = encode(&traced);
    measure("decode, second, with trace", text.len(), || {
        black_box(decode(black_box(&text), Direction::Handle, traced.meta.address(), &limits).is_ok());
    });
    let large = start(&format!("{{\"text\":\"{}\"}}", "lorem ipsum ".repeat(85_000)));
    let text = encode(&large);
    measure("decode, body of a megabyte", text.len(), || {
        black_box(decode(black_box(&text), Direction::Handle, large.meta.address(), &limits).is_ok());
    });
    measure("decide, done", 0, || {
        black_box(decide(black_box(&second), Attempts::default(), done(&second.body), &rules, moment));
    });
    let record = Record {
        global_id: second.meta.global_id.clone(),
        position: second.meta.position(),
        address: second.meta.address().clone(),
        direction: Direction::Handle,
        at: moment.now,
        began_at: moment.now,
        attempt: 1,
        digest: Some(Digest([7; 32])),
        use_case: second.meta.use_case.clone(),
        event: Event::Done { body: json(small), compensation: Some(json("{\"reserved\":\"10.00\"}")) },
    };
    let mut out = Vec::with_capacity(4096);
    record.encode_into(&mut out);
    let bytes = out.len();
    measure("record, encode", bytes, || {
        out.clear();
        black_box(&record).encode_into(&mut out);
        black_box(&out);
    });
    measure("record, decode", bytes, || {
        black_box(Record::decode_all(&record.global_id, black_box(&out)).is_ok());
    });
}
