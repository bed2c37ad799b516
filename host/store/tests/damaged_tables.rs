//! Table files with a flipped byte. Goal: what was written is answered as it was written, or the file is named with the
//! cure; never a wrong answer, never a panic. Method: a database with tables on disk, of which one byte after the other
//! is turned round.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use host_core::table::{Batch, Durability, Error, Table, Tables as _};
use host_store::backends::fjall::FjallTables;
use tempfile::TempDir;

const ROWS: u32 = 400;

/// Bytes that do not become fewer when they are compressed.
fn value(row: u32) -> Vec<u8> {
    let mut random = Rng::with_seed(u64::from(row));
    std::iter::repeat_with(|| random.u8(..)).take(300).collect()
}

/// A database whose rows of the journal are in a table file, as after a long run.
fn database() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let tables = FjallTables::open(folder.path()).expect("the folder can be opened");
    let mut batch = Batch::default();
    for row in 0..ROWS {
        batch.put(Table::Journal, row.to_be_bytes().to_vec(), value(row));
    }
    tables.write(batch, Durability::Synced).expect("the tables take the batch");
    tables.flush(Table::Journal).expect("the rows can be written out");
    drop(tables);
    folder
}

fn table_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for keyspace in fs::read_dir(folder.join("keyspaces")).expect("there are keyspaces").flatten() {
        let tables = fs::read_dir(keyspace.path().join("tables")).into_iter().flatten().flatten();
        found.extend(tables.map(|entry| entry.path()));
    }
    found.sort_unstable_by_key(|path| fs::metadata(path).map(|metadata| metadata.len()).ok());
    found
}

fn flip(path: &Path, at: u64) {
    let file = fs::File::options().read(true).write(true).open(path).expect("the file is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("it is that long");
    file.write_all_at(&[byte[0] ^ 0x2a], at).expect("it can be written");
}

/// Read everything. Rows must be right; what cannot be read must be said.
fn read_all(tables: &FjallTables) -> Result<(), Error> {
    for row in 0..ROWS {
        let found = tables.get(Table::Journal, &row.to_be_bytes())?;
        assert_eq!(found.as_deref(), Some(&*value(row)), "row {row}");
    }
    let rows = tables.scan(Table::Journal, &[], None, usize::MAX)?;
    assert_eq!(rows.len(), ROWS as usize);
    Ok(())
}

#[test]
fn a_flipped_byte_in_a_table_is_never_a_wrong_answer_and_the_file_is_named() {
    let folder = database();
    let table = table_files(folder.path()).pop().expect("the journal is in a table");
    let length = fs::metadata(&table).expect("it is there").len();
    let (mut refused, mut unreadable, mut harmless) = (0, 0, 0);
    // The rows, and everything behind them that tells where the rows are.
    let places = (0..length.saturating_sub(600)).step_by(499).chain(length.saturating_sub(600)..length).step_by(3);
    for at in places {
        flip(&table, at);
        match FjallTables::open(folder.path()) {
            Err(error) => {
                refused += 1;
                let text = error.to_string();
                assert!(text.contains(&table.display().to_string()), "byte {at}: {text}");
                assert!(text.contains("from a copy"), "byte {at}: {text}");
            }
            Ok(tables) => match read_all(&tables) {
                Err(error @ Error::Corrupt { table: "journal", .. }) => {
                    unreadable += 1;
                    let text = error.to_string();
                    assert!(text.contains(&table.display().to_string()), "byte {at}: {text}");
                    assert!(text.contains("from a copy"), "byte {at}: {text}");
                }
                Err(error) => panic!("byte {at}: {error}"),
                Ok(()) => harmless += 1,
            },
        }
        flip(&table, at);
    }
    assert!(refused > 10 && unreadable > 10, "{refused} refused, {unreadable} unreadable, {harmless} harmless");
    read_all(&FjallTables::open(folder.path()).expect("whole again")).expect("whole again");
}

#[test]
fn a_flipped_byte_in_a_list_of_tables_is_refused_and_the_file_is_named() {
    let folder = database();
    let table = table_files(folder.path()).pop().expect("the journal is in a table");
    let keyspace = table.ancestors().nth(2).expect("a table lies in its keyspace");
    let current = fs::read(keyspace.join("current")).expect("there is a list in force");
    let number = u64::from_le_bytes(current[..8].try_into().expect("it begins with its number"));
    let list = keyspace.join(format!("v{number}"));
    for at in (0..fs::metadata(&list).expect("it is there").len()).step_by(7) {
        flip(&list, at);
        let error = FjallTables::open(folder.path()).map(|_| ()).expect_err("a damaged list went unnoticed");
        assert!(error.to_string().contains(&list.display().to_string()), "byte {at}: {error}");
        flip(&list, at);
    }
    read_all(&FjallTables::open(folder.path()).expect("whole again")).expect("whole again");
}

#[test]
fn what_a_host_that_died_left_half_written_is_no_damage() {
    let folder = database();
    let table = table_files(folder.path()).pop().expect("the journal is in a table");
    let tables = table.parent().expect("a table lies in a folder");
    // Each number that a byte can be, among them those that stand by chance before eight zeros in the list of tables.
    let left_over: Vec<_> =
        (0..=255).map(|number| tables.join(number.to_string())).filter(|path| !path.exists()).collect();
    for path in &left_over {
        fs::write(path, "half a table").expect("it can be written");
    }
    read_all(&FjallTables::open(folder.path()).expect("nothing is damaged")).expect("all rows are there");
    assert!(left_over.iter().all(|path| !path.exists()), "left-overs are swept away");
}

#[test]
fn a_table_that_is_gone_is_refused_with_the_cure() {
    let folder = database();
    let table = table_files(folder.path()).pop().expect("the journal is in a table");
    fs::remove_file(&table).expect("it is there");
    let error = FjallTables::open(folder.path()).map(|_| ()).expect_err("a missing table went unnoticed");
    assert!(error.to_string().contains("from a copy"), "{error}");
}
