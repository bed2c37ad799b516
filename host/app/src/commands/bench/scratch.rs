//! A host of its own: an installation of no-op steps in a folder that is removed afterwards.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;

use crate::config::{Config, LogLevel, StoreKind};
use crate::embedded::BENCH_STEPS;

/// The one use case of the scratch installation.
pub const USE_CASE: &str = "bench";

pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// Beside the caller's files, not in the system's temporary folder: that one is often memory, whose syncs cost
    /// nothing, and the disk is what is measured.
    pub fn make(steps: u16, calls_per_instance: u32) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(".saga-bench-")
            .tempdir_in(".")
            .context("making a scratch folder here; run it where you may write")?;
        let scratch = Self { folder };
        scratch.write(steps, calls_per_instance)?;
        Ok(scratch)
    }

    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Limits and workers are the caller's; the rest belongs to the scratch folder.
    pub fn config(&self, base: Config, clients: u32) -> Config {
        let mut config = base;
        let connections = usize::try_from(clients).unwrap_or(usize::MAX).saturating_add(16);
        config.limits.connections = config.limits.connections.max(connections);
        config.listen = ([127, 0, 0, 1], 0).into();
        config.token = None;
        config.data_dir = self.dir().join("data");
        config.plugins_dir = self.dir().join("plugins");
        config.use_cases_dir = self.dir().join("use-cases");
        config.store.kind = StoreKind::Embedded;
        config.log.level = LogLevel::Error;
        config
    }

    fn write(&self, steps: u16, calls_per_instance: u32) -> anyhow::Result<()> {
        let step = BENCH_STEPS.first().context("this binary carries the bench's step")?;
        let (plugins, use_cases) = (self.dir().join("plugins"), self.dir().join("use-cases"));
        std::fs::create_dir(&plugins)?;
        std::fs::create_dir(&use_cases)?;
        let calls = if calls_per_instance == 0 { "\"unlimited\"".to_owned() } else { calls_per_instance.to_string() };
        let addresses: Vec<String> = (1..=steps).map(|number| format!("bench.steps.s{number}")).collect();
        for address in &addresses {
            // As many calls at once as the host allows: the bench measures the host, not one step's bound.
            let manifest = format!("calls-per-instance = {calls}\nconcurrency = 1024\n");
            std::fs::write(plugins.join(format!("{address}.toml")), manifest)?;
            std::fs::write(plugins.join(format!("{address}.wasm")), step.wasm)?;
        }
        let mut definition =
            format!("name = \"{USE_CASE}\"\nversion = 1\nowner = \"bench\"\ndescription = \"no-ops\"\nsteps = [\n");
        for address in &addresses {
            writeln!(definition, "    \"{address}\",")?;
        }
        definition.push_str("]\n");
        Ok(std::fs::write(use_cases.join(format!("{USE_CASE}.toml")), definition)?)
    }
}
