//! Building the test programs once, and an installation in a scratch folder to put them into.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use host_core::id::{Direction, GlobalId, MessageId, Position, StepAddress};
use host_core::json::Json;
use host_core::outcome::{Answer, Fault, FaultKind, Outcome};
use host_runtime::{Call, MemoryKeyValues, PluginInfo, PluginState, Plugins, PluginsOptions, Report, StepRunner as _};
use tempfile::TempDir;

/// The root of the source tree.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The component of this test program. Builds them all at the first call.
pub(crate) fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let target = root().join("target/guests");
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--examples", "--target", "wasm32-wasip2", "--profile", "step", "--target-dir"])
            .arg(&target)
            .current_dir(root().join("tests/guests"))
            // What cargo told this test about its own build must not reach the build of the guests.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status()
            .expect("cargo can be started");
        assert!(status.success(), "the programs in tests/guests do not build");
        target.join("wasm32-wasip2/step/examples")
    });
    let path = folder.join(format!("{name}.wasm"));
    assert!(path.exists(), "no program {name} in tests/guests");
    path
}

/// A plugins folder and a cache in a scratch folder.
pub(crate) struct Installation {
    folder: TempDir,
}

/// The address that tests use when one is enough.
pub(crate) const STEP: &str = "test.guests.step";

impl Installation {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        Self { folder }
    }

    pub(crate) fn plugins_dir(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    pub(crate) fn cache_dir(&self) -> PathBuf {
        self.folder.path().join("data/artefacts")
    }

    /// Put a program into the folder the careful way: whole or not at all.
    pub(crate) fn serve(&self, address: &str, program: &str) {
        let scratch = self.folder.path().join("scratch");
        std::fs::copy(guest(program), &scratch).unwrap();
        std::fs::rename(&scratch, self.plugins_dir().join(format!("{address}.wasm"))).unwrap();
    }

    pub(crate) fn manifest(&self, address: &str, text: &str) {
        std::fs::write(self.plugins_dir().join(format!("{address}.toml")), text).unwrap();
    }

    pub(crate) fn write(&self, file: &str, bytes: &[u8]) {
        std::fs::write(self.plugins_dir().join(file), bytes).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.plugins_dir().join(file)).unwrap();
    }

    pub(crate) fn options(&self) -> PluginsOptions {
        PluginsOptions {
            // Few: each reserves address space, and all tests of this file share one process.
            calls_at_once_max: 8,
            idle_instances_max: 8,
            ..PluginsOptions::new(self.plugins_dir(), self.cache_dir())
        }
    }

    pub(crate) async fn open(&self) -> Plugins {
        Plugins::open(self.options()).await.unwrap()
    }
}

/// An installation that serves one program at `STEP`.
pub(crate) async fn one(program: &str, manifest: &str) -> Stage {
    let installation = Installation::new();
    installation.serve(STEP, program);
    installation.manifest(STEP, manifest);
    let plugins = installation.open().await;
    Stage { installation, plugins, key_values: Arc::default() }
}

pub(crate) struct Stage {
    pub(crate) installation: Installation,
    pub(crate) plugins: Plugins,
    pub(crate) key_values: Arc<MemoryKeyValues>,
}

impl Stage {
    pub(crate) async fn handle(&self, body: &str) -> Report {
        self.plugins.call(call(STEP, Direction::Handle, body), self.key_values.clone()).await
    }

    pub(crate) async fn compensate(&self, body: &str) -> Report {
        self.plugins.call(call(STEP, Direction::Compensate, body), self.key_values.clone()).await
    }
}

pub(crate) fn address(text: &str) -> StepAddress {
    StepAddress::try_new(text).unwrap()
}

pub(crate) fn call(step: &str, direction: Direction, body: &str) -> Call {
    let global_id = GlobalId::try_new("saga-1").unwrap();
    let position = Position(1);
    Call {
        address: address(step),
        digest: None,
        idempotency_key: MessageId { global_id: global_id.clone(), direction, position },
        global_id,
        use_case: None,
        position,
        direction,
        attempt: 1,
        deadline: None,
        signalled: None,
        failure: None,
        headers: Vec::new(),
        body: Json::try_from_text(body).unwrap(),
        compensation_log: None,
    }
}

/// The body of an answer that is done.
#[track_caller]
pub(crate) fn body(report: &Report) -> &str {
    match &report.answer {
        Answer::Outcome(Outcome::Done { body, .. }) => body.as_str(),
        other => panic!("not done: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn fault(report: &Report) -> &Fault {
    match &report.answer {
        Answer::Fault(fault) => fault,
        Answer::Outcome(outcome) => panic!("no fault: {outcome:?}"),
    }
}

/// A fault of this kind whose reason holds all these words.
#[track_caller]
pub(crate) fn assert_fault(report: &Report, kind: FaultKind, words: &[&str]) {
    let fault = fault(report);
    assert_eq!(fault.kind, kind, "{}", fault.reason);
    for word in words {
        assert!(fault.reason.contains(word), "{word:?} is not in: {}", fault.reason);
    }
    assert!(fault.reason.len() <= host_core::limits::REASON_BYTES_MAX);
}

/// Wait for the registry to show something, as a reader of it would: woken by its changes.
pub(crate) async fn shown(plugins: &Plugins, what: &str, seen: impl Fn(&[PluginInfo]) -> bool) {
    let mut changes = plugins.subscribe();
    let waiting = changes.wait_for(|snapshot| seen(&snapshot.plugins));
    let found = tokio::time::timeout(Duration::from_secs(60), waiting).await.map(|found| found.map(drop));
    assert!(matches!(found, Ok(Ok(()))), "not shown: {what}; instead {:#?}", plugins.snapshot().plugins);
}

/// The state and reason of each entry of a file.
pub(crate) fn states(plugins: &Plugins, file: &str) -> Vec<(PluginState, String)> {
    let snapshot = plugins.snapshot();
    let of_file = snapshot.plugins.iter().filter(|plugin| plugin.file == file);
    of_file.map(|plugin| (plugin.state, plugin.reason.clone().unwrap_or_default())).collect()
}
