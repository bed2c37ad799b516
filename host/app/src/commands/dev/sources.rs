//! The sources of steps' projects: where they are, and whether they have changed. Looked at from time to time rather
//! than told by the system: that works in every file system, and the folders are small.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use host_core::id::StepAddress;

use crate::commands::build::Project;

/// Folders that tools write into.
const MADE: [&str; 6] = ["target", "dist", "build", "node_modules", "__pycache__", "venv"];
/// Files that a build may write itself.
const WRITTEN: [&str; 1] = ["Cargo.lock"];
/// Files of one project that are looked at; beyond that it is no project of a step.
const FILES_MAX: usize = 20_000;

/// What the sources of a project were at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    hash: u64,
    newest: SystemTime,
}

impl State {
    /// Whether this file was made from them, or from later ones.
    pub(super) fn is_older_than(self, made: &Path) -> bool {
        let modified = std::fs::metadata(made).and_then(|metadata| metadata.modified());
        modified.is_ok_and(|modified| modified >= self.newest)
    }
}

/// The projects at these places or right below them, by folder.
pub(super) fn projects(places: &[PathBuf]) -> BTreeMap<PathBuf, StepAddress> {
    let below = |place: &PathBuf| {
        let entries = std::fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.is_dir() && !is_made(path)).collect::<Vec<_>>()
    };
    let dirs = places.iter().flat_map(|place| std::iter::once(place.clone()).chain(below(place)));
    dirs.filter_map(|dir| Some((dir.clone(), Project::find(&dir).ok()?.address))).collect()
}

/// None if a file went while it was looked at, or there are too many.
pub(super) fn state(dir: &Path) -> Option<State> {
    let mut state = Walk { hasher: DefaultHasher::new(), newest: SystemTime::UNIX_EPOCH, count: 0 };
    state.folder(dir)?;
    Some(State { hash: state.hasher.finish(), newest: state.newest })
}

struct Walk {
    hasher: DefaultHasher,
    newest: SystemTime,
    count: usize,
}

impl Walk {
    fn folder(&mut self, dir: &Path) -> Option<()> {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths.into_iter().filter(|path| !is_made(path)) {
            // A link may lead anywhere; what it leads to is no source of this project.
            let metadata = std::fs::symlink_metadata(&path).ok()?;
            if metadata.is_dir() {
                self.folder(&path)?;
                continue;
            }
            self.count += 1;
            if self.count > FILES_MAX {
                return None;
            }
            let modified = metadata.modified().ok()?;
            self.newest = self.newest.max(modified);
            (path, metadata.len(), modified).hash(&mut self.hasher);
        }
        Some(())
    }
}

fn is_made(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || MADE.contains(&&*name) || WRITTEN.contains(&&*name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn projects_are_found_at_a_place_and_right_below_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let project = |name: &str, address: &str| {
            let dir = folder.path().join(name);
            std::fs::create_dir_all(&dir).expect("making a folder");
            std::fs::write(dir.join("go.mod"), "").expect("writing");
            std::fs::write(dir.join(format!("{address}.toml")), "").expect("writing");
            dir
        };
        let (one, two) = (project("one", "a.b.one"), project("two", "a.b.two"));
        project("one/deeper", "a.b.deeper");
        project("node_modules", "a.b.made");
        let addresses =
            |places: &[PathBuf]| projects(places).into_values().map(|address| address.to_string()).collect::<Vec<_>>();
        assert_eq!(addresses(&[folder.path().to_owned()]), ["a.b.one", "a.b.two"]);
        assert_eq!(addresses(&[two, one]), ["a.b.one", "a.b.deeper", "a.b.two"]);
    }

    #[test]
    fn a_source_that_is_saved_changes_the_state_and_what_is_made_does_not() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("making a folder");
            std::fs::write(path, text).expect("writing");
        };
        write("src/lib.rs", "one");
        let first = state(folder.path()).expect("a project");
        write("target/x", "made");
        write("Cargo.lock", "made");
        write(".git/x", "made");
        assert_eq!(state(folder.path()), Some(first));
        write("src/lib.rs", "three");
        let second = state(folder.path()).expect("a project");
        assert_ne!(first, second);
        write("component.wasm", "");
        let made = folder.path().join("component.wasm");
        assert!(second.is_older_than(&made) && !second.is_older_than(&folder.path().join("absent")));
    }
}
