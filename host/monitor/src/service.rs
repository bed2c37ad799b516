//! The monitor as a service: what it is given, what it runs, and the handle that others hold.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use host_broker::Broker;
use host_core::id::GlobalId;
use host_store::{Committed, Store};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::door::Door;
use crate::error::Error;
use crate::follow::Follower;
use crate::http::{self, App, Rooms, Server, Shared};
use crate::limits::{ACCEPT_QUEUE_MAX, Limits};
use crate::live::{Hub, Subscription};
use crate::metrics::Metrics;
use crate::projector::{self, Projector};
use crate::waiters::{Outcome, Waiters};
use crate::watch::Watcher;

/// What the follower and the projector get to finish, when the connections have used up the drain time.
const SETTLE: Duration = Duration::from_secs(1);

/// How the monitor is set up.
#[derive(Clone)]
pub struct Options {
    /// Port 0 lets the system choose; `Handle::address` tells.
    pub listen: SocketAddr,
    /// What callers must present. Needed where other machines can reach the address.
    pub token: Option<String>,
    pub limits: Limits,
}

/// What the monitor looks at and acts through.
pub struct Inputs {
    pub door: Arc<dyn Door>,
    pub store: Arc<dyn Store>,
    pub broker: Arc<dyn Broker>,
    /// Every durable batch from now on, in order.
    pub journal: mpsc::Receiver<Arc<Committed>>,
}

/// The service.
pub struct Monitor;

/// A running monitor. Dropping it stops everything at once; `shutdown` does it in order.
pub struct Handle {
    address: SocketAddr,
    watcher: Watcher,
    hub: Arc<Hub>,
    stop_http: CancellationToken,
    stop_follower: CancellationToken,
    /// Connections and the work that outlives them.
    tasks: TaskTracker,
    server: JoinHandle<()>,
    follower: JoinHandle<()>,
    projector: JoinHandle<()>,
}

impl Monitor {
    /// Bind, then run. On an error nothing runs.
    pub async fn start(options: Options, inputs: Inputs) -> Result<Handle, Error> {
        check_token(&options)?;
        let bind = |cause| Error::Bind { listen: options.listen, cause };
        let listener = listen(options.listen).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;

        let (stop_http, stop_follower) = (CancellationToken::new(), CancellationToken::new());
        let metrics = Arc::new(Metrics::default());
        let hub = Arc::new(Hub::new());
        let waiters = Waiters::new();
        let watcher =
            Watcher { store: Arc::clone(&inputs.store), waiters: Arc::clone(&waiters), stop: stop_http.clone() };
        let tasks = TaskTracker::new();

        let (projector_sender, projector_queue) = projector::queue();
        let projector = Projector { store: Arc::clone(&inputs.store), metrics: Arc::clone(&metrics) };
        let follower =
            Follower { waiters, hub: Arc::clone(&hub), metrics: Arc::clone(&metrics), projector: projector_sender };
        let shared = Shared {
            watcher: watcher.clone(),
            hub: Arc::clone(&hub),
            metrics: Arc::clone(&metrics),
            stop: stop_http.clone(),
            tasks: tasks.clone(),
        };
        let rooms = Rooms { door: inputs.door, store: inputs.store, broker: inputs.broker };
        let app = App::new(rooms, shared, options.limits, options.token);
        let server = Server {
            listener,
            router: http::router(Arc::new(app)),
            limits: options.limits,
            metrics,
            stop: stop_http.clone(),
            connections: tasks.clone(),
        };
        Ok(Handle {
            address,
            watcher,
            hub,
            server: tokio::spawn(server.run()),
            follower: tokio::spawn(follower.run(inputs.journal, stop_follower.clone())),
            projector: tokio::spawn(projector.run(projector_queue)),
            stop_http,
            stop_follower,
            tasks,
        })
    }
}

/// A socket whose queue takes in thousands who come at once: a client that finds it full is only heard a second later.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a host can follow another one on the same address at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(ACCEPT_QUEUE_MAX)
}

fn check_token(options: &Options) -> Result<(), Error> {
    match &options.token {
        None if options.listen.ip().to_canonical().is_loopback() => Ok(()),
        None => Err(Error::TokenMissing { listen: options.listen }),
        Some(token) if token.trim().is_empty() => Err(Error::TokenEmpty),
        Some(token) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(()),
        Some(_) => Err(Error::TokenUnsendable),
    }
}

impl Handle {
    /// Where the monitor listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For those in the process who wait for sagas.
    pub fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// How the saga settled; none if it did not in time.
    pub async fn wait(
        &self,
        global_id: &GlobalId,
        within: Duration,
    ) -> Result<Option<Arc<Outcome>>, host_store::Error> {
        self.watcher.wait(global_id, within).await
    }

    /// Every record from now on.
    pub fn subscribe(&self) -> Subscription {
        self.hub.subscribe()
    }

    /// Take no more requests, let those that run end within `drain`, then tell and fold what the journal has queued.
    /// Call it while the store still answers. What was not folded is folded at the next start.
    pub async fn shutdown(mut self, drain: Duration) {
        self.stop_http.cancel();
        self.tasks.close();
        let deadline = tokio::time::Instant::now() + drain;
        if tokio::time::timeout_at(deadline, self.tasks.wait()).await.is_err() {
            tracing::warn!(connection_count = self.tasks.len(), "requests were cut off at the end of the drain time");
        }
        self.stop_follower.cancel();
        let deadline = deadline.max(tokio::time::Instant::now() + SETTLE);
        for (name, task) in
            [("server", &mut self.server), ("follower", &mut self.follower), ("projector", &mut self.projector)]
        {
            if tokio::time::timeout_at(deadline, &mut *task).await.is_err() {
                tracing::warn!(name, "a part of the monitor was stopped before it had ended");
                task.abort();
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop_http.cancel();
        self.stop_follower.cancel();
        self.server.abort();
        self.follower.abort();
        self.projector.abort();
    }
}
