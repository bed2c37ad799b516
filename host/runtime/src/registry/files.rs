//! The state of the plugins folder: for each file what serves, what was refused, and what is being looked at.
//! Invariant: a file's verdict belongs to the signature it was loaded with; while that stands, nothing is loaded again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use host_core::id::StepAddress;
use host_core::time::Timestamp;
use tokio::task::JoinSet;

use super::Shared;
use super::folder::{self, Candidate, FileSignature, Found, Signature};
use super::load::{Refused, load};
use super::snapshot::{CallGauge, PluginInfo, PluginState};
use crate::limits;
use crate::version::Version;

/// Everything that the service knows about the folder.
#[derive(Default)]
pub(super) struct Files {
    entries: BTreeMap<String, Entry>,
    draining: Vec<(String, Arc<Version>, Timestamp)>,
    loads: JoinSet<Loaded>,
    /// The folder could not be read at the last look; said once.
    unreadable: bool,
}

/// One file by its name.
#[derive(Default)]
struct Entry {
    /// What the present verdict was made from.
    judged: Option<Signature>,
    /// Seen to differ from that, and when: loaded when it is still the same a moment later, unless its writer is known
    /// to be done with it.
    changed: Option<(Signature, Instant)>,
    loading: bool,
    serving: Option<(Arc<Version>, Timestamp)>,
    rejected: Option<PluginInfo>,
}

impl Entry {
    /// Whether the file, which has changed, can be taken now, and why. If not, what it is now is noted, so that a later
    /// look finds whether it has settled.
    fn haste(&mut self, shared: &Shared, file: &str, found: &Found, look: Look) -> Option<Haste> {
        if look == Look::First {
            return Some(Haste::Settled);
        }
        if let Some((signature, at)) = &self.changed
            && *signature == found.signature
        {
            return (at.elapsed() >= limits::SETTLE).then_some(Haste::Settled);
        }
        if self.writers_are_done(shared, file, found) {
            return Some(Haste::Told);
        }
        self.changed = Some((found.signature, Instant::now()));
        None
    }

    /// Of the plugin and of its manifest, as far as they have changed.
    fn writers_are_done(&self, shared: &Shared, file: &str, found: &Found) -> bool {
        let Ok(candidate) = &found.candidate else { return false };
        let (judged, now) = (self.judged, found.signature);
        let is_done =
            |name: &str, signature: &FileSignature| shared.done.is_done(name) || signature.is_quiet_for(limits::SETTLE);
        let wasm_is_done = judged.is_some_and(|judged| judged.wasm == now.wasm) || is_done(file, &now.wasm);
        let manifest_is_done = judged.is_some_and(|judged| judged.manifest == now.manifest)
            || now.manifest.is_none_or(|manifest| is_done(&format!("{}.toml", candidate.address), &manifest));
        wasm_is_done && manifest_is_done
    }
}

/// What a finished load hands back.
struct Loaded {
    file: String,
    address: StepAddress,
    signature: Signature,
    haste: Haste,
    outcome: Result<Option<Version>, Refused>,
}

/// Why a file was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Haste {
    /// Its writer seems to be done. A refusal may mean that it is not.
    Told,
    /// It has not changed for a while.
    Settled,
}

/// How the folder was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing writes while the host starts, so what is there is taken as it is.
    First,
    Again,
}

impl Files {
    /// Take in what has finished, look at the folder, and start loading what has settled. True if anything changed.
    pub(super) fn step(
        &mut self,
        shared: &Arc<Shared>,
        found: std::io::Result<BTreeMap<String, Found>>,
        look: Look,
    ) -> bool {
        let mut changed = self.take_finished(shared);
        match found {
            Ok(found) => {
                self.unreadable = false;
                changed |= self.remove_missing(&found);
                for (file, found) in found {
                    changed |= self.look_at(shared, file, found, look);
                }
            }
            // A folder that cannot be read is no order to stop everything.
            Err(error) if !self.unreadable => {
                self.unreadable = true;
                let dir = shared.dir.display();
                tracing::error!(%dir, %error, "plugins folder cannot be read, serving on with what is loaded");
            }
            Err(_) => {}
        }
        changed | self.forget_drained()
    }

    /// Whether nothing is loading and nothing waits to settle.
    pub(super) fn is_quiet(&self) -> bool {
        self.loads.is_empty() && self.entries.values().all(|entry| entry.changed.is_none() && !entry.loading)
    }

    /// How long until it is worth looking again without being told.
    pub(super) fn pause(&self) -> Duration {
        if self.is_quiet() { limits::RESCAN } else { limits::SETTLE }
    }

    /// Wait for one running load; at once if there is none.
    pub(super) async fn finish_one(&mut self, shared: &Arc<Shared>) -> bool {
        match self.loads.join_next().await {
            Some(Ok(loaded)) => {
                self.judge(shared, loaded);
                true
            }
            Some(Err(_)) | None => false,
        }
    }

    fn take_finished(&mut self, shared: &Arc<Shared>) -> bool {
        let mut changed = false;
        while let Some(finished) = self.loads.try_join_next() {
            // A load that was aborted or panicked has no verdict; it is ended with the host only.
            if let Ok(loaded) = finished {
                self.judge(shared, loaded);
                changed = true;
            }
        }
        changed
    }

    fn look_at(&mut self, shared: &Arc<Shared>, file: String, found: Found, look: Look) -> bool {
        let entry = self.entries.entry(file.clone()).or_default();
        if entry.loading {
            return false;
        }
        if entry.judged == Some(found.signature) {
            entry.changed = None;
            return false;
        }
        let Some(haste) = entry.haste(shared, &file, &found, look) else { return false };
        entry.changed = None;
        match found.candidate {
            Ok(candidate) => {
                entry.loading = true;
                self.start_load(shared, file, found.signature, haste, candidate);
                false
            }
            Err(reason) => {
                entry.judged = Some(found.signature);
                tracing::warn!(file, reason, "plugin file is rejected");
                entry.rejected = Some(rejected(&file, None, reason, None));
                true
            }
        }
    }

    fn start_load(
        &mut self,
        shared: &Arc<Shared>,
        file: String,
        signature: Signature,
        haste: Haste,
        candidate: Candidate,
    ) {
        let shared = shared.clone();
        self.loads.spawn(async move {
            let address = candidate.address.clone();
            let outcome = load(&shared, candidate, signature).await;
            shared.wake.notify_one();
            Loaded { file, address, signature, haste, outcome }
        });
    }

    /// A load has ended: swap the version, or leave the old one and say why.
    fn judge(&mut self, shared: &Arc<Shared>, loaded: Loaded) {
        let Loaded { file, address, signature, haste, outcome } = loaded;
        let Some(entry) = self.entries.get_mut(&file) else { return };
        entry.loading = false;
        shared.done.forget(&file);
        let outcome = match (outcome, haste) {
            // It changed under our hands: the next look meets what it is now.
            (Ok(None), _) => return,
            // Perhaps its writer is not done after all: judged when it has settled.
            (Err(refused), Haste::Told) if !refused.rejection.is_final() => {
                entry.changed = Some((signature, Instant::now()));
                return;
            }
            (Ok(Some(version)), _) => Ok(version),
            (Err(refused), _) => Err(refused),
        };
        entry.judged = Some(signature);
        match outcome {
            Ok(version) => {
                entry.rejected = None;
                let same = entry.serving.as_ref().is_some_and(|(serving, _)| {
                    serving.digest == version.digest && serving.manifest() == version.manifest()
                });
                if same {
                    return;
                }
                let compile_ms = u64::try_from(version.facts.compile_time.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(step = %address, digest = %version.digest, compile_ms, "plugin is serving");
                if entry.serving.is_some() {
                    shared.before_replacing();
                }
                let old = entry.serving.replace((Arc::new(version), now()));
                if let Some((old, since)) = old {
                    self.drain(file, old.clone(), since);
                    shared.pinned.put(old);
                }
            }
            Err(refused) => {
                let reason = refused.rejection.to_string();
                tracing::warn!(file, reason, still_serving = entry.serving.is_some(), "plugin file is rejected");
                entry.rejected = Some(rejected(&file, Some(address), reason, Some(&refused)));
            }
        }
    }

    fn remove_missing(&mut self, found: &BTreeMap<String, Found>) -> bool {
        let missing: Vec<_> = self.entries.keys().filter(|file| !found.contains_key(*file)).cloned().collect();
        for file in &missing {
            let Some(entry) = self.entries.remove(file) else { continue };
            if let Some((version, since)) = entry.serving {
                tracing::info!(step = %version.manifest().address, "plugin file was removed, step is no longer served");
                self.drain(file.clone(), version, since);
            }
        }
        !missing.is_empty()
    }

    fn drain(&mut self, file: String, version: Arc<Version>, since: Timestamp) {
        version.watch_drain(true);
        version.retire();
        self.draining.push((file, version, since));
    }

    fn forget_drained(&mut self) -> bool {
        let before = self.draining.len();
        self.draining.retain(|(_, version, _)| {
            let drains = version.in_flight().count() > 0;
            version.watch_drain(drains);
            drains
        });
        before != self.draining.len()
    }

    /// What serves now.
    pub(super) fn serving(&self) -> impl Iterator<Item = &Arc<Version>> {
        self.entries.values().filter_map(|entry| entry.serving.as_ref().map(|(version, _)| version))
    }

    /// Everything there is to show.
    pub(super) fn infos(&self) -> Vec<PluginInfo> {
        let mut infos = Vec::new();
        for (file, entry) in &self.entries {
            let serving = entry.serving.as_ref();
            infos.extend(
                serving.map(|(version, since)| PluginInfo::of_version(file, version, PluginState::Serving, *since)),
            );
            infos.extend(entry.rejected.clone());
        }
        let draining = self.draining.iter();
        infos.extend(
            draining.map(|(file, version, since)| PluginInfo::of_version(file, version, PluginState::Draining, *since)),
        );
        infos.sort_by(|a, b| a.file.cmp(&b.file));
        infos
    }
}

fn rejected(file: &str, address: Option<StepAddress>, reason: String, refused: Option<&Refused>) -> PluginInfo {
    PluginInfo {
        file: file.to_owned(),
        address,
        digest: refused.and_then(|refused| refused.digest),
        state: PluginState::Rejected,
        since: now(),
        grants: Vec::new(),
        reason: Some(reason),
        manifest: None,
        in_flight: CallGauge::default(),
        wasm_bytes: refused.map_or(0, |refused| refused.wasm_bytes),
        compile_time: Duration::ZERO,
        instance_memory_bytes: 0,
    }
}

fn now() -> Timestamp {
    Timestamp::from_system_time(SystemTime::now())
}

/// Look at the folder off the async threads.
pub(super) async fn list(shared: &Arc<Shared>) -> std::io::Result<BTreeMap<String, Found>> {
    let dir = shared.dir.clone();
    let listed = tokio::task::spawn_blocking(move || folder::list(&dir)).await;
    listed.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}
