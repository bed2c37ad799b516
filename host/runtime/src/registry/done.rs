//! Files that their writers are done with, as the file system tells it: renamed into the folder, or closed after
//! writing. Such a file is taken at once; one of which nothing was heard must lie still for a while first.
//! A writer may close a file that is not whole and open it again: what is taken from here is checked to its end, and a
//! file that fails is looked at once more when it has settled, so this is never the reason of a rejection.

use std::collections::HashSet;
use std::ffi::OsStr;

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind};
use parking_lot::Mutex;

use crate::limits;

/// Names of files in the plugins folder.
#[derive(Default)]
pub(super) struct Done {
    /// Held for one look-up or insert, never across a read of the folder.
    names: Mutex<HashSet<String>>,
}

impl Done {
    /// Take in a notice. True if the folder is worth a look.
    pub(super) fn hear(&self, event: &Event) -> bool {
        let done = match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
            EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => true,
            // Reading the folder is an event too, and would wake the service for ever.
            EventKind::Access(_) => return false,
            // Attributes change nothing of what is in it.
            EventKind::Modify(ModifyKind::Metadata(_)) => return true,
            _ => false,
        };
        let mut names = self.names.lock();
        let (last, before) = match event.paths.split_last() {
            Some((last, before)) => (last.file_name().and_then(OsStr::to_str), before),
            // Notices were lost: nothing is known any more.
            None => {
                names.clear();
                return true;
            }
        };
        for name in before.iter().filter_map(|path| path.file_name()?.to_str()) {
            names.remove(name);
        }
        let Some(name) = last else { return true };
        if !done {
            names.remove(name);
        } else if names.len() < limits::PLUGIN_FILES_MAX.saturating_mul(2) && is_ours(name) {
            names.insert(name.to_owned());
        }
        true
    }

    pub(super) fn is_done(&self, name: &str) -> bool {
        self.names.lock().contains(name)
    }

    /// It was judged: the next change is told anew.
    pub(super) fn forget(&self, name: &str) {
        self.names.lock().remove(name);
    }
}

/// A plugin or a manifest: for each of the former there is at most one of the latter.
fn is_ours(name: &str) -> bool {
    !name.starts_with('.') && (name.ends_with(".wasm") || name.ends_with(".toml"))
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, RemoveKind};

    use super::*;

    fn event(kind: EventKind, names: &[&str]) -> Event {
        names.iter().fold(Event::new(kind), |event, name| event.add_path(std::path::Path::new("plugins").join(name)))
    }

    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));

    #[test]
    fn a_file_is_done_when_it_was_closed_or_renamed_into_place_and_no_longer_when_it_is_written_again() {
        let done = Done::default();
        assert!(done.hear(&event(EventKind::Create(CreateKind::File), &["a.b.c.wasm"])));
        assert!(done.hear(&event(WRITTEN, &["a.b.c.wasm"])));
        assert!(!done.is_done("a.b.c.wasm"));
        assert!(done.hear(&event(CLOSED, &["a.b.c.wasm"])));
        assert!(done.is_done("a.b.c.wasm"));
        assert!(done.hear(&event(WRITTEN, &["a.b.c.wasm"])));
        assert!(!done.is_done("a.b.c.wasm"), "its writer is back");

        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::Both));
        assert!(done.hear(&event(CLOSED, &["x.y.z.wasm"])));
        assert!(done.hear(&event(renamed, &["x.y.z.wasm", "a.b.c.wasm"])));
        assert!(done.is_done("a.b.c.wasm") && !done.is_done("x.y.z.wasm"));
        assert!(done.hear(&event(EventKind::Remove(RemoveKind::File), &["a.b.c.wasm"])));
        assert!(!done.is_done("a.b.c.wasm"));
    }

    #[test]
    fn reading_wakes_nobody_and_files_of_others_are_not_kept() {
        let done = Done::default();
        assert!(!done.hear(&event(EventKind::Access(AccessKind::Open(AccessMode::Any)), &["a.b.c.wasm"])));
        assert!(done.hear(&event(CLOSED, &[".a.b.c.wasm"])));
        assert!(done.hear(&event(CLOSED, &["notes.txt"])));
        assert!(!done.is_done(".a.b.c.wasm") && !done.is_done("notes.txt"));
    }

    #[test]
    fn lost_notices_leave_nothing_taken_for_granted() {
        let done = Done::default();
        assert!(done.hear(&event(CLOSED, &["a.b.c.wasm"])));
        assert!(done.hear(&Event::new(EventKind::Other)));
        assert!(!done.is_done("a.b.c.wasm"));
    }
}
