//! A call on its way from a hand to a worker.

use host_core::call::Call;
use tokio::sync::oneshot;

use crate::leases::End;

/// A call on its way to a worker. Dropped before it has a lease, it goes to another one.
#[derive(Debug)]
pub(crate) struct Offer {
    pub(crate) call: Call,
    pub(crate) end: oneshot::Sender<End>,
}
