//! The shared state over a real PostgreSQL, started by scripts/postgres in a temporary folder: the conformance suites,
//! crashes at every step of a commit, and what is said when something is wrong. A machine without PostgreSQL fails
//! these tests; none is skipped.

#[path = "postgres/crash.rs"]
mod crash;
#[path = "postgres/opening.rs"]
mod opening;
#[path = "postgres/proxy.rs"]
mod proxy;
#[path = "postgres/server.rs"]
mod server;
#[path = "postgres/trouble.rs"]
mod trouble;

use std::sync::Arc;

use async_trait::async_trait;
use host_store::backends::postgres::{Options, PostgresState};
use host_store::conformance::shared::SharedMedium;
use host_store::shared::SharedState;
use server::Server;

/// A schema of its own on the server that all tests share.
struct Schema(Options);

impl Schema {
    fn fresh() -> Arc<dyn SharedMedium> {
        Arc::new(Self(Server::shared().options()))
    }
}

#[async_trait]
impl SharedMedium for Schema {
    async fn open(&self) -> Arc<dyn SharedState> {
        open(&self.0).await
    }
}

async fn open(options: &Options) -> Arc<PostgresState> {
    Arc::new(PostgresState::open(options).await.expect("the schema can be opened"))
}

host_store::shared_conformance!(Schema::fresh);
