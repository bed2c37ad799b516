//! Messages and signals that leave with the commit of the call: once if the answer is done, never otherwise.
//! Grant: `events`.

use std::fmt::{self, Display};

use serde::Serialize;

/// Publish `body` to `topic`, keyed by the saga's global-id. The manifest lists the topics under
/// `[events] topics`.
///
/// ```no_run
/// # use saga_step::prelude::*;
/// # fn f(ctx: &Context) -> Result<(), Stop> {
/// #[derive(Serialize)]
/// struct Shipped<'a> { saga: &'a str }
/// events::emit("shop.orders.shipped", &Shipped { saga: &ctx.global_id })?;
/// # Ok(()) }
/// ```
pub fn emit<T: Serialize + ?Sized>(topic: &str, body: &T) -> Result<(), Error> {
    match serde_json::to_string(body) {
        Ok(text) => crate::host::emit(topic, &text),
        Err(error) => Err(Error::Unwritable(error.to_string())),
    }
}

/// Release what waits for `key` (see [`wait`](crate::wait)), and remember the signal for those who come to wait later.
pub fn signal(key: &str) -> Result<(), Error> {
    crate::host::signal(key)
}

/// Why an event was refused. Nothing of it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The topic is not a valid name or not among those the manifest allows.
    TopicRefused(String),
    /// Body or key is over a limit, or the call emitted too much; the text says which.
    Limit(String),
    /// The body cannot be written as JSON.
    Unwritable(String),
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::TopicRefused(text) => write!(f, "the topic is refused: {text}"),
            Error::Limit(text) => write!(f, "the event is refused: {text}"),
            Error::Unwritable(text) => write!(f, "the event's body cannot be written as JSON: {text}"),
        }
    }
}

impl std::error::Error for Error {}
