//! What the registry shows of itself: every plugin file and every version still at work, with the reason where one is
//! not served.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use host_core::id::{Digest, StepAddress};
use host_core::manifest::{Grant, Manifest};
use host_core::time::Timestamp;

use crate::version::{InFlight, Version};

/// The plugins as they stood when it was made. Replaced whole at every change.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Counts the changes since the host started.
    pub revision: u64,
    /// Ordered by file. One step may have several: a serving version, an older one that ends its calls, a newer file
    /// that was rejected.
    pub plugins: Vec<PluginInfo>,
}

impl Snapshot {
    /// The serving version of a step.
    pub fn serving(&self, address: &StepAddress) -> Option<&PluginInfo> {
        let mut of_step = self.plugins.iter().filter(|plugin| plugin.address.as_ref() == Some(address));
        of_step.find(|plugin| plugin.state == PluginState::Serving)
    }

    /// Addresses that are served.
    pub fn addresses(&self) -> impl Iterator<Item = &StepAddress> {
        let serving = self.plugins.iter().filter(|plugin| plugin.state == PluginState::Serving);
        serving.filter_map(|plugin| plugin.address.as_ref())
    }
}

/// One version or one rejected file.
#[derive(Debug, Clone)]
pub struct PluginInfo {
    /// Name of the file in the plugins folder.
    pub file: String,
    /// None if the file's name is no address.
    pub address: Option<StepAddress>,
    /// None if the file could not be read.
    pub digest: Option<Digest>,
    pub state: PluginState,
    pub since: Timestamp,
    pub grants: Vec<Grant>,
    /// Why it is rejected.
    pub reason: Option<String>,
    /// None of a rejected file.
    pub manifest: Option<Arc<Manifest>>,
    pub in_flight: CallGauge,
    pub wasm_bytes: u64,
    /// Zero if the compiled code was taken from the cache.
    pub compile_time: Duration,
    /// Linear memory of an instance that has just been started.
    pub instance_memory_bytes: usize,
}

impl PluginInfo {
    /// The address, or the file's name where that is none.
    pub fn name(&self) -> &str {
        self.address.as_ref().map_or(&self.file, StepAddress::as_str)
    }

    pub(super) fn of_version(file: &str, version: &Version, state: PluginState, since: Timestamp) -> Self {
        let manifest = version.manifest().clone();
        Self {
            file: file.to_owned(),
            address: Some(manifest.address.clone()),
            digest: Some(version.digest),
            state,
            since,
            grants: manifest.grants.clone(),
            reason: None,
            manifest: Some(manifest),
            in_flight: CallGauge(Some(version.in_flight().clone())),
            wasm_bytes: version.facts.wasm_bytes,
            compile_time: version.facts.compile_time,
            instance_memory_bytes: version.facts.instance_memory_bytes,
        }
    }
}

/// Where a plugin stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PluginState {
    Serving,
    /// The file is not what a step must be; the version before it serves on, if there is one.
    Rejected,
    /// Replaced or removed; its last calls are ending.
    Draining,
}

impl PluginState {
    pub fn as_str(self) -> &'static str {
        match self {
            PluginState::Serving => "serving",
            PluginState::Rejected => "rejected",
            PluginState::Draining => "draining",
        }
    }
}

/// Calls of a version that are running at the moment of asking.
#[derive(Clone, Default)]
pub struct CallGauge(Option<Arc<InFlight>>);

impl CallGauge {
    pub fn count(&self) -> u32 {
        self.0.as_ref().map_or(0, |in_flight| in_flight.count())
    }
}

impl fmt::Debug for CallGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.count())
    }
}
