//! Reads a step's manifest, as far as a test needs it. The host reads it in full and is stricter.

use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Manifest {
    pub(super) grants: Vec<String>,
    pub(super) config: toml::Table,
    pub(super) keyvalue: KeyValue,
    pub(super) events: Events,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct KeyValue {
    pub(super) shared: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct Events {
    pub(super) topics: Vec<String>,
}

/// The address and content of the one manifest in `folder`.
#[track_caller]
pub(super) fn read_in(folder: &Path) -> (String, Manifest) {
    let mut found: Vec<PathBuf> = match folder.read_dir() {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).filter(|path| address(path).is_some()).collect(),
        Err(error) => panic!("cannot list {}: {error}", folder.display()),
    };
    found.sort();
    let [path] = found.as_slice() else {
        panic!("{} must hold one <domain>.<subdomain>.<service>.toml, it holds {found:?}", folder.display())
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => panic!("cannot read {}: {error}", path.display()),
    };
    match toml::from_str(&text) {
        Ok(manifest) => (address(path).expect("it was chosen by its address"), manifest),
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

fn address(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".toml")?;
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    (stem.split('.').count() == 3 && stem.split('.').all(is_part)).then(|| stem.to_owned())
}
