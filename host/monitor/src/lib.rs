//! The monitor: HTTP API, live events, metrics and the projection of the journal. It looks; what it causes goes through
//! the trait `Door`. It must not know wasmtime, the engine or a driver.
#![forbid(unsafe_code)]

pub mod door;
mod error;
mod follow;
mod http;
mod limits;
mod live;
mod metrics;
mod projector;
#[cfg(test)]
mod samples;
mod service;
pub mod view;
mod waiters;
mod watch;

pub use error::Error;
pub use http::problem::Code;
pub use limits::Limits;
pub use live::{Filter, Live, Subscription};
pub use service::{Handle, Inputs, Monitor, Options};
pub use waiters::Outcome;
pub use watch::{Since, Watch, Watcher};
