//! Writes an installation as a person would: `saga.toml`, plugins with their manifests, use cases, in a folder that
//! goes away. Changes to the files while a host runs go through here too.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::artefacts;

/// A folder with everything that a host needs.
#[derive(Debug)]
pub struct Installation {
    folder: TempDir,
}

impl Installation {
    /// An installation without steps and use cases.
    pub fn empty() -> Self {
        Self::empty_in(&std::env::temp_dir())
    }

    /// The same in a folder of this one.
    pub fn empty_in(dir: &Path) -> Self {
        // Absolute: a host is started in it.
        let dir = dir.canonicalize().expect("the folder for temporary folders exists");
        let folder = tempfile::Builder::new().prefix("saga-test-").tempdir_in(dir);
        let folder = folder.expect("a temporary folder can be made");
        for name in ["plugins", "use-cases"] {
            std::fs::create_dir(folder.path().join(name)).expect("the temporary folder is ours");
        }
        let installation = Self { folder };
        installation.write("saga.toml", "");
        installation
    }

    /// With the example steps whose address begins with one of these domains, and all use cases that they make up.
    pub fn with_examples(domains: &[&str]) -> Self {
        let installation = Self::empty();
        let is_wanted = |address: &str| domains.iter().any(|domain| address.split('.').next() == Some(domain));
        for step in artefacts::example_steps().iter().filter(|step| is_wanted(&step.address)) {
            copy(&step.manifest, &installation.manifest_path(&step.address));
            copy(&step.wasm, &installation.plugin_path(&step.address));
        }
        for entry in std::fs::read_dir(artefacts::example_use_cases()).expect("the examples have use cases").flatten() {
            let text = std::fs::read_to_string(entry.path()).expect("a use case is text");
            let definition: toml::Table = text.parse().expect("a use case is TOML");
            let steps = definition["steps"].as_array().expect("a use case has steps");
            if steps.iter().all(|step| step.as_str().is_some_and(is_wanted)) {
                copy(&entry.path(), &installation.path().join("use-cases").join(entry.file_name()));
            }
        }
        installation
    }

    /// With the instrument served as `test.instrument.<name>` for each of these names, and a use case `play` of all.
    pub fn with_instruments(names: &[&str]) -> Self {
        let installation = Self::empty();
        installation.add_instruments(names);
        installation
    }

    /// Serve the instrument under each of these names, and write a use case `play` of all.
    pub fn add_instruments(&self, names: &[&str]) {
        for name in names {
            self.serve_instrument(name);
        }
        if !names.is_empty() {
            self.use_case("play", names, "");
        }
    }

    /// With the instrument that keeps nothing under each of these names, and a use case `play` of all: what several
    /// hosts can serve together.
    pub fn with_stateless_instruments(names: &[&str]) -> Self {
        let installation = Self::empty();
        let wasm = std::fs::read(artefacts::stateless_instrument()).expect("the instrument was built");
        for name in names {
            let address = instrument_address(name);
            installation
                .manifest(&address, &INSTRUMENT_MANIFEST.replace(", \"keyvalue\"", "").replace(SHARED_BUCKET, ""));
            installation.plugin(&address, &wasm);
        }
        installation.use_case("play", names, "");
        installation
    }

    /// Serve the instrument under one more address. Retries are quick, so that scenarios are.
    pub fn serve_instrument(&self, name: &str) {
        let address = instrument_address(name);
        self.manifest(&address, INSTRUMENT_MANIFEST);
        self.plugin(&address, &std::fs::read(artefacts::instrument()).expect("the instrument was built"));
    }

    /// A use case of instruments. `more` is added to the file.
    pub fn use_case(&self, name: &str, steps: &[&str], more: &str) {
        let addresses: Vec<String> = steps.iter().map(|step| instrument_address(step)).collect();
        self.use_case_of(name, &addresses, more);
    }

    /// A use case of these addresses. `more` is added to the file.
    pub fn use_case_of(&self, name: &str, addresses: &[impl AsRef<str>], more: &str) {
        let steps: Vec<String> = addresses.iter().map(|address| format!("\"{}\"", address.as_ref())).collect();
        let steps = steps.join(", ");
        let text = format!(
            "name = \"{name}\"\nversion = 1\nowner = \"tests\"\ndescription = \"a scenario\"\nsteps = [{steps}]\n{more}\n"
        );
        self.write(&format!("use-cases/{name}.toml"), &text);
    }

    /// Replace the whole of `saga.toml`. The address to listen on comes from the harness.
    pub fn config(&self, text: &str) {
        self.write("saga.toml", text);
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leave the folder where it is, for a person to look at.
    pub fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    pub fn plugin_path(&self, address: &str) -> PathBuf {
        self.path().join("plugins").join(format!("{address}.wasm"))
    }

    fn manifest_path(&self, address: &str) -> PathBuf {
        self.path().join("plugins").join(format!("{address}.toml"))
    }

    /// Put a plugin in its place in one move, as careful people do.
    pub fn plugin(&self, address: &str, wasm: &[u8]) {
        let place = self.plugin_path(address);
        let beside = self.path().join(format!("{address}.new"));
        std::fs::write(&beside, wasm).expect("the temporary folder is ours");
        std::fs::rename(&beside, &place).expect("both are in one folder");
    }

    /// The bytes of a plugin that lies in the folder.
    pub fn plugin_bytes(&self, address: &str) -> Vec<u8> {
        std::fs::read(self.plugin_path(address)).expect("the plugin lies in the folder")
    }

    pub fn remove_plugin(&self, address: &str) {
        std::fs::remove_file(self.plugin_path(address)).expect("the plugin lies in the folder");
    }

    pub fn manifest(&self, address: &str, text: &str) {
        std::fs::write(self.manifest_path(address), text).expect("the temporary folder is ours");
    }

    /// The text of a manifest that lies in the folder.
    pub fn manifest_text(&self, address: &str) -> String {
        std::fs::read_to_string(self.manifest_path(address)).expect("the manifest lies in the folder")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("the temporary folder is ours");
    }
}

/// What the instrument is granted. Tests that need other settings write their own manifest.
pub const INSTRUMENT_MANIFEST: &str = r#"
grants = ["config", "keyvalue", "events"]

[config]
mark = "first"

[keyvalue]
shared = ["common"]

[events]
topics = ["test.events"]

[retry]
max-attempts = 4
initial = "10ms"
max = "50ms"

[retry.compensate]
max-attempts = 4
initial = "10ms"
max = "50ms"

[retry.fault]
max-attempts = 2
initial = "10ms"
max = "50ms"

[limits]
time = "5s"
"#;

/// Of the manifest above: what makes no sense without key-values.
const SHARED_BUCKET: &str = "[keyvalue]\nshared = [\"common\"]\n";

pub fn instrument_address(name: &str) -> String {
    format!("test.instrument.{name}")
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap_or_else(|error| panic!("{} cannot be copied: {error}", from.display()));
}
