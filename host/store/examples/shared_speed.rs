//! How fast a PostgreSQL takes commits of the shared state: units of one read, one write and one outcome, 1, 32 and 256
//! to an `apply`, beside the same statements in a bare loop; for one host, and for two at once. `cargo run --release -p
//! host-store --example shared_speed -- "$(scripts/postgres start)"`. Its schema is `saga_speed`, and stays behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use host_core::id::{Direction, Lsn, MessageId, Position};
use host_store::backends::postgres::{Options, PostgresState, bare};
use host_store::conformance::sample::{bucket, global_id, transaction};
use host_store::shared::{SharedState, SharedUnit};

/// How long each figure is measured, in rounds, since a disk is not as fast now as it is a second later.
const SPAN: Duration = Duration::from_millis(500);
const ROUND_COUNT: usize = 8;

#[expect(clippy::print_stdout, reason = "a table for people")]
#[tokio::main]
async fn main() {
    let address = std::env::args().nth(1).expect("the address of a PostgreSQL is the first argument");
    let options = Options { schema: "saga_speed".to_owned(), ..Options::new(&address) };
    let state: Arc<PostgresState> = Arc::new(PostgresState::open(&options).await.expect("the schema can be opened"));
    let run = format!("{:x}", std::process::id());
    println!("units  units/s  applies/s  ms/apply  bare units/s  ratio  two hosts units/s");
    let other: Arc<PostgresState> = Arc::new(PostgresState::open(&options).await.expect("the schema is there"));
    for unit_count in [1, 32, 256] {
        let [mut alone, mut bare, mut both] = [0.0; 3];
        for round in 0..ROUND_COUNT {
            let name = |what: &str| format!("{run}-{unit_count}-{round}-{what}");
            let rate = applies(state.clone(), &name("alone"), unit_count).await;
            let apply_count = (rate * SPAN.as_secs_f64()) as usize + 1;
            let batches: Vec<_> = (0..apply_count).map(|number| units(&name("bare"), number, unit_count)).collect();
            let took = bare::time_statements(&options, &batches).await.expect("the statements can be made");
            let (one, two) = (name("one"), name("two"));
            let hosts =
                tokio::join!(applies(state.clone(), &one, unit_count), applies(other.clone(), &two, unit_count));
            alone += rate / ROUND_COUNT as f64;
            bare += apply_count as f64 / took.as_secs_f64() / ROUND_COUNT as f64;
            both += (hosts.0 + hosts.1) / ROUND_COUNT as f64;
        }
        let per_second = |applies: f64| applies * unit_count as f64;
        println!(
            "{unit_count:5}  {:7.0}  {alone:9.0}  {:8.2}  {:12.0}  {:5.2}  {:17.0}",
            per_second(alone),
            1000.0 / alone,
            per_second(bare),
            alone / bare,
            per_second(both),
        );
    }
    let begun = Instant::now();
    let mut read_count = 0;
    while begun.elapsed() < SPAN {
        state.value(&bucket("test.step.s1"), "account-1").await.expect("the value is readable");
        read_count += 1;
    }
    println!("one value after the other: {:.0} reads/s", f64::from(read_count) / begun.elapsed().as_secs_f64());
}

/// Calls of `apply`, one after the other, for the span; how many a second.
async fn applies(state: Arc<PostgresState>, name: &str, unit_count: usize) -> f64 {
    let begun = Instant::now();
    let mut number = 0;
    while begun.elapsed() < SPAN {
        let units = units(name, number, unit_count);
        state.apply(&units).await.expect("the state takes units");
        number += 1;
    }
    number as f64 / begun.elapsed().as_secs_f64()
}

/// Each unit reads a key that nobody writes, and writes one of a thousand that nobody reads.
fn units(name: &str, number: usize, unit_count: usize) -> Vec<SharedUnit> {
    let step = bucket("test.step.s1");
    let unit = |index: usize| {
        let account = format!("account-{}", (number * unit_count + index) % 1000);
        let txn = transaction(Lsn(0), &[(&step, "limits")], &[(&step, &account, Some("1795000000000"))]);
        SharedUnit {
            message_id: MessageId {
                global_id: global_id(&format!("{name}-{number}-{index}")),
                direction: Direction::Handle,
                position: Position(0),
            },
            key_values: txn.key_values.expect("it was just made"),
            outcome: Some(Bytes::from_static(&[b'o'; 256])),
        }
    };
    (0..unit_count).map(unit).collect()
}
