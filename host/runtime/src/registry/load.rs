//! From a file in the plugins folder to a version that can be called, or to the reason why not.

use std::path::Path;
use std::sync::Arc;

use host_core::id::{Digest, StepAddress};
use host_core::manifest::{self, Manifest};

use super::Shared;
use super::folder::{Candidate, READABLE, Signature, read_bounded};
use crate::artefacts::{Compiled, digest_of};
use crate::error::Rejection;
use crate::limits;
use crate::version::{Facts, Version};

/// What came of loading one file.
pub(super) struct Refused {
    /// If the file could be read.
    pub(super) digest: Option<Digest>,
    pub(super) wasm_bytes: u64,
    pub(super) rejection: Rejection,
}

/// Load a file that was seen with this signature; none if it changed while it was read. Reads, checks and compiles off
/// the async threads.
pub(super) async fn load(
    shared: &Arc<Shared>,
    candidate: Candidate,
    signature: Signature,
) -> Result<Option<Version>, Refused> {
    let address = candidate.address.clone();
    let worker = shared.clone();
    let prepared = blocking(move || prepare(&worker, &candidate, signature)).await?;
    let Some(prepared) = prepared else { return Ok(None) };
    let Prepared { compiled, digest, manifest, wasm } = prepared;
    let wasm_bytes = wasm.len() as u64;
    let facts = Facts { wasm_bytes, compile_time: compiled.compile_time, ..Facts::default() };
    let made =
        Version::try_new(&shared.sandboxes, &compiled.component, digest, manifest, facts, shared.wake.clone()).await;
    let version = made.map_err(|rejection| Refused { digest: Some(digest), wasm_bytes, rejection })?;
    let worker = shared.clone();
    let kept = blocking(move || Ok(worker.artefacts.keep(&address, digest, &wasm))).await?;
    if let Err(error) = kept {
        tracing::warn!(%digest, %error, "plugin file could not be kept, compensation after a later change may miss it");
    }
    Ok(Some(version))
}

/// Load a version that was served earlier, under the manifest of today.
pub(super) async fn load_kept(
    shared: &Arc<Shared>,
    digest: Digest,
    manifest: Arc<Manifest>,
) -> Result<Version, Option<Rejection>> {
    let worker = shared.clone();
    let governing = manifest.clone();
    let work = move || {
        let Some(wasm) = worker.artefacts.kept(&governing.address, digest) else { return Ok(None) };
        crate::check::inspect(&wasm).and_then(|inspection| inspection.check_grants(&governing)).map_err(whole)?;
        let compiled = worker.artefacts.compiled(&worker.sandboxes.engine, digest, &wasm).map_err(whole)?;
        Ok(Some((compiled, wasm.len() as u64)))
    };
    let found = blocking(work).await.map_err(|refused: Refused| Some(refused.rejection))?;
    let (compiled, wasm_bytes) = found.ok_or(None)?;
    let facts = Facts { wasm_bytes, compile_time: compiled.compile_time, ..Facts::default() };
    Version::try_new(&shared.sandboxes, &compiled.component, digest, manifest, facts, shared.wake.clone())
        .await
        .map_err(Some)
}

struct Prepared {
    compiled: Compiled,
    digest: Digest,
    manifest: Arc<Manifest>,
    wasm: Vec<u8>,
}

fn prepare(shared: &Shared, candidate: &Candidate, signature: Signature) -> Result<Option<Prepared>, Refused> {
    let wasm = read_wasm(&candidate.wasm, shared.plugin_bytes_max);
    let manifest = read_manifest(&candidate.address, candidate.manifest.as_deref());
    // What was read is of one piece only if nobody touched the files meanwhile.
    if candidate.signature() != Some(signature) {
        return Ok(None);
    }
    let wasm = wasm?;
    let digest = digest_of(&wasm);
    let wasm_bytes = wasm.len() as u64;
    let refuse = |rejection| Refused { digest: Some(digest), wasm_bytes, rejection };
    let inspection = crate::check::inspect(&wasm).map_err(refuse)?;
    let manifest = manifest.map_err(refuse)?;
    if manifest.remote.is_some() {
        let text =
            "its manifest says that it runs elsewhere ([remote]), and here is a component; remove one of the two";
        return Err(refuse(Rejection::Manifest(text.to_owned())));
    }
    inspection.check_grants(&manifest).map_err(refuse)?;
    if let Some(&(grant, reason)) = shared.withheld.iter().find(|(grant, _)| manifest.grants(*grant)) {
        return Err(refuse(Rejection::Withheld { grant, reason }));
    }
    let compiled = shared.artefacts.compiled(&shared.sandboxes.engine, digest, &wasm).map_err(refuse)?;
    Ok(Some(Prepared { compiled, digest, manifest: Arc::new(manifest), wasm }))
}

fn read_wasm(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Refused> {
    match read_bounded(path, bytes_max) {
        Ok(Ok(wasm)) => Ok(wasm),
        Ok(Err(bytes)) => Err(whole(Rejection::TooLarge { bytes, bytes_max })),
        Err(error) => Err(whole(Rejection::File(format!("cannot be read: {error}; {READABLE}")))),
    }
}

/// The manifest in this file, or what a plugin without one gets.
pub(crate) fn read_manifest(address: &StepAddress, path: Option<&Path>) -> Result<Manifest, Rejection> {
    let Some(path) = path else { return Ok(Manifest::of(address.clone())) };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let bytes = match read_bounded(path, limits::MANIFEST_BYTES_MAX) {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(bytes)) => {
            let allowed = limits::MANIFEST_BYTES_MAX;
            let text = format!("{name} has {bytes} bytes, more than the {allowed} allowed; write a shorter manifest");
            return Err(Rejection::Manifest(text));
        }
        Err(error) => return Err(Rejection::Manifest(format!("{name} cannot be read: {error}; {READABLE}"))),
    };
    let text = String::from_utf8(bytes)
        .map_err(|_| Rejection::Manifest(format!("{name} is not UTF-8; write it as UTF-8 text")))?;
    manifest::parse(address.clone(), &name, &text).map_err(|errors| {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        Rejection::Manifest(lines.join("; "))
    })
}

fn whole(rejection: Rejection) -> Refused {
    Refused { digest: None, wasm_bytes: 0, rejection }
}

/// Run on a thread that may block. A panic in there is ours: it is reported as a rejection and the host lives.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refused> + Send + 'static) -> Result<T, Refused> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(whole(Rejection::Compile(format!("the host failed while loading it: {error}")))),
    }
}
