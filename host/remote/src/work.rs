//! What a worker asks for, and what it is handed.

use std::time::Duration;

use host_runtime::Call;
use tokio::sync::oneshot;

use crate::leases::End;

/// A worker's wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// As the worker calls itself, for people.
    pub worker: String,
    /// Calls that it takes at once.
    pub count_max: usize,
    /// How long it waits for the first.
    pub wait: Duration,
}

/// A call under a lease.
#[derive(Debug, Clone)]
pub struct Work {
    pub lease: String,
    /// How long the worker may be silent.
    pub lease_span: Duration,
    pub call: Call,
}

/// A call on its way to a worker. Dropped before it has a lease, it goes to another one.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) call: Call,
    pub(crate) end: oneshot::Sender<End>,
}
