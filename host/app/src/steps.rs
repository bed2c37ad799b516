//! The steps of this host, wherever they run: components in here, and calls that workers elsewhere take.

use std::sync::Arc;

use host_core::id::StepAddress;
use host_core::manifest::Manifest;
use host_engine::Served;
use host_remote::{Remote, RemoteInfo};
use host_runtime::{Call, KeyValues, Placing, Running, Snapshot, StepRunner};

/// A remote step has no component, so an address is at most one of the two.
pub struct Steps {
    pub here: Arc<dyn StepRunner>,
    pub elsewhere: Remote,
}

impl StepRunner for Steps {
    fn call(&self, call: Call, key_values: Arc<dyn KeyValues>) -> Running<'_> {
        match self.here.manifest(&call.address).is_none() && self.elsewhere.manifest(&call.address).is_some() {
            true => self.elsewhere.call(call),
            false => self.here.call(call, key_values),
        }
    }

    fn manifest(&self, address: &StepAddress) -> Option<Arc<Manifest>> {
        self.here.manifest(address).or_else(|| self.elsewhere.manifest(address))
    }

    fn place(&self, address: &StepAddress) -> Option<Placing<'_>> {
        match self.here.manifest(address) {
            Some(_) => self.here.place(address),
            None => self.elsewhere.place(address),
        }
    }
}

/// The engine's view of both.
pub fn served(here: &Snapshot, elsewhere: &[RemoteInfo]) -> Served {
    let remote = elsewhere.iter().filter_map(|info| Some((info.address.clone(), info.manifest.clone().ok()?)));
    let plugins = here.addresses().filter_map(|address| {
        let manifest = here.serving(address)?.manifest.clone()?;
        Some((address.clone(), manifest))
    });
    // The component wins where both are there for a moment.
    Served { steps: remote.chain(plugins).collect() }
}
