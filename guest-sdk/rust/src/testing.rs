//! Runs a step natively with a host made of memory: no wasm, no server, no files but the step's own manifest.
//! Does to results what the host does: they count if the answer is done, and are dropped otherwise.

mod manifest;
mod run;
pub(crate) mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
pub use serde_json::json;

use crate::answer::{Outcome, StepResult};
use crate::context::{Context, Direction, Failure};
pub use run::{Event, Line, Run};
use world::World;

type Handle = Box<dyn Fn(&Context, String) -> Outcome>;
type Compensate = Box<dyn Fn(&Context, String, Option<String>) -> Outcome>;

/// A host for one step, in memory. Key-value contents stay from call to call, as they would.
///
/// ```
/// use saga_step::prelude::*;
/// use saga_step::testing::{TestHost, json};
///
/// # #[derive(Serialize, Deserialize)] struct Order { amount: u64 }
/// fn handle(_ctx: &Context, order: Order) -> StepResult {
///     let sums = keyvalue::own()?;
///     let sum = sums.get_json::<u64>("sum")?.unwrap_or(0) + order.amount;
///     if sum > config::parse("limit")?.unwrap_or(u64::MAX) {
///         reject!("limit-reached", "the sum would be {sum}");
///     }
///     sums.set_json("sum", &sum)?;
///     Ok(done(order).with_compensation(sum))
/// }
///
/// # fn compensate(_ctx: &Context, order: Order, _log: Option<u64>) -> StepResult { Ok(done(order)) }
/// let mut host = TestHost::new(handle, compensate).config("limit", "100");
/// let run = host.handle(json!({"amount": 70, "unknown": 1.5}));
/// assert_eq!(run.body(), r#"{"amount":70,"unknown":1.5}"#);
/// assert_eq!(run.compensation::<u64>(), Some(70));
/// assert_eq!(host.value::<u64>("sum"), Some(70));
/// assert_eq!(host.handle(json!({"amount": 31})).rejected().code, "limit-reached");
/// assert_eq!(host.value::<u64>("sum"), Some(70));
/// ```
pub struct TestHost {
    handle: Handle,
    compensate: Compensate,
    context: Context,
    world: World,
}

impl TestHost {
    /// A host for the step that `export!(handle, compensate)` makes, with every grant and an empty configuration.
    pub fn new<B, C, L, H, U>(handle: H, compensate: U) -> Self
    where
        B: DeserializeOwned + Serialize,
        C: DeserializeOwned + Serialize,
        L: DeserializeOwned,
        H: Fn(&Context, B) -> StepResult + 'static,
        U: Fn(&Context, C, Option<L>) -> StepResult + 'static,
    {
        Self {
            handle: Box::new(move |context, body| crate::run::handle(&handle, context, body)),
            compensate: Box::new(move |context, body, log| crate::run::compensate(&compensate, context, body, log)),
            context: Context {
                global_id: "test-saga".into(),
                use_case: Some("test".into()),
                use_case_version: Some(1),
                address: "test.step.here".into(),
                position: 0,
                direction: Direction::Handle,
                attempt: 1,
                idempotency_key: String::new(),
                deadline: None,
                signalled: None,
                failure: None,
                headers: Vec::new(),
            },
            world: World::default(),
        }
    }

    /// The same for `export!(handle)`.
    pub fn without_compensate<B, H>(handle: H) -> Self
    where
        B: DeserializeOwned + Serialize,
        H: Fn(&Context, B) -> StepResult + 'static,
    {
        Self::new(handle, crate::nothing_to_undo)
    }

    /// Take address, grants, `[config]`, shared buckets and topics from the step's manifest: the one
    /// `<domain>.<subdomain>.<service>.toml` in `folder`, which usually is `env!("CARGO_MANIFEST_DIR")`.
    /// From then on a capability that is not granted is refused, as the host would.
    ///
    /// # Panics
    /// If there is not exactly one, or it cannot be read.
    #[track_caller]
    pub fn manifest_in(mut self, folder: impl AsRef<Path>) -> Self {
        let (address, manifest) = manifest::read_in(folder.as_ref());
        self.context.address = address;
        self.world.obey(manifest);
        self
    }

    /// A text under `[config]`, before that of the manifest.
    pub fn config(mut self, key: &str, text: &str) -> Self {
        self.world.config.retain(|(known, _)| known != key);
        self.world.config.push((key.to_owned(), text.to_owned()));
        self
    }

    /// A shared bucket that the step may open.
    pub fn shared(mut self, name: &str) -> Self {
        self.world.committed.entry(name.to_owned()).or_default();
        self
    }

    /// A value in the step's own bucket (name `""`) or a shared one, as JSON.
    ///
    /// # Panics
    /// If `value` cannot be written as JSON.
    #[track_caller]
    pub fn with(mut self, bucket: &str, key: &str, value: impl Serialize) -> Self {
        self.put(bucket, key, value);
        self
    }

    /// As [`with`](Self::with), in between two calls: what another step did.
    ///
    /// # Panics
    /// If `value` cannot be written as JSON.
    #[track_caller]
    pub fn put(&mut self, bucket: &str, key: &str, value: impl Serialize) {
        let bytes = serde_json::to_vec(&value).expect("a test's value can be written as JSON");
        self.world.committed.entry(bucket.to_owned()).or_default().insert(key.to_owned(), bytes);
    }

    /// What [`time::now`](crate::time::now) answers.
    pub fn at(mut self, now: SystemTime) -> Self {
        self.world.now = Some(now);
        self
    }

    /// Where the sequence of [`random`](crate::random) begins; 0 if never said.
    pub fn seed(mut self, seed: u64) -> Self {
        self.world.seed = seed;
        self
    }

    /// The context of the next calls: set what the test is about. Direction and idempotency key follow by themselves.
    pub fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Call `handle` with a body: a text or a [`json!`] value.
    pub fn handle(&mut self, body: impl JsonText) -> Run {
        self.context.direction = Direction::Handle;
        let body = body.json_text();
        self.call(body.clone(), None, |host| (host.handle)(&host.context, body.clone()))
    }

    /// Call `compensate` with a body and a log.
    pub fn compensate(&mut self, body: impl JsonText, log: Option<&str>) -> Run {
        self.context.direction = Direction::Compensate;
        let body = body.json_text();
        let log = log.map(str::to_owned);
        self.call(body.clone(), log.clone(), |host| (host.compensate)(&host.context, body.clone(), log.clone()))
    }

    /// Undo a `handle`: call `compensate` with the body and the log of its answer, because a later step refused.
    ///
    /// # Panics
    /// If the answer was not done: the host never compensates such a call.
    #[track_caller]
    pub fn undo(&mut self, run: &Run, failure: Failure) -> Run {
        let (body, log) = run.done();
        self.context.failure = Some(failure);
        let undone = self.compensate(body, log);
        self.context.failure = None;
        undone
    }

    /// The JSON value in the step's own bucket.
    ///
    /// # Panics
    /// If the value cannot be read as `T`.
    #[track_caller]
    pub fn value<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.shared_value("", key)
    }

    /// The JSON value in a shared bucket.
    ///
    /// # Panics
    /// If the value cannot be read as `T`.
    #[track_caller]
    pub fn shared_value<T: DeserializeOwned>(&self, bucket: &str, key: &str) -> Option<T> {
        let bytes = self.world.committed.get(bucket)?.get(key)?;
        Some(serde_json::from_slice(bytes).unwrap_or_else(|error| panic!("the value under {key}: {error}")))
    }

    /// All that a bucket holds; the step's own has the name `""`.
    pub fn bucket(&self, name: &str) -> BTreeMap<String, Vec<u8>> {
        self.world.committed.get(name).cloned().unwrap_or_default()
    }

    fn call(&mut self, body: String, log: Option<String>, work: impl Fn(&Self) -> Outcome) -> Run {
        let Context { global_id, direction, position, .. } = &self.context;
        self.context.idempotency_key = format!("{global_id}/{}/{position}", direction.as_str());
        let world = std::mem::take(&mut self.world);
        let (outcome, world) = world::during(world.begin(), || work(self));
        let (world, results) = world.end(matches!(outcome, Outcome::Done { .. }));
        self.world = world;
        Run::new(body, log, outcome, results)
    }
}

/// A JSON text, or what can be written as one.
pub trait JsonText {
    /// The text.
    fn json_text(&self) -> String;
}

impl JsonText for &str {
    fn json_text(&self) -> String {
        (*self).to_owned()
    }
}

impl JsonText for String {
    fn json_text(&self) -> String {
        self.clone()
    }
}

impl JsonText for serde_json::Value {
    fn json_text(&self) -> String {
        self.to_string()
    }
}

impl<T: JsonText> JsonText for &T {
    fn json_text(&self) -> String {
        (*self).json_text()
    }
}

#[cfg(test)]
mod tests;
