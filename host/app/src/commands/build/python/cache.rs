//! Folders that are made once and used by every build afterwards. Knows nothing of what is in them.
//! Invariant: a folder whose mark is there is whole; one without was left half made, and is made anew.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::exit::Stop;
use crate::terminal::note;

const MARK: &str = ".whole";

/// The folder of this name. It is made if it is not there, holds something else than `content` says, or is not alive.
/// Two builds at once: the second waits for the first.
pub(super) fn made_once(
    name: &str,
    content: &str,
    is_alive: impl Fn(&Path) -> bool,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    made_once_in(&root()?, name, content, is_alive, make)
}

fn made_once_in(
    root: &Path,
    name: &str,
    content: &str,
    is_alive: impl Fn(&Path) -> bool,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let folder = root.join(name);
    let mark = folder.join(MARK);
    let is_whole = || std::fs::read_to_string(&mark).is_ok_and(|found| found == content) && is_alive(&folder);
    if is_whole() {
        return Ok(folder);
    }
    std::fs::create_dir_all(root).with_context(|| format!("making the cache folder {}", root.display()))?;
    let _lock = lock(&root.join(format!("{name}.lock")))?;
    // Somebody else may have made it meanwhile.
    if is_whole() {
        return Ok(folder);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    make(&folder)?;
    std::fs::write(&mark, content).with_context(|| format!("writing {}", mark.display()))?;
    Ok(folder)
}

/// Held until it is dropped, also by the death of the process.
fn lock(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            note(format_args!("waiting for another build that fills {}", path.with_extension("").display()));
            file.lock().with_context(|| format!("waiting for {}", path.display()))?;
            Ok(file)
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("locking {}", path.display())),
    }
}

/// Where saga keeps what can be brought again.
fn root() -> anyhow::Result<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let found = folder("SAGA_CACHE_DIR")
        .or_else(|| Some(folder("XDG_CACHE_HOME")?.join("saga")))
        .or_else(|| Some(folder("HOME")?.join(".cache").join("saga")));
    let found = found.ok_or_else(|| {
        Stop::usage("there is no home folder to keep tools in; name a folder with the variable SAGA_CACHE_DIR")
    })?;
    // Paths of an environment are written into its files: they must hold wherever a later build is started.
    std::path::absolute(&found).with_context(|| format!("finding {}", found.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_once_and_anew_when_it_is_not_whole_or_not_alive() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let made = |content: &str, alive: bool| {
            let mut count = 0;
            let folder = made_once_in(
                root.path(),
                "tool",
                content,
                |_| alive,
                |folder| {
                    count += 1;
                    assert!(!folder.join("rest").exists(), "it is made in an empty folder");
                    Ok(std::fs::write(folder.join("rest"), "x")?)
                },
            );
            (folder.expect("it can be made"), count)
        };
        assert_eq!(made("1", true).1, 1);
        assert_eq!(made("1", true).1, 0);
        assert_eq!(made("2", true).1, 1, "it holds something else");
        assert_eq!(made("2", false).1, 1, "what it leads to is gone");
        let (folder, _) = made("2", true);
        std::fs::remove_file(folder.join(MARK)).expect("a mark");
        assert_eq!(made("2", true).1, 1, "it was left half made");
    }

    #[test]
    fn a_failure_leaves_nothing_that_counts() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let failed = made_once_in(root.path(), "tool", "1", |_| true, |_| anyhow::bail!("no network"));
        assert_eq!(failed.expect_err("it failed").to_string(), "no network");
        let mut is_made = false;
        made_once_in(
            root.path(),
            "tool",
            "1",
            |_| true,
            |_| {
                is_made = true;
                Ok(())
            },
        )
        .expect("now it can be made");
        assert!(is_made);
    }

    #[test]
    fn of_builds_at_once_one_makes_it_and_the_others_wait() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let count = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let made = made_once_in(
                        root.path(),
                        "tool",
                        "1",
                        |_| true,
                        |_| {
                            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            std::thread::yield_now();
                            Ok(())
                        },
                    );
                    assert!(made.expect("it can be made").join(MARK).exists());
                });
            }
        });
        assert_eq!(count.into_inner(), 1);
    }
}
