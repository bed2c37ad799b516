//! The one door through which the monitor causes anything: starts, signals, acts, publishes. Whoever wires the host
//! implements it; the monitor itself only looks.

use std::time::Duration;

use async_trait::async_trait;
use host_core::call::{Answered, Ask, Work};
use host_core::id::{Digest, GlobalId, StepAddress, TopicName, UseCaseName, WaitKey};
use host_core::json::Json;
use host_core::record::Verb;
use host_core::time::Timestamp;
use host_core::use_case::UseCase;

/// What the outside may ask of the host.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Start a saga; durable on return. The same global-id again answers the saga that exists.
    async fn start(&self, start: Start) -> Result<Started, Refusal>;

    /// Release what waits for `key`; durable on return.
    async fn signal(&self, key: WaitKey) -> Result<(), Refusal>;

    /// Act on one saga; recorded and durable on return, applied when the saga's message meets it.
    async fn act(&self, act: Act) -> Result<(), Refusal>;

    /// Publish a message as a foreign producer would; durable on return.
    async fn publish(&self, topic: TopicName, key: Option<String>, payload: bytes::Bytes) -> Result<(), Refusal>;

    /// Calls of a remote step for a worker that shows its token: waits for the first.
    async fn take_work(&self, address: StepAddress, _token: Option<String>, _ask: Ask) -> Result<Vec<Work>, Refusal> {
        Err(Refusal::UnknownStep(address))
    }

    /// A worker is still at a call. Answers for how long it may be silent now.
    async fn renew_work(
        &self,
        address: StepAddress,
        _token: Option<String>,
        _lease: String,
    ) -> Result<Duration, Refusal> {
        Err(Refusal::UnknownStep(address))
    }

    /// What came of a call.
    async fn answer_work(
        &self,
        address: StepAddress,
        _token: Option<String>,
        _lease: String,
        _answer: Answered,
    ) -> Result<(), Refusal> {
        Err(Refusal::UnknownStep(address))
    }

    /// What is loaded, newest state.
    fn plugins(&self) -> Vec<PluginState>;

    /// The definitions in force, with what is wrong with others.
    fn use_cases(&self) -> UseCases;

    /// Whether the host takes work.
    fn readiness(&self) -> Readiness;

    /// What the other rooms count, for `/metrics`. Label values must be bounded: never an id.
    fn metrics(&self) -> Vec<Sample> {
        Vec::new()
    }
}

/// One number of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// As Prometheus writes it: `saga_` and words in snake case, the unit last.
    pub name: &'static str,
    pub help: &'static str,
    pub kind: SampleKind,
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

/// What a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    /// Only grows while the host lives.
    Counter,
    /// As it is now.
    Gauge,
}

/// A wish to start a saga.
#[derive(Debug, Clone)]
pub struct Start {
    pub use_case: UseCaseName,
    pub body: Json,
    /// None lets the host mint one.
    pub global_id: Option<GlobalId>,
    /// The caller minted `global_id` for this start, so no saga can have it yet: there is nothing to look up.
    pub minted: bool,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
}

/// A started saga.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub global_id: GlobalId,
    /// It existed already: nothing was started.
    pub existed: bool,
}

/// A person's act.
#[derive(Debug, Clone)]
pub struct Act {
    pub global_id: GlobalId,
    pub verb: Verb,
    pub who: String,
    pub reason: Option<String>,
    /// Answer what would happen and do nothing.
    pub dry_run: bool,
}

/// A worker of a remote step that was heard of lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerState {
    pub name: String,
    pub last_seen: Timestamp,
    /// Calls that it holds.
    pub in_flight_count: usize,
}

/// A plugin as operators see it.
#[derive(Debug, Clone)]
pub struct PluginState {
    /// Of a file whose name is no address: that name.
    pub address: String,
    /// None for a file that is no plugin.
    pub digest: Option<Digest>,
    pub state: ServingState,
    pub since: Timestamp,
    pub grants: Vec<String>,
    /// Why it is rejected, or what is odd about it.
    pub reason: Option<String>,
    /// Calls that run now.
    pub in_flight_count: u64,
    pub wasm_bytes: u64,
    pub compile_time: Option<Duration>,
    /// Of a step that runs elsewhere. None: it runs here.
    pub workers: Option<Vec<WorkerState>>,
}

/// Whether a plugin serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServingState {
    Serving,
    Rejected,
    Draining,
}

/// Definitions in force and refused files.
#[derive(Debug, Clone, Default)]
pub struct UseCases {
    pub definitions: Vec<std::sync::Arc<UseCase>>,
    /// Messages of the files that were refused.
    pub problems: Vec<String>,
}

/// Whether the host takes work, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    Starting,
    Stopping,
    /// In words for everybody: cause and cure, and no path.
    Failed(String),
}

/// Why the host will not. Each has a stable code on every surface.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    #[error("there is no use case {0}; `saga use-cases` lists them")]
    UnknownUseCase(UseCaseName),
    #[error("there is no saga {0}")]
    UnknownSaga(GlobalId),
    #[error("the body does not meet the schema of use case {use_case}: {problem}")]
    BodyRefused { use_case: UseCaseName, problem: String },
    #[error("the {what} is larger than {bytes_max} bytes")]
    TooLarge { what: &'static str, bytes_max: usize },
    #[error("saga {global_id} is {status}; {verb} is possible only for {possible}")]
    WrongStatus { global_id: GlobalId, status: &'static str, verb: &'static str, possible: &'static str },
    #[error(
        "{0} is no remote step of this host; a manifest {0}.toml with a table [remote], and no {0}.wasm, makes it one"
    )]
    UnknownStep(StepAddress),
    #[error("{0}")]
    Token(String),
    #[error("{0}")]
    LeaseOver(String),
    #[error("the answer breaks the contract: {0}")]
    AnswerRefused(String),
    #[error("too much work is waiting ({backlog} messages); try again later")]
    Busy { backlog: u64 },
    /// The host is ending, or its disk failed. The reason is in words for everybody: it names no path.
    #[error("the host takes no work: {0}")]
    Stopped(String),
    /// For a reason that may tell of the host's inside.
    #[error("the host takes no work: {0}")]
    NotReady(String),
}
