//! The installation that is tortured: the example steps in a scratch folder, small retention, quiet log.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;

use super::plan::{LATE, LATE_FILE};
use crate::commands::broker_choice::BrokerChoice;
use crate::config;
use crate::embedded::{ExampleStep, STEPS, USE_CASES};

/// How long the host keeps a finished saga. Above what a round takes, so that every saga of a round can still be asked
/// for; below what a long run takes, so that retention works under fire too.
pub const FINISHED_KEPT: Duration = Duration::from_secs(240);

/// A payment's wait: a machine under load may take longer than the example's half minute to bring a customer.
const WAIT: (&str, &str, &str) = ("race.payments.pay", "timeout = \"30s\"", "timeout = \"30m\"");

/// A folder with everything that a host needs.
pub struct Installation {
    folder: TempDir,
    broker: BrokerChoice,
    /// Names of this run in a cluster.
    name: String,
    /// Rounds that have begun anew: each has topics of its own.
    anew: AtomicU32,
}

impl Installation {
    /// Beside the caller's files, not in the system's temporary folder: that one is often memory, whose syncs are none.
    pub fn write(broker: BrokerChoice) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(".saga-torture-")
            .tempdir_in(std::env::current_dir()?)
            .context("making a scratch folder here; run it where you may write")?;
        let name = format!("saga-torture-{:08x}", fastrand::u32(..));
        let installation = Self { folder, broker, name, anew: AtomicU32::new(0) };
        for name in ["plugins", "use-cases"] {
            std::fs::create_dir(installation.path().join(name))?;
        }
        installation.configure()?;
        for step in STEPS {
            let manifest = installation.path().join("plugins").join(format!("{}.toml", step.address));
            std::fs::write(manifest, manifest_of(step))?;
            std::fs::write(installation.plugin(step), step.wasm)?;
        }
        let use_cases = installation.path().join("use-cases");
        for use_case in USE_CASES {
            std::fs::write(use_cases.join(use_case.path), use_case.text)?;
        }
        std::fs::write(use_cases.join(format!("{LATE}.toml")), LATE_FILE)?;
        Ok(installation)
    }

    fn configure(&self) -> anyhow::Result<()> {
        let prefix = format!("{}-{}.", self.name, self.anew.load(Ordering::Relaxed));
        let text = format!(
            "# Written by `saga torture`.\nhost-name = \"{}\"\n\n[retention]\nfinished = \"{}s\"\n\n[log]\nlevel = \"error\"\n{}",
            self.name,
            FINISHED_KEPT.as_secs(),
            self.broker.section(&prefix)
        );
        std::fs::write(self.path().join(config::FILE_NAME), text).context("writing the configuration")
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn plugin(&self, step: &ExampleStep) -> PathBuf {
        self.path().join("plugins").join(format!("{}.wasm", step.address))
    }

    pub fn database(&self) -> PathBuf {
        self.path().join("data").join("db")
    }

    pub fn ledger(&self) -> PathBuf {
        self.path().join("ledger.jsonl")
    }

    pub fn log(&self) -> PathBuf {
        self.path().join("host.log")
    }

    /// Put another version of a step in its place, in one move. The same number is the same version.
    pub fn replace(&self, step: &ExampleStep, version: u8) -> anyhow::Result<()> {
        let beside = self.path().join(format!("{}.new", step.address));
        let mut file = std::fs::File::create(&beside).context("writing a new version of a step")?;
        file.write_all(step.wasm)?;
        file.write_all(&custom_section(version))?;
        drop(file);
        std::fs::rename(&beside, self.plugin(step)).context("replacing a step")
    }

    /// Begin anew with an empty database. The compiled plugins stay.
    pub fn forget(&self) -> anyhow::Result<()> {
        let database = self.database();
        std::fs::remove_dir_all(&database).with_context(|| format!("removing {}", database.display()))?;
        self.anew.fetch_add(1, Ordering::Relaxed);
        self.configure()
    }

    /// Leave the folder where it is, for a person to look at.
    pub fn keep(self) -> PathBuf {
        self.folder.keep()
    }
}

fn manifest_of(step: &ExampleStep) -> String {
    let (address, wait, longer) = WAIT;
    if step.address == address { step.manifest.replace(wait, longer) } else { step.manifest.to_owned() }
}

/// An empty custom section at the end of a component: it changes its digest and nothing else.
fn custom_section(version: u8) -> Vec<u8> {
    let name = format!("torture-{version}");
    let length = u8::try_from(name.len()).expect("a short name");
    // Section 0 (custom), its size, the length of its name, the name. Sizes below 128 are one byte of LEB128.
    [&[0, length + 1, length], name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payment_waits_long_enough_for_a_slow_machine() {
        let (address, wait, longer) = WAIT;
        let step = STEPS.iter().find(|step| step.address == address).expect("the step is carried");
        assert!(step.manifest.contains(wait), "the manifest of {address} says something else now");
        assert!(manifest_of(step).contains(longer));
    }

    #[test]
    fn another_version_is_a_good_component() {
        for version in [0, 255] {
            let wasm = [STEPS[0].wasm, &custom_section(version)].concat();
            host_runtime::inspect(&wasm).expect("a component");
        }
    }
}
