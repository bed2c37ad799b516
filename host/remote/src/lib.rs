//! Remote steps: calls of a step that workers elsewhere run. They ask for work, get the very call that a component
//! gets, and answer it; what follows from the answer is the engine's, as for any step. It must not know HTTP or sagas.
//!
//! A call is handed out only to a worker that has asked for it, and under a lease: whoever is silent for longer has
//! lost it. So nothing waits in here for a worker that may never come; it waits in the broker.
#![forbid(unsafe_code)]

mod answer;
mod call;
mod desk;
mod error;
mod folder;
mod leases;
pub mod limits;
mod work;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host_core::call::{Answered, Ask, Call, Work};
use host_core::id::StepAddress;
use host_core::manifest::Manifest;
use host_core::time::Timestamp;
use host_runtime::{Placing, Running};
use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use error::Refused;

use desk::{Desk, Seat};
use folder::Folder;
use leases::Leases;

/// Handle to the remote steps. Cheap to clone.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

struct Shared {
    dir: PathBuf,
    /// Where hands and workers meet, by step.
    desks: RwLock<BTreeMap<StepAddress, Arc<Desk>>>,
    leases: Arc<Leases>,
    steps: watch::Sender<Arc<Vec<RemoteInfo>>>,
    /// Nobody is given work any more.
    closed: CancellationToken,
}

/// A remote step as operators see it, or a file that is refused as one.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteInfo {
    /// Name of the file in the plugins folder.
    pub file: String,
    pub address: StepAddress,
    pub since: Timestamp,
    /// What it is served by, or why it is not.
    pub manifest: Result<Arc<Manifest>, String>,
}

/// A worker that was heard of lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerInfo {
    /// As it calls itself.
    pub name: String,
    pub last_seen: Timestamp,
    /// Calls that it holds a lease for.
    pub in_flight_count: usize,
}

impl Remote {
    /// The remote steps that the folder declares. Blocks.
    pub fn open(dir: impl Into<PathBuf>) -> io::Result<(Self, Service)> {
        let dir = dir.into();
        let mut folder = Folder::default();
        folder.look(&dir)?;
        let shared = Arc::new(Shared {
            dir,
            desks: RwLock::default(),
            leases: Arc::default(),
            steps: watch::Sender::new(Arc::default()),
            closed: CancellationToken::new(),
        });
        shared.follow(&folder);
        Ok((Self { shared: shared.clone() }, Service { shared, folder }))
    }

    /// The remote steps, and every later change.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Vec<RemoteInfo>>> {
        self.shared.steps.subscribe()
    }

    /// The workers of a step, by name.
    pub fn workers(&self, address: &StepAddress) -> Vec<WorkerInfo> {
        self.desk(address).map(|desk| desk.workers(&self.shared.leases)).unwrap_or_default()
    }

    /// Work for a worker: as much as is there at once, at most what it asks for; none if nothing comes in its time.
    pub async fn take(&self, address: &StepAddress, token: Option<&str>, ask: &Ask) -> Result<Vec<Work>, Refused> {
        let desk = self.admitted(address, token)?;
        desk.seen(&ask.worker);
        let mut seat = Seat::take(&desk, ask.count_max.clamp(1, limits::TAKE_COUNT_MAX));
        let wait = ask.wait.min(limits::TAKE_WAIT_MAX);
        let handed = tokio::select! {
            handed = seat.handed(wait) => handed,
            () = self.shared.closed.cancelled() => return Err(Refused::Closed),
        };
        Ok(handed.into_iter().map(|offer| self.shared.leases.begin(&desk, &ask.worker, offer)).collect())
    }

    /// The worker is still at it. Answers for how long it may be silent from now on.
    pub fn renew(&self, address: &StepAddress, token: Option<&str>, lease: &str) -> Result<Duration, Refused> {
        let desk = self.admitted(address, token)?;
        self.shared.leases.renew(&desk, lease)
    }

    /// The answer of a call. A late one, and a second one, is refused.
    pub fn answer(
        &self,
        address: &StepAddress,
        token: Option<&str>,
        lease: &str,
        answer: Answered,
    ) -> Result<(), Refused> {
        let desk = self.admitted(address, token)?;
        let report = answer::checked(answer, &desk.manifest()).map_err(Refused::InvalidAnswer)?;
        self.shared.leases.end(&desk, lease, report)
    }

    /// Give no more work; who waits for some is told. Calls that are out may still be answered.
    pub fn close(&self) {
        self.shared.closed.cancel();
    }

    /// The manifest of a remote step; none if this address is none.
    pub fn manifest(&self, address: &StepAddress) -> Option<Arc<Manifest>> {
        self.desk(address).map(|desk| desk.manifest())
    }

    /// Wait for a worker that asks for work of this step; none if it is no remote step.
    pub fn place(&self, address: &StepAddress) -> Option<Placing<'static>> {
        let (desk, remote) = (self.desk(address)?, self.clone());
        Some(Box::pin(async move { remote.placed(desk.place().await) }))
    }

    /// A call without a place: it waits for one.
    pub fn call(&self, call: Call) -> Running<'static> {
        let remote = self.clone();
        Running::new(async move { remote.made(None, call).await })
    }

    fn desk(&self, address: &StepAddress) -> Option<Arc<Desk>> {
        self.shared.desks.read().get(address).cloned()
    }

    fn admitted(&self, address: &StepAddress, token: Option<&str>) -> Result<Arc<Desk>, Refused> {
        let desk = self.desk(address).ok_or_else(|| Refused::UnknownStep(address.clone()))?;
        let token = token.ok_or(Refused::NoToken)?;
        // Hashes are compared: how long it takes tells nothing of the token.
        let presented: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let is_right = desk.manifest().remote.is_some_and(|remote| remote.token_sha256 == presented);
        if is_right { Ok(desk) } else { Err(Refused::WrongToken) }
    }
}

impl Shared {
    /// Take over what the folder holds now.
    fn follow(&self, folder: &Folder) {
        let infos = folder.infos();
        {
            let mut desks = self.desks.write();
            let good =
                |address: &StepAddress| infos.iter().any(|info| info.address == *address && info.manifest.is_ok());
            desks.retain(|address, desk| {
                let stays = good(address);
                if !stays {
                    desk.close();
                }
                stays
            });
            for info in &infos {
                let Ok(manifest) = &info.manifest else { continue };
                let entry = desks.entry(info.address.clone());
                entry.or_insert_with(|| Arc::new(Desk::new(manifest.clone()))).govern(manifest.clone());
            }
        }
        self.steps.send_if_modified(|steps| {
            let is_new = **steps != infos;
            if is_new {
                *steps = Arc::new(infos);
            }
            is_new
        });
    }
}

/// Follows the folder, and ends leases that ran out.
pub struct Service {
    shared: Arc<Shared>,
    folder: Folder,
}

impl Service {
    /// Until the token is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let Self { shared, mut folder } = self;
        let mut looked_at = Instant::now();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(limits::SWEEP_PAUSE) => {}
            }
            shared.leases.sweep(Instant::now());
            if looked_at.elapsed() < limits::LOOK_PAUSE {
                continue;
            }
            let dir = shared.dir.clone();
            let look = tokio::task::spawn_blocking(move || {
                let result = folder.look(&dir);
                (folder, result)
            });
            // Lost only with the runtime itself.
            let Ok((back, result)) = look.await else { return };
            folder = back;
            // A folder that cannot be read is no order to stop everything; the registry of plugins tells of it.
            if result.is_ok() {
                shared.follow(&folder);
            }
            looked_at = Instant::now();
        }
    }
}
