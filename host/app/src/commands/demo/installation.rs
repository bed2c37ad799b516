//! Writes an installation with the example steps and use cases. Files of the user's own are left alone.

use std::borrow::Cow;
use std::path::Path;

use anyhow::Context as _;

use crate::commands::broker_choice::BrokerChoice;
use crate::config;
use crate::embedded::{STEPS, USE_CASES};
use crate::exit::Stop;

use super::others::Other;

const CONFIG: &str = "\
# The installation of `saga demo`. Every key has a default; `saga doctor` lists them all with their meaning.
listen = \"127.0.0.1:7070\"
host-name = \"saga-demo\"
";

/// Before every name that the demo has in a cluster.
const PREFIX: &str = "saga-demo.";

/// A payment that comes before its customer waits 30 s; a demonstration should not take that long.
const DEMO_WAIT: (&str, &str, &str) = ("race.payments.pay", "timeout = \"30s\"", "timeout = \"4s\"");

/// Write everything, or refuse a folder that belongs to something else.
pub fn write(dir: &Path, broker: &BrokerChoice, others: &[Other]) -> anyhow::Result<()> {
    let file = dir.join(config::FILE_NAME);
    let is_taken = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken && !file.is_file() {
        let message =
            format!("{} holds other files and no {}; name another folder with --dir", dir.display(), config::FILE_NAME);
        return Err(Stop::usage(message).into());
    }
    for folder in ["plugins", "use-cases"] {
        let folder = dir.join(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    }
    if !file.is_file() {
        put(&file, format!("{CONFIG}{}", broker.section(PREFIX)).as_bytes())?;
    }
    for step in STEPS {
        let named = |extension: &str| dir.join("plugins").join(format!("{}.{extension}", step.address));
        // The manifest first: a running host must not load the step under older grants.
        let other = others.iter().find(|other| other.address == step.address);
        let (text, wasm) = other.map_or((step.manifest, step.wasm), |other| (&other.manifest, &other.wasm));
        put(&named("toml"), manifest(step.address, text).as_bytes())?;
        put(&named("wasm"), wasm)?;
    }
    for use_case in USE_CASES {
        put(&dir.join("use-cases").join(use_case.path), use_case.text.as_bytes())?;
    }
    Ok(())
}

fn manifest<'a>(address: &str, text: &'a str) -> Cow<'a, str> {
    let (step, wait, demo_wait) = DEMO_WAIT;
    if address == step { text.replace(wait, demo_wait).into() } else { text.into() }
}

/// Replace a file as a whole, and only if it differs: a host that watches sees no change where there is none.
fn put(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let part = path.with_extension("part");
    let written = std::fs::write(&part, content).and_then(|()| std::fs::rename(&part, path));
    written.with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_complete_and_its_configuration_is_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("demo");
        write(&dir, &BrokerChoice::Embedded, &[]).expect("an empty place");
        for step in STEPS {
            assert!(dir.join(format!("plugins/{}.wasm", step.address)).is_file(), "{}", step.address);
        }
        assert!(dir.join("use-cases/uc-1-1.toml").is_file());
        config::load(Some(&dir.join("saga.toml"))).expect("a good configuration");
    }

    #[test]
    fn an_installation_on_a_cluster_says_so() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path().join("demo");
        write(&dir, &BrokerChoice::Kafka("a:1,b:2".to_owned()), &[]).expect("an empty place");
        let config = config::load(Some(&dir.join("saga.toml"))).expect("a good configuration").config;
        assert_eq!(config.broker.kind, config::BrokerKind::Kafka);
        assert_eq!((&*config.broker.bootstrap.0, &*config.broker.prefix.0), ("a:1,b:2", PREFIX));
    }

    #[test]
    fn a_second_writing_keeps_the_users_files() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        write(folder.path(), &BrokerChoice::Embedded, &[]).expect("an empty place");
        std::fs::write(folder.path().join("saga.toml"), "listen = \"127.0.0.1:1\"\n").expect("writing");
        std::fs::write(folder.path().join("plugins/a.b.c.wasm"), "mine").expect("writing");
        std::fs::write(folder.path().join("plugins/race.payments.pay.wasm"), "broken").expect("writing");
        write(folder.path(), &BrokerChoice::Embedded, &[]).expect("its own place");
        let read = |name: &str| std::fs::read(folder.path().join(name)).expect(name);
        assert!(read("saga.toml").ends_with(b":1\"\n"));
        assert_eq!(read("plugins/a.b.c.wasm"), b"mine");
        assert_ne!(read("plugins/race.payments.pay.wasm"), b"broken");
    }

    #[test]
    fn a_folder_of_something_else_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("thesis.tex"), "").expect("writing");
        let error = write(folder.path(), &BrokerChoice::Embedded, &[]).expect_err("it is taken");
        assert_eq!(crate::exit::of_error(&error), crate::exit::Exit::Usage);
    }

    #[test]
    fn the_payment_of_the_demo_waits_seconds() {
        let (step, wait, demo_wait) = DEMO_WAIT;
        let example = STEPS.iter().find(|example| example.address == step).expect("the step is carried");
        assert!(example.manifest.contains(wait), "the manifest of {step} says something else now");
        assert!(manifest(step, example.manifest).contains(demo_wait));
    }
}
