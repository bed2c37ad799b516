//! The compiled code of a runtime, kept from build to build. Builds at the same time do no harm to each other: a file
//! is written beside its place and put there whole, and what two of them write is the same.

use std::io::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::{Unfrozen, broken};
use crate::artefacts;

/// From the folder, if the code is there and whole; otherwise compiled, and put there. A folder that cannot be used
/// costs time and nothing else.
pub(super) fn component(engine: &Engine, kept: Option<&Path>, wasm: &[u8]) -> Result<Component, Unfrozen> {
    let Some(folder) = kept else {
        return Component::new(engine, wasm).map_err(broken);
    };
    let file = folder.join(format!("{}.cwasm", name(engine, wasm)));
    if let Some(component) = artefacts::mapped_if_whole(engine, &file) {
        return Ok(component);
    }
    let component = Component::new(engine, wasm).map_err(broken)?;
    if let Err(error) = keep(folder, &file, &component) {
        tracing::debug!(error = format!("{error:#}"), "compiled runtime cannot be kept");
    }
    Ok(component)
}

/// Tells this code from that of another runtime, of another version of wasmtime and of another processor.
fn name(engine: &Engine, wasm: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};

    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let digest = Sha256::digest(wasm);
    let start: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{start}-{:016x}", hasher.finish())
}

/// The checksum comes last and by itself: a file without one, or with another one, is not used.
fn keep(folder: &Path, file: &Path, component: &Component) -> wasmtime::Result<()> {
    std::fs::create_dir_all(folder)?;
    #[cfg(unix)]
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    let code = component.serialize()?;
    let sum = artefacts::digest_of(&code).to_string();
    for (path, bytes) in [(file.to_owned(), &code[..]), (file.with_extension("sum"), sum.as_bytes())] {
        let mut written = NamedTempFile::new_in(folder)?;
        written.write_all(bytes)?;
        written.persist(path)?;
    }
    Ok(())
}
