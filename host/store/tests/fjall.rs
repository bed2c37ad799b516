//! The conformance suite over fjall in a temporary folder. A power cut is played by copying the folder and cutting the
//! copy's log where it was last synced.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use host_core::table::{Batch, Durability, Table, Tables};
use host_store::Error;
use host_store::backends::fjall::FjallTables;
use host_store::conformance::tables::nothing_is_written_after_a_failed_write;
use host_store::conformance::{Backend, Embedded, Medium, Subject};
use tempfile::TempDir;

struct Folder {
    /// Dropped before the folder is removed.
    tables: Arc<FjallTables>,
    folder: TempDir,
    /// Bytes of the log that were synced.
    synced: AtomicU64,
}

impl Folder {
    fn open(folder: TempDir) -> Self {
        let tables = Arc::new(FjallTables::open(folder.path()).expect("the folder can be opened"));
        let folder = Folder { tables, folder, synced: AtomicU64::new(0) };
        folder.synced();
        folder
    }

    /// A copy of the folder as a power cut leaves it.
    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().expect("a temporary folder can be made");
        copy_folder(self.folder.path(), copy.path(), self.synced.load(Ordering::Relaxed));
        copy
    }
}

impl Medium for Folder {
    fn tables(&self) -> Arc<dyn Tables> {
        self.tables.clone()
    }

    fn synced(&self) {
        let end = log_end(&log(self.folder.path()), self.synced.load(Ordering::Relaxed));
        self.synced.store(end, Ordering::Relaxed);
    }

    fn reopened(self: Box<Self>) -> Box<dyn Medium> {
        let Folder { tables, folder, .. } = *self;
        assert_eq!(Arc::strong_count(&tables), 1, "nobody else holds the folder");
        drop(tables);
        Box::new(Folder::open(folder))
    }

    fn crashed(self: Box<Self>) -> Box<dyn Medium> {
        let copy = self.copy();
        Box::new(Folder::open(copy))
    }
}

/// The one log of a small database.
fn log(folder: &Path) -> PathBuf {
    let logs: Vec<_> = fs::read_dir(folder)
        .expect("the folder is readable")
        .map(|entry| entry.expect("the folder is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    assert_eq!(logs.len(), 1, "the tests are too small to fill a log: {logs:?}");
    logs[0].clone()
}

/// Behind the last byte that was written: the rest of the file is reserved and zero.
fn log_end(log: &Path, from: u64) -> u64 {
    const BLOCK_BYTES: usize = 4 << 20;
    let file = File::open(log).expect("the log is readable");
    let mut block = vec![0; BLOCK_BYTES];
    let mut end = from;
    let mut at = from;
    loop {
        let count = file.read_at(&mut block, at).expect("the log is readable");
        match block[..count].iter().rposition(|&byte| byte != 0) {
            Some(last) => end = at + last as u64 + 1,
            None => return end,
        }
        at += count as u64;
    }
}

fn copy_folder(from: &Path, to: &Path, log_bytes: u64) {
    for entry in fs::read_dir(from).expect("the folder is readable") {
        let entry = entry.expect("the folder is readable");
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            fs::create_dir(&copy).expect("a folder can be made");
            copy_folder(&path, &copy, log_bytes);
        } else if path.extension().is_some_and(|extension| extension == "jnl") {
            let length = fs::metadata(&path).expect("the log is there").len();
            let mut bytes = vec![0; log_bytes as usize];
            File::open(&path).expect("the log is readable").read_exact_at(&mut bytes, 0).expect("it is that long");
            fs::write(&copy, bytes).expect("the copy can be written");
            let copy = File::options().write(true).open(&copy).expect("the copy is there");
            copy.set_len(length).expect("the copy can be as long");
        } else {
            fs::copy(&path, &copy).expect("the file can be copied");
        }
    }
}

fn fresh() -> Box<dyn Medium> {
    Box::new(Folder::open(tempfile::tempdir().expect("a temporary folder can be made")))
}

struct FjallBackend;

#[async_trait]
impl Backend for FjallBackend {
    async fn fresh(&self) -> Box<dyn Subject> {
        Box::new(Embedded::open(fresh()))
    }
}

host_store::store_conformance!(FjallBackend);
host_store::tables_conformance!(fresh());

#[test]
fn every_write_after_a_failed_one_is_refused() {
    for key in [Vec::new(), vec![b'x'; 1 << 16]] {
        let tables = fresh().tables();
        nothing_is_written_after_a_failed_write(&tables, |tables| {
            let mut batch = Batch::default();
            batch.put(Table::Messages, &b"after"[..], &b"1"[..]);
            batch.put(Table::Messages, key, &b"1"[..]);
            tables.write(batch, Durability::Synced).expect_err("no database takes this key")
        });
    }
}

#[test]
fn a_second_host_on_the_same_folder_is_refused_with_the_cure() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let first = FjallTables::open(folder.path()).expect("the folder can be opened");
    let refused = FjallTables::open(folder.path()).map(|_| ()).expect_err("the first host holds it");
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    assert!(refused.to_string().contains("stop that host"), "{refused}");
    drop(first);
    FjallTables::open(folder.path()).expect("the first host has let go of it");
}

#[test]
fn a_folder_of_another_format_is_refused_with_the_cure() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let tables = FjallTables::open(folder.path()).expect("the folder can be opened");
    let mut batch = Batch::default();
    batch.put(Table::Meta, &b"format"[..], 2u32.to_be_bytes().to_vec());
    tables.write(batch, Durability::Synced).expect("the tables take the batch");
    drop(tables);
    let refused = FjallTables::open(folder.path()).map(|_| ()).expect_err("format 2 is not ours");
    assert!(matches!(refused, Error::Format { found: 2, .. }), "{refused}");
    assert!(refused.to_string().contains("newer version of saga"), "{refused}");
}

#[test]
fn a_folder_that_is_no_folder_is_refused_with_the_cure() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let refused = FjallTables::open(file.path()).map(|_| ()).expect_err("a file is no folder");
    assert!(matches!(refused, Error::Open { .. }), "{refused}");
    assert!(refused.to_string().contains("check that the folder"), "{refused}");
}

/// Wherever a crash tears the log, in any of its last batches: what is there are whole batches from the first on, and
/// if something is missing that had been acknowledged, the folder is refused.
#[test]
fn a_log_that_is_cut_at_any_byte_of_its_last_batches_opens_with_whole_batches_or_is_refused() {
    const TABLES: [Table; 2] = [Table::Journal, Table::KeyValue];
    let original = Folder::open(tempfile::tempdir().expect("a temporary folder can be made"));
    let mut ends = Vec::new();
    for number in 1..=4u8 {
        let mut batch = Batch::default();
        for table in TABLES {
            batch.put(table, vec![number], vec![number; 4]);
        }
        // The last one is written and not synced, as when the power fails meanwhile.
        let durability = if number == 4 { Durability::Visible } else { Durability::Synced };
        original.tables.write(batch, durability).expect("the tables take the batch");
        original.synced();
        ends.push(original.synced.load(Ordering::Relaxed));
    }
    let copy = original.copy();
    for cut in ends[0]..=ends[3] {
        restore(original.folder.path(), copy.path(), cut);
        let whole = ends.iter().filter(|end| **end <= cut).count();
        if whole < 3 {
            let opened = FjallTables::open(copy.path());
            let refused = opened.map(|_| ()).expect_err("something acknowledged is missing");
            assert!(matches!(refused, Error::Damaged(_)), "cut at {cut}: {refused}");
            let missing = format!("{} more were acknowledged", 3 - whole);
            assert!(refused.to_string().contains(&missing), "cut at {cut}: {refused}");
            // Where nobody knows of more, as when the power took the newest bound too, it opens with what is there.
            fs::remove_file(copy.path().join("durable")).expect("the bound is there");
        }
        let tables = FjallTables::open(copy.path()).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        for number in 1..=4u8 {
            let held = TABLES.map(|table| tables.get(table, &[number]).expect("the tables answer").is_some());
            assert_eq!(held, [usize::from(number) <= whole; 2], "cut at {cut}, batch {number}");
        }
    }
}

/// The copy of a small database as a crash leaves it whose log ends here. Only what opening it may change is made anew.
fn restore(original: &Path, copy: &Path, log_bytes: u64) {
    fs::copy(original.join("durable"), copy.join("durable")).expect("the file can be copied");
    let mut bytes = vec![0; log_bytes as usize];
    File::open(log(original)).expect("the log is readable").read_exact_at(&mut bytes, 0).expect("it is that long");
    fs::write(log(copy), bytes).expect("the copy can be written");
}
