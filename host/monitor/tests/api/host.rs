//! A monitor with everything around it that it needs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use host_core::id::Lsn;
use host_core::record::Record;
use host_monitor::{Handle, Inputs, Limits, Monitor, Options};
use host_store::Store;
use host_store::backends::memory::MemoryTables;

use crate::client::{Client, Reply};
use crate::fakes::{Committer, FakeBroker, FakeDoor};

/// Long enough for anything that is to happen; a test that waits so long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) struct Host {
    pub(crate) handle: Handle,
    pub(crate) door: Arc<FakeDoor>,
    pub(crate) broker: Arc<FakeBroker>,
    pub(crate) committer: Arc<Committer>,
}

pub(crate) fn options() -> Options {
    Options { listen: SocketAddr::from(([127, 0, 0, 1], 0)), token: None, limits: Limits::default() }
}

impl Host {
    pub(crate) async fn start() -> Self {
        Self::start_with(options()).await
    }

    pub(crate) async fn limited(change: impl FnOnce(&mut Limits)) -> Self {
        let mut options = options();
        change(&mut options.limits);
        Self::start_with(options).await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        Self::start_on(options, Arc::new(MemoryTables::new())).await
    }

    pub(crate) async fn start_on(options: Options, tables: Arc<MemoryTables>) -> Self {
        let committer = Arc::new(Committer::new(tables));
        let door = Arc::new(FakeDoor::new(committer.clone()));
        let broker = Arc::new(FakeBroker::default());
        let inputs = Inputs {
            door: door.clone(),
            store: committer.store.clone(),
            broker: broker.clone(),
            journal: committer.follow(),
        };
        let handle = Monitor::start(options, inputs).await.unwrap();
        Self { handle, door, broker, committer }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.handle.address()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.client().await.request("GET", path, &[], b"").await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Reply {
        self.client().await.request("POST", path, &[], body.as_bytes()).await
    }

    /// Commit, and wait until lists and errors show it.
    pub(crate) async fn commit(&self, records: Vec<Record>) {
        let lsn = self.committer.commit(records).await;
        self.projected(lsn).await;
    }

    pub(crate) async fn projected(&self, lsn: Lsn) {
        let reached = async {
            while self.committer.store.projected().await.unwrap() < lsn {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, reached).await.expect("the projector keeps up");
    }
}
