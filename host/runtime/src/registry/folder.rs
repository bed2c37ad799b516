//! The plugins folder: which files are there, who they are for, and whether they have changed. Blocks; reads names and
//! file data only, never content, except where asked for one file.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use host_core::id::StepAddress;

use crate::limits;

/// One plugin file as it lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) candidate: Result<Candidate, String>,
    pub(super) signature: Signature,
}

/// A file that may be a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) address: StepAddress,
    pub(super) wasm: PathBuf,
    pub(super) manifest: Option<PathBuf>,
}

/// Tells a file and its manifest from what they were before. A file that is written, replaced or touched changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) wasm: FileSignature,
    pub(super) manifest: Option<FileSignature>,
}

/// Time of change included: a copy may bring the modification time of its original along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSignature {
    inode: u64,
    size: u64,
    modified_ns: (i64, i64),
    changed_ns: (i64, i64),
}

impl FileSignature {
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            modified_ns: (metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether nobody has touched the file for so long. By the machine's clock: where it jumps or the folder is another
    /// machine's, a file is taken too early or waits for another look.
    pub(super) fn is_quiet_for(&self, span: Duration) -> bool {
        let (Ok(seconds), Ok(nanos)) = (u64::try_from(self.changed_ns.0), u32::try_from(self.changed_ns.1)) else {
            return false;
        };
        let quiet_at =
            SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos)).and_then(|at| at.checked_add(span));
        quiet_at.is_some_and(|at| at <= SystemTime::now())
    }
}

impl Candidate {
    /// What the files are at this moment; none if one is gone.
    pub(super) fn signature(&self) -> Option<Signature> {
        let of = |path: &Path| std::fs::metadata(path).ok().map(|metadata| FileSignature::of(&metadata));
        let manifest = match &self.manifest {
            Some(path) => Some(of(path)?),
            None => None,
        };
        Some(Signature { wasm: of(&self.wasm)?, manifest })
    }
}

/// Every plugin file by name. Hidden files and other endings are none of ours.
pub(super) fn list(dir: &Path) -> io::Result<BTreeMap<String, Found>> {
    let root = dir.canonicalize()?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&root)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        let is_plugin = text.to_ascii_lowercase().ends_with(".wasm") && !text.starts_with('.');
        if is_plugin && names.len() < limits::PLUGIN_FILES_MAX {
            names.push(text.into_owned());
        }
    }
    let found = names.iter().filter_map(|name| look(&root, name, &names).map(|found| (name.clone(), found)));
    Ok(found.collect())
}

/// None if the file has gone meanwhile.
fn look(root: &Path, name: &str, names: &[String]) -> Option<Found> {
    let path = root.join(name);
    let own = std::fs::symlink_metadata(&path).ok()?;
    let (candidate, wasm) = match candidate(root, name, names, &path, &own) {
        Ok((candidate, metadata)) => (Ok(candidate), FileSignature::of(&metadata)),
        Err(reason) => (Err(reason), FileSignature::of(&own)),
    };
    let manifest = candidate.as_ref().ok().and_then(|candidate| candidate.manifest.as_ref());
    let manifest = manifest.and_then(|path| std::fs::metadata(path).ok()).map(|metadata| FileSignature::of(&metadata));
    Some(Found { candidate, signature: Signature { wasm, manifest } })
}

fn candidate(
    root: &Path,
    name: &str,
    names: &[String],
    path: &Path,
    own: &Metadata,
) -> Result<(Candidate, Metadata), String> {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    if ending != "wasm" {
        let twin = format!("{stem}.wasm");
        return Err(if names.contains(&twin) {
            format!("two files for {stem}: {twin} is the one that counts; remove the other")
        } else {
            format!("the ending must be written .wasm; rename the file to {twin}")
        });
    }
    let address = StepAddress::try_new(stem).map_err(|error| {
        format!("the file's name must be the step's address: {error}; rename it to <domain>.<subdomain>.<service>.wasm")
    })?;
    let wasm = inside(root, path, own, name)?;
    let metadata = std::fs::metadata(&wasm).map_err(|error| format!("{name} cannot be read: {error}; {READABLE}"))?;
    if !metadata.is_file() {
        return Err(no_file(name, &metadata));
    }
    let manifest = manifest(root, stem)?;
    Ok((Candidate { address, wasm, manifest }, metadata))
}

fn manifest(root: &Path, stem: &str) -> Result<Option<PathBuf>, String> {
    let name = format!("{stem}.toml");
    let path = root.join(&name);
    let own = match std::fs::symlink_metadata(&path) {
        Ok(own) => own,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("{name} cannot be read: {error}; {READABLE}")),
    };
    let file = inside(root, &path, &own, &name)?;
    match std::fs::metadata(&file) {
        Ok(metadata) if metadata.is_file() => Ok(Some(file)),
        Ok(metadata) => Err(no_file(&name, &metadata)),
        Err(error) => Err(format!("{name} cannot be read: {error}; {READABLE}")),
    }
}

/// The cure for a file that is there and cannot be opened.
pub const READABLE: &str = "let the host's user read it";

/// What lies there under the name of a file.
fn no_file(name: &str, metadata: &Metadata) -> String {
    let kind = metadata.file_type();
    let what = match () {
        () if kind.is_dir() => "a folder",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    };
    format!("{name} is no file but {what}; put the file itself in its place")
}

/// The file itself, which must lie in the folder: a link may point to another file in there, not out of it.
fn inside(root: &Path, path: &Path, own: &Metadata, name: &str) -> Result<PathBuf, String> {
    if !own.is_symlink() {
        return Ok(path.to_owned());
    }
    let target = path
        .canonicalize()
        .map_err(|error| format!("{name} is a link that leads nowhere: {error}; copy the file into the folder"))?;
    if target.starts_with(root) {
        Ok(target)
    } else {
        Err(format!("{name} is a link out of the plugins folder; copy the file into the folder"))
    }
}

/// A whole file of at most `bytes_max`. Never waits: a pipe that somebody put in the place of a file has no end.
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Result<Vec<u8>, u64>> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = std::fs::File::options().read(true).custom_flags(nonblocking).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        return Err(io::Error::new(io::ErrorKind::InvalidInput, no_file(&name, &metadata)));
    }
    let size = metadata.len();
    if size > bytes_max {
        return Ok(Err(size));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    // One byte more than allowed shows a file that grew meanwhile.
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    let read = bytes.len() as u64;
    Ok(if read > bytes_max { Err(read) } else { Ok(bytes) })
}
