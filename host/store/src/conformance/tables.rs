//! What tables of any kind must do under the embedded store and broker.

use std::sync::Arc;

use bytes::Bytes;
use host_core::table::{Batch, Durability, Error, Table, Tables};

use super::Medium;

fn put(rows: &[(Table, &str, &str)]) -> Batch {
    let mut batch = Batch::default();
    for (table, key, value) in rows {
        batch.put(*table, key.as_bytes().to_vec(), value.as_bytes().to_vec());
    }
    batch
}

fn write(tables: &dyn Tables, batch: Batch) {
    tables.write(batch, Durability::Visible).expect("the tables take the batch");
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).expect("the tests write text")
}

fn get(tables: &dyn Tables, table: Table, key: &str) -> Option<String> {
    tables.get(table, key.as_bytes()).expect("the tables answer").as_ref().map(text)
}

fn scan(tables: &dyn Tables, from: &str, to: Option<&str>, limit: usize) -> String {
    let rows = tables.scan(Table::Messages, from.as_bytes(), to.map(str::as_bytes), limit);
    rows.expect("the tables answer").iter().map(|(key, _)| text(key)).collect::<Vec<_>>().join(" ")
}

fn scan_back(tables: &dyn Tables, from: &str, to: Option<&str>, limit: usize) -> String {
    let rows = tables.scan_back(Table::Messages, from.as_bytes(), to.map(str::as_bytes), limit);
    rows.expect("the tables answer").iter().map(|(key, _)| text(key)).collect::<Vec<_>>().join(" ")
}

pub fn a_table_is_not_another(medium: Box<dyn Medium>) {
    let tables = medium.tables();
    for table in Table::ALL {
        write(&*tables, put(&[(table, "key", table.as_str())]));
    }
    for table in Table::ALL {
        assert_eq!(get(&*tables, table, "key").as_deref(), Some(table.as_str()));
        assert_eq!(get(&*tables, table, "ke"), None);
    }
}

pub fn ranges_are_in_byte_order_from_both_ends(medium: Box<dyn Medium>) {
    let tables = medium.tables();
    let rows = ["b", "a", "ab", "c", "B", "é", "ba"].map(|key| (Table::Messages, key, "v"));
    write(&*tables, put(&rows));
    assert_eq!(scan(&*tables, "", None, 100), "B a ab b ba c é");
    assert_eq!(scan(&*tables, "a", Some("b"), 100), "a ab");
    assert_eq!(scan(&*tables, "ab", Some("bz"), 2), "ab b");
    assert_eq!(scan(&*tables, "d", None, 100), "é");
    assert_eq!(scan(&*tables, "b", Some("b"), 100), "");
    assert_eq!(scan(&*tables, "c", Some("a"), 100), "");
    assert_eq!(scan(&*tables, "", None, 0), "");
    assert_eq!(scan_back(&*tables, "", None, 100), "é c ba b ab a B");
    assert_eq!(scan_back(&*tables, "a", Some("b"), 100), "ab a");
    assert_eq!(scan_back(&*tables, "ab", Some("bz"), 1), "ba");
    assert_eq!(scan_back(&*tables, "c", Some("a"), 100), "");
}

pub fn the_last_change_of_a_batch_counts(medium: Box<dyn Medium>) {
    let tables = medium.tables();
    let mut batch =
        put(&[(Table::Messages, "put", "1"), (Table::Messages, "put", "2"), (Table::Messages, "gone", "1")]);
    batch.remove(Table::Messages, &b"gone"[..]);
    batch.remove(Table::Messages, &b"back"[..]);
    batch.put(Table::Messages, &b"back"[..], &b"3"[..]);
    tables.write(batch, Durability::Synced).expect("the tables take the batch");
    medium.synced();
    drop(tables);
    let medium = medium.reopened();
    let tables = medium.tables();
    assert_eq!(get(&*tables, Table::Messages, "put").as_deref(), Some("2"));
    assert_eq!(get(&*tables, Table::Messages, "gone"), None);
    assert_eq!(get(&*tables, Table::Messages, "back").as_deref(), Some("3"));
    assert_eq!(scan(&*tables, "", None, 100), "back put");
}

pub fn rows_of_every_size_come_back(medium: Box<dyn Medium>) {
    let tables = medium.tables();
    let sizes = [0, 1, 19, 20, 21, 4095, 4096, 5000, 1 << 20];
    let mut batch = Batch::default();
    for size in sizes {
        batch.put(Table::Messages, format!("{size:08}"), vec![0xa5; size]);
    }
    tables.write(batch, Durability::Synced).expect("the tables take the batch");
    medium.synced();
    drop(tables);
    let medium = medium.crashed();
    for size in sizes {
        let value = medium.tables().get(Table::Messages, format!("{size:08}").as_bytes()).expect("the tables answer");
        assert_eq!(value.expect("it is there"), vec![0xa5; size]);
    }
    assert!(medium.tables().disk_bytes() > 1 << 10, "a compressible megabyte takes some room");
}

/// Each batch moves the same number into many tables: a reader that sees two numbers saw half a batch.
pub fn a_batch_is_seen_whole_by_readers_on_other_threads(medium: Box<dyn Medium>) {
    let tables = medium.tables();
    let keys: Vec<String> = (0..50).map(|index| format!("{index:02}")).collect();
    let numbered = |number: u32| {
        let mut batch = Batch::default();
        keys.iter().for_each(|key| batch.put(Table::Messages, key.clone(), number.to_be_bytes().to_vec()));
        batch
    };
    write(&*tables, numbered(0));
    std::thread::scope(|scope| {
        let reader = scope.spawn({
            let tables = tables.clone();
            move || {
                let mut last = Vec::new();
                while last != 300u32.to_be_bytes() {
                    let rows = tables.scan(Table::Messages, b"", None, 100).expect("the tables answer");
                    assert_eq!(rows.len(), 50);
                    let first = rows[0].1.clone();
                    assert!(rows.iter().all(|(_, value)| *value == first), "one scan sees one batch");
                    assert!(last.as_slice() <= first.as_ref(), "time does not run backwards");
                    last = first.to_vec();
                }
            }
        });
        (1..=300).for_each(|number| write(&*tables, numbered(number)));
        reader.join().expect("the reader saw whole batches");
    });
}

pub fn synced_writes_survive_and_nothing_overtakes_them(medium: Box<dyn Medium>) {
    let tables = medium.tables();
    for number in 0..20u32 {
        let durability = if number % 7 == 3 { Durability::Synced } else { Durability::Visible };
        let mut batch = put(&[(Table::Messages, "last", &number.to_string())]);
        batch.put(Table::Journal, number.to_be_bytes().to_vec(), Bytes::new());
        tables.write(batch, durability).expect("the tables take the batch");
        if durability == Durability::Synced {
            medium.synced();
        }
    }
    drop(tables);
    let medium = medium.crashed();
    let tables = medium.tables();
    let rows = tables.scan(Table::Journal, b"", None, 100).expect("the tables answer").len() as u32;
    assert!(rows >= 18, "{rows} rows are there, the eighteenth was synced");
    assert_eq!(get(&*tables, Table::Messages, "last"), Some((rows - 1).to_string()), "a suffix is lost, never a hole");
}

/// A batch that no database can take: an empty key. What was asked for is not on disk, so nothing else may be.
pub fn nothing_is_written_after_a_failed_write(tables: &Arc<dyn Tables>, fail: impl FnOnce(&dyn Tables) -> Error) {
    write(&**tables, put(&[(Table::Messages, "before", "1")]));
    let first = fail(&**tables);
    assert!(matches!(first, Error::Failed { .. }), "{first}");
    for durability in [Durability::Visible, Durability::Synced] {
        let again = tables.write(put(&[(Table::Messages, "after", "1")]), durability);
        assert_eq!(again.expect_err("later writes are refused"), first);
    }
    assert_eq!(get(&**tables, Table::Messages, "after"), None);
    assert_eq!(get(&**tables, Table::Messages, "before").as_deref(), Some("1"), "reading goes on");
}

/// One test per promise, over a function that makes an empty medium.
#[macro_export]
macro_rules! tables_conformance {
    ($fresh:expr) => {
        $crate::tables_conformance! { @each $fresh,
            a_table_is_not_another,
            ranges_are_in_byte_order_from_both_ends,
            the_last_change_of_a_batch_counts,
            rows_of_every_size_come_back,
            a_batch_is_seen_whole_by_readers_on_other_threads,
            synced_writes_survive_and_nothing_overtakes_them,
        }
    };
    (@each $fresh:expr, $($name:ident,)*) => {
        mod tables {
            use super::*;
            $(
                #[test]
                fn $name() {
                    $crate::conformance::tables::$name($fresh);
                }
            )*
        }
    };
}
