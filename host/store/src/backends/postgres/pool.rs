//! Connections that are kept, at most so many, each with its statements prepared. Only a connection that is handed back
//! is used again; one that is dropped, for whatever reason, is closed.

use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use tokio_postgres::Client;

use super::address::{Served, Target};
use super::statements::Statements;
use super::trouble;
use crate::shared::Error;

pub(super) struct Pool {
    target: Target,
    connections_max: usize,
    /// One for each connection in use.
    permits: Semaphore,
    /// Guards the connections that nobody uses, the one that was used last at the end. Held for a push or a pop.
    idle: Mutex<Vec<Session>>,
}

/// A connection and what was prepared on it.
pub(super) struct Session {
    pub client: Client,
    pub statements: Statements,
    _served: Served,
}

/// The right to use a connection. It is closed with this, unless it is put back.
pub(super) struct Lease<'a> {
    pool: &'a Pool,
    session: Session,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(target: Target, connections_max: usize) -> Self {
        let connections_max = connections_max.max(1);
        Self { target, connections_max, permits: Semaphore::new(connections_max), idle: Mutex::default() }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// A connection, new if none is idle; waits for one as long as a statement may take.
    pub(super) async fn lease(&self, doing: &'static str) -> Result<Lease<'_>, Error> {
        let begun = Instant::now();
        let waited = timeout(self.target.statement_max, self.permits.acquire()).await;
        let exhausted = || Error::Exhausted {
            server: self.target.server.clone(),
            doing,
            connections_max: self.connections_max,
            waited_ms: begun.elapsed().as_millis(),
        };
        let permit = waited.map_err(|_| exhausted())?.expect("nobody closes the semaphore");
        let session = match self.take_idle() {
            Some(session) => session,
            None => self.connect(doing).await?,
        };
        Ok(Lease { pool: self, session, _permit: permit })
    }

    fn take_idle(&self) -> Option<Session> {
        let mut idle = self.idle.lock();
        // Those that the server closed meanwhile go.
        std::iter::from_fn(|| idle.pop()).find(|session| !session.client.is_closed())
    }

    async fn connect(&self, doing: &'static str) -> Result<Session, Error> {
        let connecting = async {
            let (client, served) = self.target.connect().await?;
            let statements = Statements::prepare(&client).await?;
            Ok(Session { client, statements, _served: served })
        };
        match timeout(self.target.answer_max(), connecting).await {
            Ok(session) => session.map_err(|error| trouble::failed(&self.target.server, doing, &error)),
            Err(_) => Err(trouble::silent(&self.target.server, doing, self.target.answer_max())),
        }
    }
}

impl Lease<'_> {
    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// No transaction is open on it, and nothing failed.
    pub(super) fn put_back(self) {
        let Self { pool, session, _permit } = self;
        pool.idle.lock().push(session);
    }
}
