//! The plugins folder as this room sees it: manifests without a component that say `[remote]`. Blocks.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use host_core::id::StepAddress;
use host_core::manifest::{self, Manifest};
use host_core::time::Timestamp;
use host_runtime::limits::MANIFEST_BYTES_MAX;
use host_runtime::{FileSignature, READABLE, read_bounded};

use crate::RemoteInfo;

/// What was found at the last look.
#[derive(Default)]
pub(crate) struct Folder {
    files: BTreeMap<StepAddress, File>,
}

struct File {
    signature: FileSignature,
    /// None for a manifest that speaks of no workers: its component has not come yet.
    verdict: Option<Verdict>,
}

struct Verdict {
    since: Timestamp,
    /// What serves. It stays while a newer text is refused.
    serving: Option<Arc<Manifest>>,
    /// Why the text that lies there now is refused.
    refused: Option<String>,
}

impl Folder {
    /// Take in what has changed.
    pub(crate) fn look(&mut self, dir: &Path) -> io::Result<()> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let Some(address) = address(&path) else { continue };
            let Ok(metadata) = std::fs::metadata(&path) else { continue };
            if metadata.is_file() && !path.with_extension("wasm").exists() {
                found.insert(address, (path, FileSignature::of(&metadata)));
            }
        }
        self.files.retain(|address, file| {
            let stays = found.contains_key(address);
            if !stays && file.verdict.is_some() {
                tracing::info!(step = %address, "its manifest was removed, the remote step is no longer served");
            }
            stays
        });
        for (address, (path, signature)) in found {
            if self.files.get(&address).is_some_and(|file| file.signature == signature) {
                continue;
            }
            let before = self.files.remove(&address).and_then(|file| file.verdict);
            let verdict = judged(&address, &path, before);
            self.files.insert(address, File { signature, verdict });
        }
        Ok(())
    }

    /// What there is to show.
    pub(crate) fn infos(&self) -> Vec<RemoteInfo> {
        let mut infos = Vec::new();
        for (address, file) in &self.files {
            let Some(verdict) = &file.verdict else { continue };
            let info = |manifest| RemoteInfo {
                file: format!("{address}.toml"),
                address: address.clone(),
                since: verdict.since,
                manifest,
            };
            infos.extend(verdict.serving.clone().map(|manifest| info(Ok(manifest))));
            infos.extend(verdict.refused.clone().map(|reason| info(Err(reason))));
        }
        infos
    }
}

fn address(path: &Path) -> Option<StepAddress> {
    (path.extension()? == "toml").then_some(())?;
    StepAddress::try_new(path.file_stem()?.to_str()?).ok()
}

fn judged(address: &StepAddress, path: &Path, before: Option<Verdict>) -> Option<Verdict> {
    let since = Timestamp::from_system_time(SystemTime::now());
    let file = format!("{address}.toml");
    let refused = match read(path) {
        Ok(text) => match manifest::parse(address.clone(), &file, &text) {
            Ok(manifest) if manifest.remote.is_some() => {
                tracing::info!(step = %address, "remote step is served, workers may ask for its work");
                return Some(Verdict { since, serving: Some(Arc::new(manifest)), refused: None });
            }
            Ok(_) => return None,
            // Another manifest that waits for its component is judged with that.
            Err(_) if before.is_none() && !speaks_of_workers(&text) => return None,
            Err(mistakes) => mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        },
        Err(_) if before.is_none() => return None,
        Err(reason) => format!("{file} {reason}"),
    };
    tracing::warn!(file, reason = refused, "the manifest of a remote step is rejected");
    let (serving, since) = before.map_or((None, since), |before| (before.serving, before.since));
    Some(Verdict { since, serving, refused: Some(refused) })
}

fn read(path: &Path) -> Result<String, String> {
    match read_bounded(path, MANIFEST_BYTES_MAX) {
        Ok(Ok(bytes)) => String::from_utf8(bytes).map_err(|_| "is not UTF-8; write it as UTF-8 text".to_owned()),
        Ok(Err(bytes)) => {
            Err(format!("has {bytes} bytes, more than the {MANIFEST_BYTES_MAX} allowed; write a shorter manifest"))
        }
        Err(error) => Err(format!("cannot be read: {error}; {READABLE}")),
    }
}

fn speaks_of_workers(text: &str) -> bool {
    text.lines().any(|line| line.trim_start().starts_with("[remote]"))
}
