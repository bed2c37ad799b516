//! The manifest of a step, `<address>.toml`: what it may do, how it is retried, what bounds it. Every key is optional,
//! but for a step that runs elsewhere, which a manifest alone declares.

mod parse;

use std::time::Duration;

use crate::id::{StepAddress, TopicName};
use crate::retry::RetryPolicy;
use crate::unit::OnTimeout;

pub use parse::parse;

/// A manifest with every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    pub address: StepAddress,
    pub grants: Vec<Grant>,
    /// `[config]`: texts the step may read, in the order of the file.
    pub config: Vec<(String, String)>,
    /// `[keyvalue] shared`: names of buckets that the steps of this domain share.
    pub shared_buckets: Vec<String>,
    /// `[events] topics`: where `emit` may publish to.
    pub event_topics: Vec<TopicName>,
    pub retry: Retry,
    pub wait: Wait,
    pub limits: CallLimits,
    /// Calls of this step that may run at once on one host.
    pub concurrency: u32,
    /// JSON pointer into the body; messages of equal value are handled in order. None: the global-id.
    pub ordering_key: Option<String>,
    pub calls_per_instance: CallsPerInstance,
    /// `[remote]`: workers elsewhere run this step. None: a component does, in here.
    pub remote: Option<Remote>,
}

/// `[remote] token-sha256, lease`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote {
    /// Of the token that workers show. The token itself is nowhere in the installation.
    pub token_sha256: [u8; 32],
    /// How long a worker may be silent with a call in its hands.
    pub lease: Duration,
}

/// What a plugin may import. Logging, clocks and random need no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grant {
    Config,
    KeyValue,
    Events,
}

impl Grant {
    pub const ALL: [Grant; 3] = [Grant::Config, Grant::KeyValue, Grant::Events];

    pub fn as_str(self) -> &'static str {
        match self {
            Grant::Config => "config",
            Grant::KeyValue => "keyvalue",
            Grant::Events => "events",
        }
    }
}

/// `[retry]`, `[retry.compensate]`, `[retry.fault]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    pub handle: RetryPolicy,
    pub compensate: RetryPolicy,
    pub fault: RetryPolicy,
}

/// `[wait] timeout, on-timeout, signal-memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    pub timeout: Duration,
    pub on_timeout: OnTimeout,
}

/// `[limits] memory, time, output`: of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    pub memory_bytes_max: usize,
    pub time_max: Duration,
    pub output_bytes_max: usize,
}

/// How often one instance is called before it is thrown away. One gives every call a fresh sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallsPerInstance {
    /// Nothing is said: once if an instance is started quickly, else a number of times. Whoever starts it knows.
    Measured,
    Count(u32),
    Unlimited,
}

impl Manifest {
    /// What a plugin without a manifest gets.
    pub fn of(address: StepAddress) -> Self {
        Self {
            address,
            grants: Vec::new(),
            config: Vec::new(),
            shared_buckets: Vec::new(),
            event_topics: Vec::new(),
            retry: Retry {
                handle: RetryPolicy::HANDLE,
                compensate: RetryPolicy::COMPENSATE,
                fault: RetryPolicy::FAULT,
            },
            wait: Wait { timeout: crate::limits::WAIT_TIMEOUT_DEFAULT, on_timeout: OnTimeout::Reject },
            limits: CallLimits {
                memory_bytes_max: 64 << 20,
                time_max: Duration::from_secs(10),
                output_bytes_max: 2 << 20,
            },
            concurrency: 64,
            ordering_key: None,
            calls_per_instance: CallsPerInstance::Measured,
            remote: None,
        }
    }

    pub fn grants(&self, grant: Grant) -> bool {
        self.grants.contains(&grant)
    }
}
