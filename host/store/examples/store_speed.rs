//! How fast this disk and processor take commits: units of one record and one key-value, 1, 32 and 256 to a synced
//! batch, through stage, seal and write, and the projection beside it. `cargo run --release -p host-store --example
//! store_speed -- [folder]`; without a folder the tables are in memory, which leaves the disk out.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::id::Lsn;
use host_core::table::{Batch, Durability, Tables};
use host_core::unit::Unit;
use host_store::backends::fjall::FjallTables;
use host_store::backends::memory::MemoryTables;
use host_store::conformance::sample::{bucket, completed, global_id, writes};
use host_store::embedded::EmbeddedStore;
use host_store::{Committed, JointStore, Store};

/// How long each row is measured.
const SPAN: Duration = Duration::from_secs(3);

#[expect(clippy::print_stdout, reason = "a table for people")]
#[tokio::main]
async fn main() {
    let folder = std::env::args().nth(1);
    let tables: Arc<dyn Tables> = match &folder {
        Some(folder) => Arc::new(FjallTables::open(Path::new(folder)).expect("the folder can be opened")),
        None => Arc::new(MemoryTables::new()),
    };
    let store = EmbeddedStore::open(tables.clone()).expect("the tables are ours");
    println!("resident after opening {} MiB", resident_mib());
    println!("batch  units/s  batches/s  stage ns/unit  seal ns/record  write us/batch  fold ns/record");
    let mut lsn = store.last_lsn();
    for batch_units in [1, 32, 256, 1024] {
        let mut times = Times::default();
        let started = Instant::now();
        let mut committed = Vec::new();
        while started.elapsed() < SPAN {
            let records = times.batch(&store, &*tables, &mut lsn, batch_units);
            committed.push(Arc::new(Committed { lsn, records }));
            if committed.len() * batch_units >= 4096 {
                times.fold(&store, &mut committed).await;
            }
        }
        times.fold(&store, &mut committed).await;
        times.print(batch_units, started.elapsed());
    }
    println!("resident {} MiB, on disk {} MiB", resident_mib(), tables.disk_bytes() >> 20);
}

#[derive(Default)]
struct Times {
    units: u64,
    records: u64,
    batches: u64,
    stage: Duration,
    seal: Duration,
    write: Duration,
    fold: Duration,
}

impl Times {
    fn batch(
        &mut self,
        store: &EmbeddedStore,
        tables: &dyn Tables,
        lsn: &mut Lsn,
        batch_units: usize,
    ) -> Vec<host_core::record::Record> {
        let units: Vec<Unit> = (0..batch_units as u64).map(|index| unit(lsn.0 + 1 + index)).collect();
        let mut open = Default::default();
        let begun = Instant::now();
        for mut unit in units {
            *lsn = Lsn(lsn.0 + 1);
            store.stage(&mut open, *lsn, &mut unit).expect("nothing conflicts");
        }
        let staged = Instant::now();
        let mut batch = Batch::default();
        let records = store.seal(open, *lsn, &mut batch);
        let sealed = Instant::now();
        tables.write(batch, Durability::Synced).expect("the tables take the batch");
        let written = Instant::now();
        store.written(*lsn);
        self.units += batch_units as u64;
        self.records += records.len() as u64;
        self.batches += 1;
        self.stage += staged - begun;
        self.seal += sealed - staged;
        self.write += written - sealed;
        records
    }

    async fn fold(&mut self, store: &EmbeddedStore, committed: &mut Vec<Arc<Committed>>) {
        let begun = Instant::now();
        store.project(committed).await.expect("the batches can be folded");
        self.fold += begun.elapsed();
        committed.clear();
    }

    #[expect(clippy::print_stdout, reason = "a table for people")]
    fn print(&self, batch_units: usize, elapsed: Duration) {
        let per = |time: Duration, count: u64| time.as_nanos() as u64 / count.max(1);
        println!(
            "{batch_units:5} {:8.0} {:10.0} {:14} {:15} {:15} {:15}",
            self.units as f64 / elapsed.as_secs_f64(),
            self.batches as f64 / elapsed.as_secs_f64(),
            per(self.stage, self.units),
            per(self.seal, self.records),
            per(self.write, self.batches) / 1000,
            per(self.fold, self.records),
        );
    }
}

/// One step of a saga of two: every second unit begins one, the next ends it.
fn unit(number: u64) -> Unit {
    let saga = format!("0198c7e2-aa11-7bcd-9f00-{:012x}", number / 2);
    let records = completed(&global_id(&saga), 2, number);
    let (first, second) = records.split_at(2);
    let count = number.to_string();
    let step = bucket("test.step.s1");
    let mut unit = writes(&[(&step, &format!("account-{}", number % 1000), Some(&count))]);
    unit.records = if number.is_multiple_of(2) { first } else { second }.iter().cloned().collect();
    unit
}

/// Of this process, from the kernel; 0 where it does not say.
fn resident_mib() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    (pages * 4096) >> 20
}
