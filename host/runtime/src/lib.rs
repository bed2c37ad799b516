//! Plugins: loading, checking, compiling, pooling, calling and replacing saga steps as sandboxed components.
//! The only room that names wasmtime. It must not know brokers, stores or sagas beyond one call.
#![deny(unsafe_code)]

mod artefacts;
mod call;
mod capabilities;
mod check;
mod engine;
mod error;
mod fault;
pub mod freeze;
mod instances;
pub mod limits;
mod long_calls;
mod registry;
mod sandbox;
mod standing;
mod trial;
mod version;

pub use artefacts::{Apart, Compiler, compile_apart};
pub use check::{Inspection, STEP_VERSION, inspect};
pub use engine::Allocation;
pub use error::{Error, Rejection};
pub use host_core::call::Call;
pub use long_calls::Running;
pub use registry::{
    CallGauge, FileSignature, Hook, PluginInfo, PluginState, Plugins, PluginsOptions, READABLE, Snapshot, read_bounded,
};
pub use trial::{MemoryKeyValues, Trial, manifest_beside};

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, Digest, StepAddress, TopicName, WaitKey};
use host_core::json::Json;
use host_core::manifest::Manifest;
use host_core::outcome::Answer;

/// Runs calls. Implemented by the plugin registry, by the room of remote steps, and by scripted steps in tests.
pub trait StepRunner: Send + Sync + 'static {
    /// Make one call. Never fails: what goes wrong is a fault inside the report.
    fn call(&self, call: Call, key_values: Arc<dyn KeyValues>) -> Running<'_>;

    /// The manifest that governs this address now; none if the step is not served here.
    fn manifest(&self, address: &StepAddress) -> Option<Arc<Manifest>>;

    /// Wait until somebody elsewhere takes one more call of this step. None: it runs here, and the host's own bounds
    /// are all there is to wait for. Cancel-safe.
    fn place(&self, _address: &StepAddress) -> Option<Placing<'_>> {
        None
    }
}

/// A place that somebody elsewhere gives for one call. Dropping it gives it back.
pub trait Place: Send + Sync {
    /// Make the call there.
    fn call(self: Box<Self>, call: Call) -> Running<'static>;
}

/// Waits for a place.
pub type Placing<'a> = Pin<Box<dyn Future<Output = Box<dyn Place>> + Send + 'a>>;

/// What a call left behind.
#[derive(Debug)]
pub struct Report {
    pub answer: Answer,
    /// The version that ran; none if none could.
    pub digest: Option<Digest>,
    /// Kept only if the answer is `done`; otherwise already empty.
    pub effects: Effects,
    pub usage: Usage,
}

/// What the call asked for besides its answer.
#[derive(Debug, Default)]
pub struct Effects {
    pub emits: Vec<(TopicName, Json)>,
    pub signals: Vec<WaitKey>,
    /// Keys that were read from the store (not those answered from the call's own writes). Present whatever the answer.
    pub reads: Vec<(BucketName, Arc<str>)>,
    pub listed: Vec<BucketName>,
    /// In order; none deletes.
    pub writes: Vec<(BucketName, Arc<str>, Option<Bytes>)>,
}

/// What the call cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub took: Duration,
    pub memory_bytes: usize,
    pub log_line_count: u32,
}

/// The key-values a call may read; writes are collected by the runtime. Implemented by whoever owns the store.
#[async_trait]
pub trait KeyValues: Send + Sync + 'static {
    async fn get(&self, bucket: &BucketName, key: &str) -> Result<Option<Bytes>, String>;
    async fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, String>;
}

/// One line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub level: LogLevel,
    /// What the plugin says it belongs to: a module, `stdout`, `stderr`.
    pub context: String,
    pub message: String,
}

/// How much a line matters, as the plugin sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}
