//! Finds the table files that are not as they were written, by the checksums that fjall's own lists of tables hold.
//! fjall tells that a block is bad but not in which file; an operator must know. It changes nothing.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Cursor, Read as _, Seek as _};
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
            Err(damaged_list) => damaged.push(damaged_list),
            Ok(list) => damaged.extend(
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
    let read = fs::read(keyspace.join(CURRENT)).map_err(|_| keyspace.join(CURRENT));
    let list = match read.and_then(|current| list(keyspace, &current)) {
        Ok(list) => list,
        Err(damaged_list) => return vec![damaged_list],
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

/// The tables in force, by their number, with their checksums.
struct List(HashMap<u64, u128>);

/// The list that `current` names, or the file that is damaged instead.
fn list(keyspace: &Path, current: &[u8]) -> Result<List, PathBuf> {
    let (number, checksum) = named_list(current).ok_or_else(|| keyspace.join(CURRENT))?;
    let path = keyspace.join(format!("v{number}"));
    let bytes = fs::read(&path).map_err(|_| keyspace.join(CURRENT))?;
    // Only what is whole is looked into: the lengths in it are believed.
    let entries = if xxh3_128(&bytes) == checksum { entries(&bytes) } else { None };
    entries.map(List).ok_or(path)
}

fn named_list(current: &[u8]) -> Option<(u64, u128)> {
    let (number, rest) = current.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), u128::from_le_bytes(*rest.first_chunk()?)))
}

/// The section `tables` of a list: levels of runs of tables, each level and run with a count before it. A table is its
/// number, the kind of its checksum (0), the checksum, and a number that does not matter here.
fn entries(list: &[u8]) -> Option<HashMap<u64, u128>> {
    let contents = sfa::Reader::from_reader(&mut Cursor::new(list)).ok()?;
    let section = contents.toc().section(b"tables")?;
    let from = usize::try_from(section.pos()).ok()?;
    let mut rest = list.get(from..from.checked_add(usize::try_from(section.len()).ok()?)?)?;
    let mut entries = HashMap::new();
    for _ in 0..u8::from_le_bytes(take(&mut rest)?) {
        for _ in 0..u8::from_le_bytes(take(&mut rest)?) {
            for _ in 0..u32::from_le_bytes(take(&mut rest)?) {
                let number = u64::from_le_bytes(take(&mut rest)?);
                let [0] = take(&mut rest)? else { return None };
                entries.insert(number, u128::from_le_bytes(take(&mut rest)?));
                let _seqno: [u8; 8] = take(&mut rest)?;
            }
        }
    }
    Some(entries)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*first)
}

impl List {
    /// None for a table that is not in the list: a left-over of a host that died, which nobody reads.
    fn checksum_of(&self, table: &Path) -> Option<u128> {
        let number = table.file_name()?.to_str()?.parse().ok()?;
        self.0.get(&number).copied()
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
