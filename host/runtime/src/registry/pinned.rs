//! Versions that no longer serve, loaded again for the compensation of what they handled.

use std::sync::Arc;

use host_core::id::Digest;
use host_core::manifest::Manifest;
use host_core::outcome::{Fault, FaultKind};
use parking_lot::Mutex;

use super::Shared;
use super::load::load_kept;
use crate::limits;
use crate::version::Version;

/// A bounded number of them, the last used at the end.
#[derive(Default)]
pub(super) struct Pinned {
    /// Held for a search of a few entries, never across an await.
    loaded: Mutex<Vec<Arc<Version>>>,
    /// One load at a time: many compensations of one old version come together.
    loading: tokio::sync::Mutex<()>,
}

impl Pinned {
    /// The version of this digest under this manifest, loaded from the kept file if need be.
    pub(super) async fn version(
        &self,
        shared: &Arc<Shared>,
        digest: Digest,
        manifest: &Arc<Manifest>,
    ) -> Result<Arc<Version>, Fault> {
        if let Some(version) = self.find(digest, manifest) {
            return Ok(version);
        }
        let _loading = self.loading.lock().await;
        if let Some(version) = self.find(digest, manifest) {
            return Ok(version);
        }
        let loaded = load_kept(shared, digest, manifest.clone()).await;
        let version = Arc::new(loaded.map_err(|rejection| unavailable(digest, manifest, rejection))?);
        version.retire();
        self.put(version.clone());
        Ok(version)
    }

    /// A version that was just replaced is likely to be asked for soon.
    pub(super) fn put(&self, version: Arc<Version>) {
        let mut loaded = self.loaded.lock();
        let of_step = |other: &Arc<Version>| other.manifest().address == version.manifest().address;
        loaded.retain(|other| other.digest != version.digest || !of_step(other));
        loaded.push(version);
        if loaded.len() > limits::PINNED_LOADED_MAX {
            loaded.remove(0);
        }
    }

    fn find(&self, digest: Digest, manifest: &Arc<Manifest>) -> Option<Arc<Version>> {
        let mut loaded = self.loaded.lock();
        // The manifest of today governs: with another one it is another sandbox.
        let same = |version: &Arc<Version>| {
            let own = version.manifest();
            version.digest == digest && (Arc::ptr_eq(own, manifest) || own == manifest)
        };
        let place = loaded.iter().position(same)?;
        let version = loaded.remove(place);
        loaded.push(version.clone());
        Some(version)
    }
}

fn unavailable(digest: Digest, manifest: &Manifest, rejection: Option<crate::error::Rejection>) -> Fault {
    let address = &manifest.address;
    let reason = match rejection {
        Some(rejection) => format!("version {digest} of {address}, which handled this, cannot be loaded: {rejection}"),
        None => format!(
            "version {digest} of {address}, which handled this, is not here: it was never served by this host or its \
             file is gone; serve that file once as {address}.wasm, or settle the step by hand"
        ),
    };
    Fault { kind: FaultKind::Unavailable, reason }
}
