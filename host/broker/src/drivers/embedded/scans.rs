//! Readings of the tables that are under way. A reading sees what was written before it began; it may miss, or see too
//! much of, what is written meanwhile. So what memory knows of that must be kept until the reading is over.

use host_core::id::Lsn;

/// The readings of one table under way.
#[derive(Debug, Default)]
pub(super) struct Scans {
    /// Up to where everything was written when each began. As many as there are readers: a handful.
    floors: Vec<Lsn>,
}

/// One reading; it has to be ended.
#[derive(Debug)]
#[must_use = "memory is kept until the reading is ended"]
pub(super) struct Scan {
    floor: Lsn,
}

impl Scans {
    /// A reading begins when everything up to `written` is in the tables.
    pub(super) fn begin(&mut self, written: Lsn) -> Scan {
        self.floors.push(written);
        Scan { floor: written }
    }

    pub(super) fn end(&mut self, scan: Scan) {
        if let Some(index) = self.floors.iter().position(|floor| *floor == scan.floor) {
            self.floors.swap_remove(index);
        }
    }

    /// Up to where every reading has seen what was written.
    pub(super) fn seen(&self, written: Lsn) -> Lsn {
        self.floors.iter().copied().fold(written, Lsn::min)
    }
}
