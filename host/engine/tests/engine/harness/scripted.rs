//! Steps whose answers are written down by the test, and a record of every call that was made.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use host_core::id::{Digest, Direction, StepAddress};
use host_core::json::Json;
use host_core::manifest::Manifest;
use host_core::outcome::{Answer, Outcome};
use host_runtime::{Call, Effects, KeyValues, Report, Running, StepRunner, Usage};
use parking_lot::Mutex;
use tokio::sync::watch;

use host_engine::Served;

type Script = dyn Fn(&Call) -> Scripted + Send + Sync;

/// What a scripted call does.
pub(crate) struct Scripted {
    pub(crate) answer: Answer,
    pub(crate) effects: Effects,
    /// Add one to this key of the step's own bucket, through the key-values, so that races can be lost.
    pub(crate) increment: Option<&'static str>,
}

impl From<Outcome> for Scripted {
    fn from(outcome: Outcome) -> Self {
        Self { answer: Answer::Outcome(outcome), effects: Effects::default(), increment: None }
    }
}

/// One call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) global_id: String,
    pub(crate) address: String,
    pub(crate) direction: Direction,
    pub(crate) attempt: u32,
    pub(crate) digest: Option<Digest>,
    pub(crate) log: Option<String>,
}

/// The runner.
pub(crate) struct Steps {
    manifests: Mutex<BTreeMap<StepAddress, Arc<Manifest>>>,
    scripts: Mutex<HashMap<(StepAddress, Direction), Arc<Script>>>,
    pub(crate) made: Mutex<Vec<Made>>,
    pub(crate) served: watch::Sender<Arc<Served>>,
}

pub(crate) fn address(text: &str) -> StepAddress {
    StepAddress::try_new(text).unwrap()
}

pub(crate) fn done(body: &str) -> Outcome {
    Outcome::Done { body: Json::try_from_text(body).unwrap(), compensation: None }
}

pub(crate) fn done_with(body: &str, log: &str) -> Outcome {
    let compensation = Some(Json::try_from_text(log).unwrap());
    Outcome::Done { body: Json::try_from_text(body).unwrap(), compensation }
}

pub(crate) fn rejected(code: &str) -> Outcome {
    Outcome::Rejected { code: code.to_owned(), reason: format!("{code} in words"), details: None }
}

pub(crate) fn retry(reason: &str) -> Outcome {
    Outcome::Retry { reason: reason.to_owned(), after: None }
}

pub(crate) fn wait(key: &str) -> Outcome {
    let key = host_core::id::WaitKey::try_new(key).unwrap();
    Outcome::Wait { reason: format!("{key} is not there"), key, timeout: None }
}

impl Steps {
    pub(crate) fn new() -> Arc<Self> {
        let (served, _) = watch::channel(Arc::new(Served::default()));
        Arc::new(Self { manifests: Mutex::default(), scripts: Mutex::default(), made: Mutex::default(), served })
    }

    /// Serve these addresses; each answers `done` with the body it got until a script says otherwise.
    pub(crate) fn serve(&self, addresses: &[&str]) {
        for text in addresses {
            self.serve_with(Manifest::of(address(text)));
        }
    }

    pub(crate) fn serve_with(&self, manifest: Manifest) {
        self.manifests.lock().insert(manifest.address.clone(), Arc::new(manifest));
        self.publish();
    }

    pub(crate) fn withdraw(&self, text: &str) {
        self.manifests.lock().remove(&address(text));
        self.publish();
    }

    fn publish(&self) {
        let steps = self.manifests.lock().clone();
        self.served.send_replace(Arc::new(Served { steps }));
    }

    pub(crate) fn script<S: Into<Scripted>>(
        &self,
        text: &str,
        direction: Direction,
        script: impl Fn(&Call) -> S + Send + Sync + 'static,
    ) {
        let script: Arc<Script> = Arc::new(move |call| script(call).into());
        self.scripts.lock().insert((address(text), direction), script);
    }

    pub(crate) fn on_handle<S: Into<Scripted>>(&self, text: &str, script: impl Fn(&Call) -> S + Send + Sync + 'static) {
        self.script(text, Direction::Handle, script);
    }

    pub(crate) fn on_compensate<S: Into<Scripted>>(
        &self,
        text: &str,
        script: impl Fn(&Call) -> S + Send + Sync + 'static,
    ) {
        self.script(text, Direction::Compensate, script);
    }

    /// The calls of one saga as `direction address`, in order.
    pub(crate) fn path(&self, global_id: &str) -> Vec<String> {
        let made = self.made.lock();
        let of_saga = made.iter().filter(|made| made.global_id == global_id);
        of_saga.map(|made| format!("{} {}", made.direction.as_str(), made.address)).collect()
    }
}

impl StepRunner for Steps {
    fn call(&self, call: Call, key_values: Arc<dyn KeyValues>) -> Running<'_> {
        self.made.lock().push(Made {
            global_id: call.global_id.to_string(),
            address: call.address.to_string(),
            direction: call.direction,
            attempt: call.attempt,
            digest: call.digest,
            log: call.compensation_log.as_ref().map(|log| log.as_str().to_owned()),
        });
        let script = self.scripts.lock().get(&(call.address.clone(), call.direction)).cloned();
        let Scripted { answer, mut effects, increment } = match script {
            Some(script) => script(&call),
            None => Outcome::Done { body: call.body.clone(), compensation: None }.into(),
        };
        Running::new(async move {
            if let Some(key) = increment {
                let bucket = host_core::id::BucketName::try_new(call.address.as_str()).unwrap();
                let before = key_values.get(&bucket, key).await.unwrap();
                let count: u64 = before.map_or(0, |bytes| String::from_utf8_lossy(&bytes).parse().unwrap());
                // Give the others a chance to come in between.
                tokio::task::yield_now().await;
                effects.reads.push((bucket.clone(), key.into()));
                effects.writes.push((bucket, key.into(), Some((count + 1).to_string().into())));
            }
            if !matches!(answer, Answer::Outcome(Outcome::Done { .. })) {
                effects = Effects { reads: effects.reads, listed: effects.listed, ..Effects::default() };
            }
            let digest = Some(call.digest.unwrap_or(Digest([7; 32])));
            Report { answer, digest, effects, usage: Usage::default() }
        })
    }

    fn manifest(&self, address: &StepAddress) -> Option<Arc<Manifest>> {
        self.manifests.lock().get(address).cloned()
    }
}
