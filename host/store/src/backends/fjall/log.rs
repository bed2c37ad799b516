//! Reads the files of fjall's write-ahead log, as far as must be known to tell a torn end from damage: where each batch
//! ends, whether its checksum holds, and the mark that this host puts at the head of every batch. It changes nothing
//! and must not know what the rows mean.
//!
//! A batch is `1 count seqno`, then `count` items or clears, then `3 checksum magic`; numbers are little-endian, and
//! the checksum is that of all items together.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

/// Ends every batch.
const MAGIC: &[u8] = b"FJL\x03";
const TAG_START: u8 = 1;
const TAG_ITEM: u8 = 2;
const TAG_END: u8 = 3;
const TAG_CLEAR: u8 = 4;
/// Type, compression, keyspace, length of the key, of the value, of the stored value.
const ITEM_HEAD_BYTES: usize = 1 + 1 + 8 + 2 + 4 + 4;
const NUMBER_AT: usize = 1;
const CLEAR_BYTES: usize = 1 + 8;
const START_BYTES: usize = 1 + 4 + 8;
const END_BYTES: usize = 1 + 8 + MAGIC.len();
/// Read from the disk in one go.
const CHUNK_BYTES: usize = 4 << 20;

/// Key of the mark, which is the first item of every batch that this host writes.
pub(super) const MARK_KEY: &[u8] = b"saga-batch";

/// What this host says at the head of a batch. Batches are numbered without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Mark {
    pub(super) number: u64,
    /// Up to which batch everything was synced when this one was written.
    pub(super) synced: u64,
    /// fjall's own number is this or a little more. It decides which of two rows is the newer, and no checksum of
    /// fjall's covers it.
    pub(super) seqno: u64,
}

/// fjall's numbers that flushes and merges may use up between a mark and its batch.
const SEQNOS_BETWEEN_MAX: u64 = 1 << 16;

impl Mark {
    pub(super) fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.synced.to_be_bytes());
        bytes[16..].copy_from_slice(&self.seqno.to_be_bytes());
        bytes
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (synced, rest) = rest.split_first_chunk()?;
        let [number, synced, seqno] = [*number, *synced, rest.try_into().ok()?].map(u64::from_be_bytes);
        Some(Self { number, synced, seqno })
    }

    fn fits(self, seqno: u64) -> bool {
        seqno.checked_sub(self.seqno).is_some_and(|between| between <= SEQNOS_BETWEEN_MAX)
    }
}

/// A batch that is all there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) end: usize,
    /// fjall's own number.
    pub(super) seqno: u64,
    /// None for a batch that an older host wrote.
    pub(super) mark: Option<Mark>,
}

/// The log files of a database, oldest first. All but the last are sealed.
pub(super) fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jnl")?.parse::<u64>().ok());
        files.extend(number.map(|number| (number, path)));
    }
    files.sort_unstable();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// The bytes of a log up to where nothing but the reserved zeros follows.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let allocated = allocated_bytes(&file)?;
    let mut bytes = Vec::new();
    loop {
        let from = bytes.len();
        file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut bytes)?;
        let is_empty = bytes[from..].iter().all(|&byte| byte == 0);
        // A log is reserved at its full length: what the file system holds no block for need not be read.
        if bytes.len() == from || (is_empty && bytes.len() as u64 >= allocated) {
            break;
        }
    }
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(end);
    Ok(bytes)
}

#[cfg(unix)]
fn allocated_bytes(file: &File) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;
    // `st_blocks` counts 512 bytes each, whatever the file system's own block is.
    Ok(file.metadata()?.blocks() * 512)
}

#[cfg(not(unix))]
fn allocated_bytes(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

/// The batch that begins at `at`, if all of it is there.
pub(super) fn whole_at(bytes: &[u8], at: usize) -> Option<Whole> {
    let start = bytes.get(at..)?.get(..START_BYTES)?;
    if start[0] != TAG_START {
        return None;
    }
    let count = u32_at(start, NUMBER_AT)?;
    let seqno = u64_at(start, NUMBER_AT + 4)?;
    let items_from = at + START_BYTES;
    let mut next = items_from;
    let mut mark = None;
    for index in 0..count {
        let item = item_at(bytes, next)?;
        if index == 0 && item.key == MARK_KEY {
            mark = Mark::parse(item.stored);
        }
        next = item.end;
    }
    let end = bytes.get(next..)?.get(..END_BYTES)?;
    let is_whole = end[0] == TAG_END
        && end.ends_with(MAGIC)
        && u64_at(end, NUMBER_AT)? == xxh3_64(&bytes[items_from..next])
        && mark.is_none_or(|mark: Mark| mark.fits(seqno));
    is_whole.then_some(Whole { end: next + END_BYTES, seqno, mark })
}

/// The first whole batch at or behind `from`, wherever it begins. What stands before it may be anything.
pub(super) fn next_whole(bytes: &[u8], from: usize) -> Option<Whole> {
    (from..bytes.len()).filter(|&at| bytes[at] == TAG_START).find_map(|at| whole_at(bytes, at))
}

struct Item<'a> {
    key: &'a [u8],
    stored: &'a [u8],
    end: usize,
}

fn item_at(bytes: &[u8], at: usize) -> Option<Item<'_>> {
    let rest = bytes.get(at..)?;
    match *rest.first()? {
        TAG_ITEM => {
            let head = rest.get(1..=ITEM_HEAD_BYTES)?;
            let key_bytes = usize::from(u16::from_le_bytes(head.get(10..12)?.try_into().ok()?));
            let stored_bytes = usize::try_from(u32_at(head, 16)?).ok()?;
            let key_from = 1 + ITEM_HEAD_BYTES;
            let stored_from = key_from + key_bytes;
            let key = rest.get(key_from..stored_from)?;
            let stored = rest.get(stored_from..stored_from.checked_add(stored_bytes)?)?;
            Some(Item { key, stored, end: at + stored_from + stored_bytes })
        }
        TAG_CLEAR if rest.len() >= CLEAR_BYTES => Some(Item { key: &[], stored: &[], end: at + CLEAR_BYTES }),
        _ => None,
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
