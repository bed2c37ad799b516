//! The files that the rules look at: everything git knows or would add, read once.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Inputs of any bytes, most of them broken on purpose.
const FUZZ_INPUTS: &str = "tests/fuzz/corpus/";

/// A text file of the repository.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Relative to the root, with `/`.
    pub path: String,
    pub text: String,
}

impl SourceFile {
    pub fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }
}

/// The folder that holds the workspace's `Cargo.toml`.
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package lies in a folder of the repository").to_owned()
}

/// Every text file that is tracked, or would be if one said `git add`. Lock files and binaries are left out.
pub fn text_files() -> Vec<SourceFile> {
    let root = root();
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .expect("tidy asks git which files belong to the project; install git");
    assert!(listed.status.success(), "tidy needs a git checkout: {}", String::from_utf8_lossy(&listed.stderr));

    let paths = String::from_utf8(listed.stdout).expect("file names are UTF-8");
    let mut files: Vec<SourceFile> = paths
        .split('\0')
        .filter(|path| !path.is_empty() && !path.ends_with(".lock") && !path.starts_with(FUZZ_INPUTS))
        .filter_map(|path| {
            let text = std::fs::read_to_string(root.join(path)).ok()?;
            Some(SourceFile { path: path.to_owned(), text })
        })
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 50, "git lists only {} text files: this is not the repository", files.len());
    files
}

/// The Rust files among them.
pub fn rust_files(files: &[SourceFile]) -> impl Iterator<Item = &SourceFile> {
    files.iter().filter(|file| file.has_extension("rs"))
}
