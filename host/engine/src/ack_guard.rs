//! The right to acknowledge a delivery, on its way to the unit that does. A service that fails before gives the
//! delivery back, so that it comes again.

use host_broker::Broker;
use host_core::unit::Ack;

/// Gives the delivery back unless the right is taken.
pub(crate) struct AckGuard<'a> {
    broker: &'a dyn Broker,
    ack: Option<Ack>,
}

impl<'a> AckGuard<'a> {
    pub(crate) fn new(broker: &'a dyn Broker, ack: Ack) -> Self {
        Self { broker, ack: Some(ack) }
    }

    /// For the unit that acknowledges it.
    pub(crate) fn take(mut self) -> Ack {
        self.ack.take().expect("it is taken once, as that consumes the guard")
    }
}

impl Drop for AckGuard<'_> {
    fn drop(&mut self) {
        if let Some(ack) = self.ack.take() {
            self.broker.release(ack);
        }
    }
}
