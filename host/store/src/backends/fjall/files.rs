//! Finds the table files that are not as they were written, by the checksums that fjall's own lists of tables hold.
//! fjall tells that a block is bad but not in which file; an operator must know. It changes nothing.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

/// Holds the number of the list in force (eight bytes) and its checksum (sixteen), little-endian.
const CURRENT: &str = "current";
const KEYSPACES: &str = "keyspaces";
const TABLES: &str = "tables";

/// The folders of all keyspaces of a database.
fn keyspaces(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join(KEYSPACES)) else { return Vec::new() };
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort_unstable();
    folders
}

/// What fjall would trust unseen when it opens a database: its lists of tables, and the table of contents at the end of
/// each table, whose lengths it believes before it has checked them. Reads little.
pub(super) fn damaged_ends(folder: &Path) -> Vec<PathBuf> {
    let mut damaged = Vec::new();
    for keyspace in keyspaces(folder) {
        // A keyspace without a list was being made when the host died: fjall removes it.
        let Ok(current) = fs::read(keyspace.join(CURRENT)) else { continue };
        match list(&keyspace, &current) {
            None => damaged.push(keyspace.join(CURRENT)),
            Some(list) if xxh3_128(&list.bytes) != list.checksum => damaged.push(list.path),
            Some(list) => damaged.extend(
                tables(&keyspace)
                    .into_iter()
                    .filter(|table| list.checksum_of(table).is_some() && !has_whole_end(table).unwrap_or_default()),
            ),
        }
    }
    damaged
}

/// Every damaged table file of a database. Reads all of them.
pub(super) fn damaged_tables(folder: &Path) -> Vec<PathBuf> {
    keyspaces(folder).iter().flat_map(|keyspace| damaged_tables_of(keyspace)).collect()
}

/// The damaged table files of one keyspace. Reads all of its tables.
pub(super) fn damaged_tables_of(keyspace: &Path) -> Vec<PathBuf> {
    let Some(list) = fs::read(keyspace.join(CURRENT)).ok().and_then(|current| list(keyspace, &current)) else {
        return vec![keyspace.join(CURRENT)];
    };
    let mut damaged = tables(keyspace);
    damaged.retain(|table| list.checksum_of(table).is_some_and(|checksum| !has_checksum(table, checksum)));
    damaged
}

fn tables(keyspace: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(keyspace.join(TABLES)) else { return Vec::new() };
    let mut tables: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    tables.sort_unstable();
    tables
}

/// A list of the tables in force.
struct List {
    path: PathBuf,
    bytes: Vec<u8>,
    checksum: u128,
}

fn list(keyspace: &Path, current: &[u8]) -> Option<List> {
    let (number, rest) = current.split_first_chunk()?;
    let path = keyspace.join(format!("v{}", u64::from_le_bytes(*number)));
    let bytes = fs::read(&path).ok()?;
    Some(List { path, bytes, checksum: u128::from_le_bytes(*rest.first_chunk()?) })
}

impl List {
    /// None for a table that is not in the list: a left-over, which nobody reads.
    fn checksum_of(&self, table: &Path) -> Option<u128> {
        let number = table.file_name()?.to_str()?.parse::<u64>().ok()?;
        // An entry is the table's number, the kind of its checksum (0), the checksum.
        let mut entry = number.to_le_bytes().to_vec();
        entry.push(0);
        let found = self.bytes.windows(entry.len()).position(|window| *window == entry)?;
        let checksum = self.bytes.get(found + entry.len()..)?.first_chunk()?;
        Some(u128::from_le_bytes(*checksum))
    }
}

fn has_checksum(table: &Path, checksum: u128) -> bool {
    fs::read(table).is_ok_and(|bytes| xxh3_128(&bytes) == checksum)
}

/// A table ends with its contents and then: a word, two bytes of version, the contents' checksum, place and length.
const END_BYTES: u64 = 4 + 2 + 16 + 8 + 8;
const END_MAGIC: &[u8] = b"SFA!";

fn has_whole_end(table: &Path) -> io::Result<bool> {
    let mut file = File::open(table)?;
    let length = file.metadata()?.len();
    let Some(end_at) = length.checked_sub(END_BYTES) else { return Ok(false) };
    let mut end = Vec::new();
    file.seek(io::SeekFrom::Start(end_at))?;
    file.read_to_end(&mut end)?;
    let numbers = end.get(6..).and_then(|rest| {
        let (checksum, rest) = rest.split_first_chunk()?;
        let (place, rest) = rest.split_first_chunk()?;
        Some((u128::from_le_bytes(*checksum), u64::from_le_bytes(*place), u64::from_le_bytes(*rest.first_chunk()?)))
    });
    let Some((checksum, place, contents_length)) = numbers else { return Ok(false) };
    if !end.starts_with(END_MAGIC) || place.checked_add(contents_length) != Some(end_at) {
        return Ok(false);
    }
    let mut contents = Vec::new();
    file.seek(io::SeekFrom::Start(place))?;
    file.take(contents_length).read_to_end(&mut contents)?;
    Ok(xxh3_128(&contents) == checksum)
}
