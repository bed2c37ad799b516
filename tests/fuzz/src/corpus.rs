//! Where inputs come from: the golden fixtures of the tree, and the corpus folder, whose files libFuzzer found worth
//! keeping or once broke something.

use std::path::{Path, PathBuf};

use crate::Target;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The files of a folder, by name.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_string_lossy().into_owned(), std::fs::read(&path).ok()?))
        })
        .collect();
    files.sort();
    files
}

/// The files of the folder `tests/fixtures/<name>`.
pub fn fixtures(name: &str) -> Vec<(String, Vec<u8>)> {
    let files = files(&root().join("tests/fixtures").join(name));
    assert!(!files.is_empty(), "there are no fixtures {name}");
    files
}

/// Everything a target begins with.
pub fn of(target: &Target) -> Vec<Vec<u8>> {
    let kept = files(&root().join("tests/fuzz/corpus").join(target.name));
    (target.seeds)().into_iter().chain(kept.into_iter().map(|(_, bytes)| bytes)).collect()
}
