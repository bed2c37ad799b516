//! A host of its own: an installation of steps that are all alike, in a folder that is removed afterwards.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use host_core::id::StepAddress;

use crate::config::{Config, LogLevel, StoreKind};
use crate::embedded::BENCH_STEPS;
use crate::exit::Stop;

/// The one use case of the scratch installation.
pub const USE_CASE: &str = "bench";

/// What every step of it is.
pub struct Subject {
    wasm: Cow<'static, [u8]>,
    manifest: String,
}

impl Subject {
    /// The step that this program carries, which does nothing.
    pub fn no_op(calls_per_instance: u32) -> anyhow::Result<Self> {
        let step = BENCH_STEPS.first().context("this binary carries the bench's step")?;
        let calls = if calls_per_instance == 0 { "\"unlimited\"".to_owned() } else { calls_per_instance.to_string() };
        // As many calls at once as the host allows: the bench measures the host, not one step's bound.
        let manifest = format!("calls-per-instance = {calls}\nconcurrency = 1024\n");
        Ok(Self { wasm: step.wasm.into(), manifest })
    }

    /// The component in this file, under the manifest beside it. One that no host would serve is refused here: nobody
    /// waits for sagas that stand before it.
    pub fn read(wasm: &Path) -> anyhow::Result<Self> {
        let beside = wasm.with_extension("toml");
        let manifest = match std::fs::read_to_string(&beside) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("reading {}", beside.display()))?,
        };
        let bytes = std::fs::read(wasm).with_context(|| format!("reading {}", wasm.display()))?;
        let address = StepAddress::try_new("bench.steps.s1").context("an address of the bench")?;
        let parsed = host_runtime::manifest_beside(wasm, &address).map_err(|error| Stop::no(error.to_string()))?;
        let refused = |rejection| Stop::no(format!("{} would not be served: {rejection}", wasm.display()));
        let inspection = host_runtime::inspect(&bytes).map_err(refused)?;
        inspection.check_grants(&parsed).map_err(refused)?;
        Ok(Self { wasm: bytes.into(), manifest })
    }
}

pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// Beside the caller's files, not in the system's temporary folder: that one is often memory, whose syncs cost
    /// nothing, and the disk is what is measured.
    pub fn make(steps: u16, subject: &Subject) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(".saga-bench-")
            .tempdir_in(".")
            .context("making a scratch folder here; run it where you may write")?;
        let scratch = Self { folder };
        scratch.write(steps, subject)?;
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

    fn write(&self, steps: u16, subject: &Subject) -> anyhow::Result<()> {
        let (plugins, use_cases) = (self.dir().join("plugins"), self.dir().join("use-cases"));
        std::fs::create_dir(&plugins)?;
        std::fs::create_dir(&use_cases)?;
        let addresses: Vec<String> = (1..=steps).map(|number| format!("bench.steps.s{number}")).collect();
        for address in &addresses {
            std::fs::write(plugins.join(format!("{address}.toml")), &subject.manifest)?;
            std::fs::write(plugins.join(format!("{address}.wasm")), &subject.wasm)?;
        }
        let mut definition = format!(
            "name = \"{USE_CASE}\"\nversion = 1\nowner = \"bench\"\ndescription = \"steps that are all alike\"\nsteps = [\n"
        );
        for address in &addresses {
            writeln!(definition, "    \"{address}\",")?;
        }
        definition.push_str("]\n");
        Ok(std::fs::write(use_cases.join(format!("{USE_CASE}.toml")), definition)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_no_host_would_serve_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let wasm = folder.path().join("a.b.c.wasm");
        assert!(Subject::read(&wasm).err().expect("no file").to_string().contains("a.b.c.wasm"));
        std::fs::write(&wasm, "hello").expect("writing");
        let told = Subject::read(&wasm).err().expect("no component").to_string();
        assert!(told.contains("would not be served"), "{told}");
        std::fs::write(&wasm, BENCH_STEPS[0].wasm).expect("writing");
        std::fs::write(wasm.with_extension("toml"), "grants = [\"fire\"]").expect("writing");
        let told = format!("{:#}", Subject::read(&wasm).err().expect("no such grant"));
        assert!(told.contains("fire"), "{told}");
        std::fs::write(wasm.with_extension("toml"), "concurrency = 7").expect("writing");
        assert_eq!(Subject::read(&wasm).expect("a step").manifest, "concurrency = 7");
    }
}
