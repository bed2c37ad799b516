//! What every service of the engine is given: the three rooms behind it, the clock, and the few shared facts.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use host_broker::Broker;
use host_core::decide::{Moment, Rules};
use host_core::envelope::{Envelope, Meta, UseCaseRef};
use host_core::id::{BucketName, StepAddress, UseCaseName};
use host_core::limits::Limits;
use host_core::manifest::Manifest;
use host_core::retry::Jitter;
use host_core::time::Timestamp;
use host_core::use_case::{Policy, UseCase};
use host_runtime::{KeyValues, StepRunner};
use host_store::Store;

use crate::clock::Clock;
use crate::commit::Commit;
use crate::failpoint::{FailPoint, FailPoints};
use crate::marks::Marks;
use crate::metrics::Metrics;
use crate::parking::Parking;
use crate::shared::Shared;
use crate::strangers::Strangers;

/// Definitions in force.
pub trait UseCases: Send + Sync + 'static {
    /// The definition that a start takes now.
    fn current(&self, name: &UseCaseName) -> Option<Arc<UseCase>>;

    /// The definition that a running saga was started with, also when a newer one has taken its place.
    fn version(&self, reference: &UseCaseRef) -> Option<Arc<UseCase>>;

    /// All definitions in force.
    fn all(&self) -> Vec<Arc<UseCase>>;
}

pub(crate) struct Context {
    pub(crate) commit: Arc<dyn Commit>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) runner: Arc<dyn StepRunner>,
    pub(crate) use_cases: Arc<dyn UseCases>,
    pub(crate) key_values: Arc<dyn KeyValues>,
    /// Where hosts share the key-values of their steps. They are the store's otherwise.
    pub(crate) shared: Option<Shared>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fail_points: Arc<FailPoints>,
    pub(crate) limits: Limits,
    pub(crate) host_name: String,
    pub(crate) marks: Marks,
    pub(crate) strangers: Strangers,
    pub(crate) parking: Parking,
    pub(crate) metrics: Arc<Metrics>,
}

impl Context {
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether other hosts work with the same topics.
    pub(crate) fn has_other_hosts(&self) -> bool {
        self.broker.capabilities().has_other_hosts
    }

    /// What the saga's definition says about failures. A definition that is gone leaves the defaults, the strictest.
    pub(crate) fn policy(&self, meta: &Meta) -> Policy {
        let definition = meta.use_case.as_ref().and_then(|reference| self.use_cases.version(reference));
        definition.map(|definition| definition.policy).unwrap_or_default()
    }

    /// The rules for this message: the step's manifest and the saga's definition.
    pub(crate) fn rules(&self, envelope: &Envelope, manifest: &Manifest) -> Rules {
        Rules { retry: manifest.retry, wait: manifest.wait, policy: self.policy(&envelope.meta) }
    }

    /// The rules for a message whose step may not be served here: its manifest's, or the defaults.
    pub(crate) fn rules_of(&self, envelope: &Envelope) -> Rules {
        self.rules(envelope, &self.manifest_or_default(envelope.meta.address()))
    }

    fn manifest_or_default(&self, address: &StepAddress) -> Arc<Manifest> {
        self.runner.manifest(address).unwrap_or_else(|| Arc::new(Manifest::of(address.clone())))
    }
}

/// The moment of a decision.
pub(crate) fn moment_at(now: Timestamp) -> Moment {
    Moment { now, jitter: Jitter::new(fastrand::f64()) }
}

/// Lets the runtime read key-values from the store. Whoever asks is a plugin in the middle of its call.
pub(crate) struct StoreKeyValues {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) fail_points: Arc<FailPoints>,
}

#[async_trait]
impl KeyValues for StoreKeyValues {
    async fn get(&self, bucket: &BucketName, key: &str) -> Result<Option<Bytes>, String> {
        self.fail_points.hit(FailPoint::DuringExecute);
        self.store.value(bucket, key).await.map_err(|error| error.to_string())
    }

    async fn keys(&self, bucket: &BucketName, after: Option<&str>, limit: usize) -> Result<Vec<Arc<str>>, String> {
        self.fail_points.hit(FailPoint::DuringExecute);
        self.store.keys(bucket, after, limit).await.map_err(|error| error.to_string())
    }
}
