//! Which topics the files of an installation ask for, before anything is compiled or served.

use std::collections::BTreeSet;
use std::path::Path;

use host_core::id::{StepAddress, TopicName};
use host_core::manifest::{self, Manifest};

use crate::config::Config;
use crate::use_cases;

/// What a host would need that takes all of these files. A file that no host would take asks for nothing.
pub fn topics(config: &Config) -> BTreeSet<TopicName> {
    let manifests = manifests(&config.plugins_dir);
    let survey = use_cases::survey(&config.use_cases_dir);
    let use_cases = survey.map(|survey| survey.good).unwrap_or_default();
    host_engine::needed_topics(&manifests, use_cases.iter().map(|use_case| &**use_case))
}

/// The manifests of the plugins in a folder, one without a manifest has the default, and of remote steps.
pub fn manifests(dir: &Path) -> Vec<Manifest> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries.flatten().filter_map(|entry| manifest(&entry.path())).collect()
}

fn manifest(path: &Path) -> Option<Manifest> {
    if path.extension()? == "toml" && !path.with_extension("wasm").exists() {
        let address = StepAddress::try_new(path.file_stem()?.to_str()?).ok()?;
        let manifest = manifest::parse(address, "", &std::fs::read_to_string(path).ok()?).ok()?;
        return manifest.remote.is_some().then_some(manifest);
    }
    if path.extension()? != "wasm" || !path.is_file() {
        return None;
    }
    let address = StepAddress::try_new(path.file_stem()?.to_str()?).ok()?;
    let manifest = path.with_extension("toml");
    match manifest.is_file() {
        true => manifest::parse(address, "", &std::fs::read_to_string(manifest).ok()?).ok(),
        false => Some(Manifest::of(address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_a_host_would_take_ask_for_their_topics() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config { plugins_dir: folder.path().join("p"), ..Config::default() };
        config.use_cases_dir = folder.path().join("u");
        assert_eq!(topics(&config).len(), 2, "no folders: the engine's own");
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("writing");
        std::fs::create_dir(&config.plugins_dir)
            .and_then(|()| std::fs::create_dir(&config.use_cases_dir))
            .expect("ours");
        write("p/a.b.one.wasm", "");
        write("p/a.b.one.toml", "grants = [\"events\"]\n[events]\ntopics = [\"stock.taken\"]\n");
        write("p/a.b.two.wasm", "");
        write("p/a.b.two.toml", "no manifest");
        write("p/badname.wasm", "");
        write("p/a.b.four.toml", &format!("[remote]\ntoken-sha256 = \"{}\"\n", "0".repeat(64)));
        write("p/a.b.five.toml", "concurrency = 1\n");
        write("u/shop.toml", "name = \"shop\"\nversion = 1\nowner = \"us\"\nsteps = [\"a.b.three\"]\n");
        write("u/bad.toml", "name = \"bad\"\n");
        let topics = topics(&config);
        let names: Vec<&str> = topics.iter().map(TopicName::as_str).collect();
        let expected = [
            "a.b.four.compensate",
            "a.b.four.error",
            "a.b.four.in",
            "a.b.one.compensate",
            "a.b.one.error",
            "a.b.one.in",
            "a.b.three.compensate",
            "a.b.three.error",
            "a.b.three.in",
            "saga.commands",
            "saga.signals",
            "stock.taken",
        ];
        assert_eq!(names, expected);
    }
}
