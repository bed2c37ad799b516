//! Trying a step without a host: one call of one file, with key-values in memory and its log lines handed back.
//! What `saga call` and `saga check` are made of.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::BucketName;
use host_core::manifest::Manifest;
use parking_lot::Mutex;

use crate::artefacts::{compile, digest_of};
use crate::check::{Inspection, inspect};
use crate::error::Rejection;
use crate::instances::Sandboxes;
use crate::version::{Facts, Version};
use crate::{Call, Effects, KeyValues, LogLine, Report, call, limits, registry};

/// A step that was checked and brought to life once, outside any host.
pub struct Trial {
    pub inspection: Inspection,
    pub manifest: Arc<Manifest>,
    pub digest: host_core::id::Digest,
    pub compile_time: Duration,
    /// From the compiled code to an instance that can be called.
    pub start_time: Duration,
    /// Calls that one instance serves in a host; none: without end.
    pub calls_per_instance: Option<u32>,
    /// Linear memory of an instance that has just been started.
    pub instance_memory_bytes: usize,
    sandboxes: Sandboxes,
    version: Version,
}

impl Trial {
    /// Check, compile and start the step in this file under a manifest.
    pub async fn try_new(wasm: &Path, manifest: Manifest) -> Result<Self, Rejection> {
        let path = wasm.to_owned();
        let sandboxes = Sandboxes::try_new(1, 1).map_err(|error| Rejection::Compile(error.to_string()))?;
        let engine = sandboxes.engine.clone();
        let governing = manifest.clone();
        let work = move || {
            let bytes = read(&path)?;
            let inspection = inspect(&bytes)?;
            inspection.check_grants(&governing)?;
            let began = Instant::now();
            let component = compile(&engine.wasmtime, &bytes)?;
            Ok((inspection, component, began.elapsed(), digest_of(&bytes)))
        };
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.unwrap_or_else(|error| Err(Rejection::Compile(error.to_string())));
        let (inspection, component, compile_time, digest) = done?;
        let manifest = Arc::new(manifest);
        let facts = Facts { wasm_bytes: inspection.wasm_bytes, compile_time, ..Facts::default() };
        let mut version =
            Version::try_new(&sandboxes, &component, digest, manifest.clone(), facts, Arc::default()).await?;
        version.measure_start(&sandboxes).await?;
        let Facts { instance_memory_bytes, start_time, .. } = version.facts;
        let calls_per_instance = version.calls_per_instance();
        Ok(Self {
            inspection,
            manifest,
            digest,
            compile_time,
            start_time,
            calls_per_instance,
            instance_memory_bytes,
            sandboxes,
            version,
        })
    }

    /// One call, and what the step logged in it.
    pub async fn call(&self, call: &Call, key_values: Arc<dyn KeyValues>) -> (Report, Vec<LogLine>) {
        call::run_keeping_logs(&self.sandboxes, &self.version, call, key_values, Some(Vec::new())).await
    }
}

/// The manifest that lies beside a step file: `<name>.toml`; what a plugin without one gets if there is none.
pub fn manifest_beside(wasm: &Path, address: &host_core::id::StepAddress) -> Result<Manifest, Rejection> {
    let path: PathBuf = wasm.with_extension("toml");
    registry::read_manifest(address, path.exists().then_some(&*path))
}

fn read(path: &Path) -> Result<Vec<u8>, Rejection> {
    let bytes_max = limits::PLUGIN_BYTES_MAX_DEFAULT;
    match registry::read_bounded(path, bytes_max) {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(bytes)) => Err(Rejection::TooLarge { bytes, bytes_max }),
        Err(error) => Err(Rejection::File(format!("{} cannot be read: {error}", path.display()))),
    }
}

/// Key-values that live as long as this value. For trying steps and for tests.
#[derive(Debug, Default)]
pub struct MemoryKeyValues {
    values: Mutex<BTreeMap<(BucketName, Arc<str>), Bytes>>,
}

impl MemoryKeyValues {
    /// Do what the commit of a call that answered `done` would do.
    pub fn apply(&self, effects: &Effects) {
        let mut values = self.values.lock();
        for (bucket, key, value) in &effects.writes {
            let at = (bucket.clone(), key.clone());
            match value {
                Some(value) => values.insert(at, value.clone()),
                None => values.remove(&at),
            };
        }
    }

    pub fn put(&self, bucket: BucketName, key: &str, value: impl Into<Bytes>) {
        self.values.lock().insert((bucket, key.into()), value.into());
    }
}

#[async_trait]
impl KeyValues for MemoryKeyValues {
    async fn get(&self, bucket: &BucketName, key: &str) -> Result<Option<Bytes>, String> {
        Ok(self.values.lock().get(&(bucket.clone(), key.into())).cloned())
    }

    async fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, String> {
        let values = self.values.lock();
        let from = (bucket.clone(), after.unwrap_or_default().into());
        let of_bucket =
            values.range(from..).map(|((name, key), _)| (name, key)).take_while(|(name, _)| *name == bucket);
        let behind = of_bucket.map(|(_, key)| key).filter(|key| after.is_none_or(|after| ***key > *after));
        Ok(behind.take(limit).cloned().collect())
    }
}
