//! Tells before fjall opens a folder whether its log is whole, torn at its end, or damaged. fjall itself cuts a log at
//! the first thing that it cannot read, wherever that is; this host lets it do so only where nothing acknowledged is
//! lost. Nothing but a torn end is ever changed here.
//!
//! The proofs that something behind the break was acknowledged: the bound in the file `durable`, and the marks of
//! whole batches behind the break, which say what had been synced when they were written.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::durable::Bound;
use super::log::{self, Whole};
use crate::error::Damage;

/// A log without damage.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Number of the last whole batch; none if no log holds a numbered one.
    pub(super) last: Option<u64>,
    /// The end of the newest log that no batch can be made of.
    pub(super) torn: Option<Torn>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Torn {
    file: PathBuf,
    at: usize,
    byte_count: usize,
}

/// Where a log stops being whole, and what that means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) damage: Damage,
    /// fjall's number of the last batch before the damage.
    pub(super) seqno: u64,
}

/// Look at every log of the folder. Whoever asks holds the folder's lock.
pub(super) fn survey(folder: &Path, bound: Bound) -> io::Result<Result<Survey, Broken>> {
    let files = log::files(folder)?;
    let mut walk = Walk { last: None, seqno: 0 };
    let mut torn = None;
    for (index, file) in files.iter().enumerate() {
        let bytes = log::read(file)?;
        let end = match walk.follow(&bytes) {
            Ok(end) => end,
            Err((at, what)) => return Ok(Err(walk.broken(file, at, what))),
        };
        if end == bytes.len() {
            continue;
        }
        // A log is sealed with a sync: what cannot be read in it had been written whole.
        let was_acknowledged = index + 1 < files.len() || walk.is_acknowledged_behind(&bytes, end);
        if was_acknowledged {
            return Ok(Err(walk.broken(file, end, walk.unreadable())));
        }
        torn = Some(Torn { file: file.clone(), at: end, byte_count: bytes.len() - end });
    }
    match (bound, walk.last, files.last()) {
        (Bound::UpTo(bound), Some(last), Some(file)) if last < bound => {
            let at = log::read(file).map(|bytes| torn.as_ref().map_or(bytes.len(), |torn| torn.at))?;
            Ok(Err(walk.broken(file, at, missing(last, bound))))
        }
        _ => Ok(Ok(Survey { last: walk.last, torn })),
    }
}

/// What it means that the log ends too early.
pub(super) fn missing(last: u64, bound: u64) -> String {
    let count = bound - last;
    format!("it ends with batch {last}, but {count} more were acknowledged, up to batch {bound}")
}

/// The way through the batches of all logs.
struct Walk {
    last: Option<u64>,
    seqno: u64,
}

impl Walk {
    /// Behind the last whole batch; or where a batch stands that does not follow the one before.
    fn follow(&mut self, bytes: &[u8]) -> Result<usize, (usize, String)> {
        let mut at = 0;
        while let Some(whole) = log::whole_at(bytes, at) {
            self.pass(&whole).map_err(|what| (at, what))?;
            at = whole.end;
        }
        Ok(at)
    }

    fn pass(&mut self, whole: &Whole) -> Result<(), String> {
        if let Some(mark) = whole.mark {
            match self.last {
                Some(last) if mark.number != last + 1 => {
                    return Err(format!(
                        "batch {last} is followed by batch {}, what stood between is gone",
                        mark.number
                    ));
                }
                Some(_) | None => self.last = Some(mark.number),
            }
        }
        if whole.seqno <= self.seqno && self.seqno > 0 {
            return Err(format!("the batch there has number {} of the database, after {}", whole.seqno, self.seqno));
        }
        self.seqno = whole.seqno;
        Ok(())
    }

    /// Whether a whole batch behind `end` proves that the one at `end` had been synced.
    fn is_acknowledged_behind(&self, bytes: &[u8], end: usize) -> bool {
        let mut first = None;
        let mut from = end;
        while let Some(whole) = log::next_whole(bytes, from) {
            // One without a mark comes from a host that told nothing about its syncs: better ask a person.
            let Some(mark) = whole.mark else { return true };
            let first = *first.get_or_insert(mark.number);
            // Without a whole batch before, the one right before the first behind is what is surely missing.
            let last = self.last.unwrap_or(first.saturating_sub(2));
            if mark.synced > last {
                return true;
            }
            from = whole.end;
        }
        false
    }

    fn unreadable(&self) -> String {
        match self.last {
            Some(last) => format!("batch {} cannot be read, and it was acknowledged", last + 1),
            None => "its first batch cannot be read, and it was acknowledged".to_owned(),
        }
    }

    fn broken(&self, file: &Path, at: usize, what: String) -> Broken {
        let damage = Damage { file: file.to_owned(), at: at as u64, what };
        Broken { damage, seqno: self.seqno }
    }
}

impl Torn {
    /// Cut the torn end off, so that fjall sees whole batches only. It was never acknowledged.
    pub(super) fn cut(&self) -> io::Result<()> {
        tracing::warn!(
            file = %self.file.display(), at = self.at, byte_count = self.byte_count,
            "the torn end of the log is cut off, it was never acknowledged"
        );
        let file = File::options().write(true).open(&self.file)?;
        file.set_len(self.at as u64)?;
        file.sync_all()
    }
}

#[cfg(test)]
mod tests;
