//! Plugin files and their compiled code on disk. Each file is compiled once per engine, whatever restarts and reloads
//! happen, and stays at hand for the compensation of what it handled. Every function here blocks: call it off the
//! async threads.

mod compiler;
mod mapped;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use host_core::id::{Digest, StepAddress};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use wasmtime::component::Component;

use compiler::{Code, Compilers};

pub(crate) use compiler::compile;
pub use compiler::{Apart, Compiler, compile_apart};

use crate::engine::Engine;
use crate::error::{Error, Rejection};
use crate::limits;

/// SHA-256 of a plugin file.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// The same of a file, piece by piece: a host that starts looks at all its plugins at once.
fn digest_of_file(path: &Path) -> io::Result<Digest> {
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut piece) = (Sha256::new(), vec![0; limits::HASHED_PIECE_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Digest(hasher.finalize().into())),
            count => hasher.update(&piece[..count]),
        }
    }
}

/// Code that lies in a file with its checksum beside it (`.sum`), mapped; none if it is damaged or of another engine.
pub(crate) fn mapped_if_whole(engine: &wasmtime::Engine, path: &Path) -> Option<Component> {
    let sum = std::fs::read_to_string(path.with_extension("sum")).ok()?;
    if digest_of_file(path).ok()?.to_string() != sum {
        return None;
    }
    mapped::component(engine, path).ok()
}

/// The folder. In it:
/// `<digest>.wasm` the file as it was dropped; `<digest>-<engine>.cwasm` its compiled code, `<digest>-<engine>.sum`
/// the checksum of that; `served/<address>/<digest>` an empty mark: this version was served for this step.
pub(crate) struct Artefacts {
    dir: PathBuf,
    /// Tells compiled code of this engine, with its settings, from that of any other.
    engine_tag: String,
    compilers: Compilers,
}

/// Compiled code, and how long it took to make; nothing if it came from the cache.
pub(crate) struct Compiled {
    pub(crate) component: Component,
    pub(crate) compile_time: Duration,
}

impl Artefacts {
    pub(crate) fn open(dir: &Path, engine: &Engine, compiler: Compiler) -> Result<Self, Error> {
        let served = dir.join("served");
        std::fs::create_dir_all(&served).map_err(|cause| Error::Folder {
            doing: "cannot make the folder for compiled plugins",
            path: served,
            cause,
        })?;
        forget_unfinished(dir);
        let mut hasher = DefaultHasher::new();
        engine.wasmtime.precompile_compatibility_hash().hash(&mut hasher);
        let engine_tag = format!("{:016x}", hasher.finish());
        Ok(Self { dir: dir.to_owned(), engine_tag, compilers: Compilers::new(compiler) })
    }

    /// The code of this file: from the cache if it is there and whole, otherwise compiled and put there.
    pub(crate) fn compiled(&self, engine: &Engine, digest: Digest, wasm: &[u8]) -> Result<Compiled, Rejection> {
        if let Some(component) = self.cached(engine, digest) {
            return Ok(Compiled { component, compile_time: Duration::ZERO });
        }
        let _turn = self.compilers.turn();
        // The same file may lie there under several addresses, and all of them waited.
        if let Some(component) = self.cached(engine, digest) {
            return Ok(Compiled { component, compile_time: Duration::ZERO });
        }
        let began = Instant::now();
        let code = self.compilers.compile(&self.dir, &engine.wasmtime, wasm)?;
        let compile_time = began.elapsed();
        let component = match code {
            Code::InMemory(component) => self.put_component(engine, digest, component),
            Code::InFile(file, sum) => match self.put_file(engine, digest, file, &sum.to_string()) {
                Ok(mapped) => mapped,
                Err(error) => {
                    tracing::warn!(%digest, error, "compiled plugin cannot be used from its file, compiling it in the host");
                    compile(&engine.wasmtime, wasm)?
                }
            },
        };
        Ok(Compiled { component, compile_time })
    }

    /// Remember that this file was served for this step, and keep the file.
    pub(crate) fn keep(&self, address: &StepAddress, digest: Digest, wasm: &[u8]) -> io::Result<()> {
        let path = self.wasm_path(digest);
        if !std::fs::read(&path).is_ok_and(|found| found == wasm) {
            write_whole(&self.dir, &path, wasm, Sync::Always)?;
        }
        let mark = self.mark_path(address, digest);
        if let Some(folder) = mark.parent() {
            std::fs::create_dir_all(folder)?;
        }
        // Written anew each time, so that the order of the marks is the order in which versions were last served.
        std::fs::write(&mark, b"")?;
        self.forget_oldest(address)
    }

    /// The file of a version that was served for this step at some time; none if it never was or is gone.
    pub(crate) fn kept(&self, address: &StepAddress, digest: Digest) -> Option<Vec<u8>> {
        self.mark_path(address, digest).try_exists().ok().filter(|exists| *exists)?;
        let wasm = std::fs::read(self.wasm_path(digest)).ok()?;
        (digest_of(&wasm) == digest).then_some(wasm)
    }

    fn cached(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let path = self.code_path(digest, "cwasm");
        let sum = std::fs::read_to_string(self.code_path(digest, "sum")).ok()?;
        if digest_of_file(&path).ok()?.to_string() != sum {
            tracing::warn!(%digest, "cached code of a plugin is damaged, compiling it again");
            return None;
        }
        match mapped::component(&engine.wasmtime, &path) {
            Ok(component) => Some(component),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(%digest, error, "cached code of a plugin is unusable, compiling it again");
                None
            }
        }
    }

    /// Keep compiled code and answer it as it is mapped from there: the pages of the file in place of a copy on the
    /// heap, so that the system shares them and can take them back.
    fn put_component(&self, engine: &Engine, digest: Digest, component: Component) -> Component {
        let write = || {
            let code = component.serialize().map_err(|error| format!("{error:#}"))?;
            let mut file = NamedTempFile::new_in(&self.dir).map_err(|error| error.to_string())?;
            file.write_all(&code).map_err(|error| error.to_string())?;
            self.put_file(engine, digest, file, &digest_of(&code).to_string())
        };
        match write() {
            Ok(mapped) => mapped,
            Err(error) => {
                // Only the next start is slower for it, and this host a megabyte larger.
                tracing::warn!(%digest, error, "compiled plugin could not be cached");
                component
            }
        }
    }

    /// Give whole code its place in the cache.
    fn put_file(&self, engine: &Engine, digest: Digest, code: NamedTempFile, sum: &str) -> Result<Component, String> {
        let path = self.code_path(digest, "cwasm");
        // Not synced: the sum tells what a crash has torn, and then it is compiled again.
        code.persist(&path).map_err(|error| error.to_string())?;
        // The sum last: without it, or with an old one, the code is not used.
        write_whole(&self.dir, &self.code_path(digest, "sum"), sum.as_bytes(), Sync::Never)
            .map_err(|error| error.to_string())?;
        self.forget_code_of_other_engines(digest);
        mapped::component(&engine.wasmtime, &path).map_err(|error| format!("{error:#}"))
    }

    /// Code for an engine that is gone would stay for ever: the tag changes with each version of the host.
    fn forget_code_of_other_engines(&self, digest: Digest) {
        let own = format!("{}-{}", hex(digest), self.engine_tag);
        let of_digest = format!("{}-", hex(digest));
        for name in names(&self.dir) {
            if name.starts_with(&of_digest) && !name.starts_with(&own) {
                // Harmless if it stays.
                let _ = std::fs::remove_file(self.dir.join(name));
            }
        }
    }

    /// Keep a step's newest versions only, and the files that some step's mark names.
    fn forget_oldest(&self, address: &StepAddress) -> io::Result<()> {
        let folder = self.dir.join("served").join(address.as_str());
        let mut marks = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let at = entry.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            marks.push((at, entry.file_name().to_string_lossy().into_owned()));
        }
        if marks.len() <= limits::VERSIONS_KEPT_MAX {
            return Ok(());
        }
        marks.sort_unstable();
        let gone = marks.len() - limits::VERSIONS_KEPT_MAX;
        for (_, hex) in marks.into_iter().take(gone) {
            std::fs::remove_file(folder.join(&hex))?;
            if !self.is_marked(&hex) {
                for name in names(&self.dir).into_iter().filter(|name| name.starts_with(&hex)) {
                    std::fs::remove_file(self.dir.join(name))?;
                }
            }
        }
        Ok(())
    }

    fn is_marked(&self, hex: &str) -> bool {
        let served = self.dir.join("served");
        names(&served).iter().any(|address| served.join(address).join(hex).exists())
    }

    fn wasm_path(&self, digest: Digest) -> PathBuf {
        self.dir.join(format!("{}.wasm", hex(digest)))
    }

    fn code_path(&self, digest: Digest, end: &str) -> PathBuf {
        self.dir.join(format!("{}-{}.{end}", hex(digest), self.engine_tag))
    }

    fn mark_path(&self, address: &StepAddress, digest: Digest) -> PathBuf {
        self.dir.join("served").join(address.as_str()).join(hex(digest))
    }
}

fn hex(digest: Digest) -> String {
    digest.to_string().replace("sha256:", "")
}

/// File names in a folder; nothing if it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Files that a host which died had not given their name yet.
fn forget_unfinished(dir: &Path) {
    for name in names(dir).into_iter().filter(|name| name.starts_with(UNFINISHED)) {
        // Harmless if it stays.
        let _ = std::fs::remove_file(dir.join(name));
    }
}

/// How `tempfile` begins the names of its files.
const UNFINISHED: &str = ".tmp";

/// Whether a file must survive a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    Always,
    Never,
}

/// A reader sees the old file or the whole new one.
fn write_whole(dir: &Path, path: &Path, bytes: &[u8], sync: Sync) -> io::Result<()> {
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    if sync == Sync::Always {
        file.as_file().sync_data()?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;

    fn step(text: &str) -> StepAddress {
        StepAddress::try_new(text).unwrap()
    }

    fn file(number: usize) -> (Digest, Vec<u8>) {
        let bytes = format!("version {number}").into_bytes();
        (digest_of(&bytes), bytes)
    }

    fn artefacts(dir: &Path) -> Artefacts {
        let compilers = Compilers::new(Compiler::Here);
        Artefacts { dir: dir.to_owned(), engine_tag: "tag".to_owned(), compilers }
    }

    /// Serve version `number` at second `number`: the clock of a test is too coarse to order them.
    fn keep(artefacts: &Artefacts, address: &StepAddress, number: usize) {
        let (digest, bytes) = file(number);
        artefacts.keep(address, digest, &bytes).unwrap();
        let mark = std::fs::File::options().write(true).open(artefacts.mark_path(address, digest)).unwrap();
        mark.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64)).unwrap();
    }

    #[test]
    fn a_bounded_number_of_versions_is_kept_and_none_that_another_step_needs_is_lost() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("served")).unwrap();
        let artefacts = artefacts(folder.path());
        let (one, other) = (step("d.s.one"), step("d.s.other"));
        keep(&artefacts, &other, 1);
        let newest = limits::VERSIONS_KEPT_MAX + 5;
        for number in 0..newest {
            keep(&artefacts, &one, number);
        }
        let kept = |address: &StepAddress, number: usize| artefacts.kept(address, file(number).0).is_some();
        assert!((0..5).all(|number| !kept(&one, number)));
        assert!((5..newest).all(|number| kept(&one, number)));
        assert!(kept(&other, 1));
        assert!(!artefacts.wasm_path(file(0).0).exists(), "nobody needs it any more");
    }

    #[test]
    fn a_file_has_the_checksum_of_its_bytes_whatever_its_length() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("code");
        for length in [0, 1, limits::HASHED_PIECE_BYTES, limits::HASHED_PIECE_BYTES * 2 + 1] {
            let bytes: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(digest_of_file(&path).unwrap(), digest_of(&bytes), "{length}");
        }
    }

    #[test]
    fn a_kept_file_that_has_changed_is_not_taken_for_the_version_it_was() {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("served")).unwrap();
        let artefacts = artefacts(folder.path());
        let (digest, bytes) = file(1);
        artefacts.keep(&step("d.s.one"), digest, &bytes).unwrap();
        assert_eq!(artefacts.kept(&step("d.s.one"), digest), Some(bytes.clone()));
        assert_eq!(artefacts.kept(&step("d.s.never-served-it"), digest), None);
        std::fs::write(artefacts.wasm_path(digest), b"version X").unwrap();
        assert_eq!(artefacts.kept(&step("d.s.one"), digest), None);
        artefacts.keep(&step("d.s.one"), digest, &bytes).unwrap();
        assert_eq!(artefacts.kept(&step("d.s.one"), digest), Some(bytes), "serving it again repairs it");
    }
}
