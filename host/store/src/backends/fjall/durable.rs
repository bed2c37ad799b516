//! The file `durable` beside the log: the number of the last batch that was synced, so that a log which lost its end is
//! noticed. It is written without a sync of its own. A killed process leaves it in the page cache; after a power cut it
//! may be older than the log. So it is a lower bound, and never too high.

use std::fs::File;
use std::io;
use std::path::Path;

use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

/// Name of the file in the database's folder, so that a copy of the folder takes it along.
pub(super) const FILE: &str = "durable";
const MAGIC: &[u8; 8] = b"saga-dur";
const SLOT_BYTES: usize = 24;
/// Two slots are written in turn, each in a sector of its own: a torn write of one leaves the other.
const SLOTS_AT: [u64; 2] = [0, 512];

/// The open file.
pub(super) struct DurableFile {
    file: File,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next_slot: usize,
    /// The file could not be written: told once.
    failed: bool,
}

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// There is no file: the folder is new or an older host wrote it.
    Absent,
    /// Neither slot holds.
    Unreadable,
    UpTo(u64),
}

/// Read the bound that an earlier host left.
pub(super) fn read(folder: &Path) -> io::Result<Bound> {
    let bytes = match std::fs::read(folder.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Bound::Absent),
        Err(error) => return Err(error),
    };
    let slots = SLOTS_AT.iter().filter_map(|&at| parse(bytes.get(usize::try_from(at).ok()?..)?));
    Ok(slots.max().map_or(Bound::Unreadable, Bound::UpTo))
}

fn parse(bytes: &[u8]) -> Option<u64> {
    let slot = bytes.get(..SLOT_BYTES)?;
    let (head, checksum) = slot.split_at(16);
    let is_whole = head.starts_with(MAGIC) && checksum == xxh3_64(head).to_be_bytes();
    let number = u64::from_be_bytes(head[8..].try_into().ok()?);
    is_whole.then_some(number)
}

fn slot(number: u64) -> [u8; SLOT_BYTES] {
    let mut bytes = [0; SLOT_BYTES];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..16].copy_from_slice(&number.to_be_bytes());
    let checksum = xxh3_64(&bytes[..16]).to_be_bytes();
    bytes[16..].copy_from_slice(&checksum);
    bytes
}

impl DurableFile {
    /// Begin anew at `number`, synced.
    pub(super) fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let file = File::options().create(true).truncate(false).write(true).open(folder.join(FILE))?;
        let durable = Self { file, state: Mutex::default() };
        for at in SLOTS_AT {
            durable.write_at(number, at)?;
        }
        durable.file.sync_all()?;
        Ok(durable)
    }

    /// Everything up to batch `number` is synced. Costs one write into the page cache. If it fails, the bound stays
    /// behind: a cut log may then go unnoticed, but nothing else is lost, so it is no reason to stop.
    pub(super) fn advance(&self, number: u64) {
        let mut state = self.state.lock();
        if let Err(error) = self.write_at(number, SLOTS_AT[state.next_slot])
            && !std::mem::replace(&mut state.failed, true)
        {
            tracing::warn!(%error, file = FILE, "what is durable cannot be noted, a log that is cut may go unnoticed");
        }
        state.next_slot = (state.next_slot + 1) % SLOTS_AT.len();
    }

    /// The last word of a host that ends in order.
    pub(super) fn finish(&self, number: u64) -> io::Result<()> {
        self.advance(number);
        self.file.sync_all()
    }

    #[cfg(unix)]
    fn write_at(&self, number: u64, at: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, &slot(number), at)
    }

    #[cfg(not(unix))]
    fn write_at(&self, number: u64, at: u64) -> io::Result<()> {
        use std::io::{Seek as _, Write as _};
        (&self.file).seek(io::SeekFrom::Start(at))?;
        (&self.file).write_all(&slot(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_is_read_back_and_a_torn_slot_leaves_the_one_before() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        assert_eq!(read(folder.path()).ok(), Some(Bound::Absent));
        let durable = DurableFile::create(folder.path(), 7).expect("the folder is ours");
        durable.advance(8);
        durable.advance(9);
        assert_eq!(read(folder.path()).ok(), Some(Bound::UpTo(9)));
        let path = folder.path().join(FILE);
        let whole = std::fs::read(&path).expect("the file is there");
        for byte in 0..SLOT_BYTES {
            let mut torn = whole.clone();
            torn[512 + byte] ^= 0x10;
            std::fs::write(&path, &torn).expect("the folder is ours");
            assert_eq!(read(folder.path()).ok(), Some(Bound::UpTo(8)), "byte {byte}");
            torn[byte] ^= 0x10;
            std::fs::write(&path, &torn).expect("the folder is ours");
            assert_eq!(read(folder.path()).ok(), Some(Bound::Unreadable), "byte {byte}");
        }
    }
}
