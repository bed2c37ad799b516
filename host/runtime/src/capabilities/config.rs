//! `wasi:config/store`: the texts of the manifest's `[config]`. Read only, the same for a version's whole life.

use crate::capabilities::bindings::wasi::config::store::{Error, Host};
use crate::sandbox::Sandbox;

impl Host for Sandbox {
    fn get(&mut self, key: String) -> Result<Option<String>, Error> {
        let entry = self.terms.manifest.config.iter().find(|(name, _)| *name == key);
        Ok(entry.map(|(_, value)| value.clone()))
    }

    fn get_all(&mut self) -> Result<Vec<(String, String)>, Error> {
        Ok(self.terms.manifest.config.clone())
    }
}
