//! The plugins of a folder: each file checked, compiled and served under its address, replaced while calls run, and
//! kept for the compensation of what it handled. Options, a service that watches, and a cheap handle that calls.

mod done;
mod files;
mod folder;
mod load;
mod pinned;
mod snapshot;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use host_core::id::StepAddress;
use host_core::manifest::{Grant, Manifest};
use host_core::outcome::{Answer, Fault, FaultKind};
use tokio::sync::Notify;
use tokio::sync::watch::{Receiver, Sender};

use crate::artefacts::{Artefacts, Compiler};
use crate::engine::Allocation;
use crate::error::Error;
use crate::instances::Sandboxes;
use crate::long_calls::LongCalls;
use crate::version::Version;
use crate::{Call, Effects, KeyValues, Report, Running, StepRunner, Usage, call, limits};
use done::Done;
use files::{Files, Look};
use pinned::Pinned;

pub use folder::{FileSignature, READABLE, read_bounded};
pub(crate) use load::read_manifest;
pub use snapshot::{CallGauge, PluginInfo, PluginState, Snapshot};

/// What a registry is opened with.
#[derive(Debug, Clone)]
pub struct PluginsOptions {
    /// The folder of `<address>.wasm` and `<address>.toml`. Made if it is not there.
    pub dir: PathBuf,
    /// The host's own folder for compiled code and kept versions. Nobody else may write there.
    pub cache_dir: PathBuf,
    /// Calls of all plugins that run at once; more wait their turn.
    pub calls_at_once_max: u32,
    /// Instances kept ready over all plugins that reuse theirs.
    pub idle_instances_max: u32,
    /// Bytes of a plugin file.
    pub plugin_bytes_max: u64,
    /// Grants that this host cannot honour, each with the reason and the cure: a plugin whose manifest has one is
    /// rejected with it.
    pub withheld: Vec<(Grant, &'static str)>,
    /// Who compiles plugins. Here, unless there is a program for it.
    pub compiler: Compiler,
    /// Called when a new version of a plugin that serves is good and has not taken its place yet. Nobody needs it but
    /// who makes a host die at that place.
    pub before_replacing: Option<Hook>,
}

/// What is called at a named place.
#[derive(Clone)]
pub struct Hook(Arc<dyn Fn() + Send + Sync>);

impl Hook {
    pub fn new(call: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(call))
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

impl PluginsOptions {
    pub fn new(dir: impl Into<PathBuf>, cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            cache_dir: cache_dir.into(),
            calls_at_once_max: limits::CALLS_AT_ONCE_DEFAULT,
            idle_instances_max: limits::IDLE_INSTANCES_DEFAULT,
            plugin_bytes_max: limits::PLUGIN_BYTES_MAX_DEFAULT,
            withheld: Vec::new(),
            compiler: Compiler::Here,
            before_replacing: None,
        }
    }
}

/// Handle to the plugins. Cheap to clone; calls go on whether or not the folder is watched.
#[derive(Clone)]
pub struct Plugins {
    shared: Arc<Shared>,
}

/// What the handle, the service and the loads share.
struct Shared {
    dir: PathBuf,
    plugin_bytes_max: u64,
    withheld: Vec<(Grant, &'static str)>,
    before_replacing: Option<Hook>,
    sandboxes: Sandboxes,
    long_calls: LongCalls,
    artefacts: Artefacts,
    /// What a call looks up. Swapped whole.
    serving: ArcSwap<HashMap<StepAddress, Arc<Version>>>,
    snapshot: Sender<Arc<Snapshot>>,
    pinned: Pinned,
    /// Held by whoever looks at the folder, never by a call.
    files: tokio::sync::Mutex<Files>,
    /// Something happened that the service should look at: a notice of the file system, the end of a load or of the
    /// last call of a version that drains.
    wake: Arc<Notify>,
    done: Arc<Done>,
}

impl Plugins {
    /// Open the folder and load everything in it. When this returns, every good file is served and every bad one shows
    /// its reason.
    pub async fn open(options: PluginsOptions) -> Result<Self, Error> {
        let sandboxes = Sandboxes::try_new(options.calls_at_once_max, options.idle_instances_max)?;
        let artefacts = Artefacts::open(&options.cache_dir, &sandboxes.engine, options.compiler)?;
        let made = std::fs::create_dir_all(&options.dir);
        made.map_err(|cause| folder_error("cannot make the plugins folder", &options.dir, cause))?;
        let shared = Arc::new(Shared {
            dir: options.dir,
            plugin_bytes_max: options.plugin_bytes_max,
            withheld: options.withheld,
            before_replacing: options.before_replacing,
            sandboxes,
            long_calls: LongCalls::default(),
            artefacts,
            serving: ArcSwap::default(),
            snapshot: Sender::new(Arc::default()),
            pinned: Pinned::default(),
            files: tokio::sync::Mutex::default(),
            wake: Arc::default(),
            done: Arc::default(),
        });
        let mut files = shared.files.lock().await;
        let found = files::list(&shared).await;
        let found = found.map_err(|cause| folder_error("cannot read the plugins folder", &shared.dir, cause))?;
        files.step(&shared, Ok(found), Look::First);
        while files.finish_one(&shared).await {}
        shared.publish(&files);
        drop(files);
        Ok(Self { shared })
    }

    /// Look at the folder now, and return when everything that was found is served or rejected.
    pub async fn rescan(&self) {
        loop {
            let pause = {
                let mut files = self.shared.files.lock().await;
                let mut changed = files.step(&self.shared, files::list(&self.shared).await, Look::Again);
                while files.finish_one(&self.shared).await {
                    changed = true;
                }
                if changed {
                    self.shared.publish(&files);
                }
                if files.is_quiet() {
                    return;
                }
                files.pause()
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Follow the folder until the token is cancelled. Calls go on meanwhile and afterwards.
    pub async fn watch(&self, stop: tokio_util::sync::CancellationToken) -> Result<(), Error> {
        watch::run(&self.shared, stop).await
    }

    /// The plugins as they stand, and every later change.
    pub fn subscribe(&self) -> Receiver<Arc<Snapshot>> {
        self.shared.snapshot.subscribe()
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.borrow().clone()
    }

    /// How instances get their memory on this machine.
    pub fn allocation(&self) -> Allocation {
        self.shared.sandboxes.engine.allocation
    }
}

impl Shared {
    fn publish(&self, files: &Files) {
        let serving = files.serving().map(|version| (version.manifest().address.clone(), version.clone()));
        self.serving.store(Arc::new(serving.collect()));
        let plugins = files.infos();
        self.snapshot.send_modify(|snapshot| {
            *snapshot = Arc::new(Snapshot { revision: snapshot.revision + 1, plugins });
        });
    }

    fn before_replacing(&self) {
        if let Some(Hook(call)) = &self.before_replacing {
            call();
        }
    }

    fn serving(&self, address: &StepAddress) -> Option<Arc<Version>> {
        self.serving.load().get(address).cloned()
    }

    /// The version that must run: the serving one, or the one that is pinned.
    async fn version(self: &Arc<Self>, call: &Call) -> Result<Arc<Version>, Fault> {
        let address = &call.address;
        let Some(serving) = self.serving(address) else {
            let reason = format!("no plugin serves {address}; put {address}.wasm into the plugins folder");
            return Err(Fault { kind: FaultKind::Unavailable, reason });
        };
        match call.digest {
            Some(digest) if digest != serving.digest => self.pinned.version(self, digest, serving.manifest()).await,
            Some(_) | None => Ok(serving),
        }
    }
}

impl StepRunner for Plugins {
    fn call(&self, call: Call, key_values: Arc<dyn KeyValues>) -> Running<'_> {
        let shared = self.shared.clone();
        let work = async move {
            match shared.version(&call).await {
                Ok(version) => call::run(&shared.sandboxes, &version, &call, key_values).await,
                Err(fault) => refused(fault),
            }
        };
        Running::new(work).moving_to(&self.shared.long_calls)
    }

    fn manifest(&self, address: &StepAddress) -> Option<Arc<Manifest>> {
        self.shared.serving.load().get(address).map(|version| version.manifest().clone())
    }
}

/// No call was made.
pub(crate) fn refused(fault: Fault) -> Report {
    Report { answer: Answer::Fault(fault), digest: None, effects: Effects::default(), usage: Usage::default() }
}

fn folder_error(doing: &'static str, path: &std::path::Path, cause: std::io::Error) -> Error {
    Error::Folder { doing, path: path.to_owned(), cause }
}
