//! The monitor's door, implemented by the engine: what callers of the API cause goes through here.
//! It must not decide anything about sagas: it checks bodies, translates refusals, and waits for the disk.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use host_core::call::{Answered, Ask, Work};
use host_core::id::{StepAddress, TopicName, WaitKey};
use host_core::manifest::Grant;
use host_engine::Engine;
use host_monitor::door::{
    Act, Door, PluginState, Readiness, Refusal, ServingState, Start, Started, UseCases as UseCasesView, WorkerState,
};
use host_remote::{Refused, Remote, RemoteInfo};
use host_runtime::{PluginInfo, Plugins, Snapshot};
use parking_lot::RwLock;

use crate::use_cases::{UseCases, trigger_cycles};

/// Opened for reading at once; for work when the engine is there.
pub struct HostDoor {
    use_cases: Arc<UseCases>,
    plugins: OnceLock<Plugins>,
    remote: OnceLock<Remote>,
    engine: OnceLock<Arc<Engine>>,
    readiness: RwLock<Readiness>,
}

impl HostDoor {
    pub fn new(use_cases: Arc<UseCases>) -> Self {
        let readiness = RwLock::new(Readiness::Starting);
        Self { use_cases, plugins: OnceLock::new(), remote: OnceLock::new(), engine: OnceLock::new(), readiness }
    }

    pub fn show_steps(&self, plugins: Plugins, remote: Remote) {
        // Called once, by the host that is starting.
        let _ = self.plugins.set(plugins);
        let _ = self.remote.set(remote);
    }

    /// Take work from now on.
    pub fn open(&self, engine: Arc<Engine>) {
        let _ = self.engine.set(engine);
        *self.readiness.write() = Readiness::Ready;
    }

    /// Take no more work. A failure that was told before stays told.
    pub fn close(&self, why: Readiness) {
        let mut readiness = self.readiness.write();
        if !matches!(*readiness, Readiness::Failed(_)) {
            *readiness = why;
        }
    }

    fn engine(&self) -> Result<&Engine, Refusal> {
        let engine = self.engine.get();
        match (&*self.readiness.read(), engine) {
            (Readiness::Ready, Some(engine)) => Ok(engine),
            (Readiness::Ready | Readiness::Starting, _) => {
                Err(Refusal::Stopped("it is starting, try again in a moment".to_owned()))
            }
            (Readiness::Stopping, _) => {
                Err(Refusal::Stopped("it is stopping, ask the host that comes after it".to_owned()))
            }
            (Readiness::Failed(reason), _) => Err(Refusal::Stopped(reason.clone())),
        }
    }

    fn remote(&self) -> Result<&Remote, Refusal> {
        // A host that has failed or is ending takes answers, and gives no work: the room itself knows when.
        self.remote.get().ok_or_else(|| Refusal::Stopped("it is starting, try again in a moment".to_owned()))
    }

    fn remote_steps(&self) -> Vec<RemoteInfo> {
        self.remote.get().map(|remote| remote.subscribe().borrow().to_vec()).unwrap_or_default()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.plugins.get().map(Plugins::snapshot).unwrap_or_default()
    }
}

#[async_trait]
impl Door for HostDoor {
    async fn start(&self, start: Start) -> Result<Started, Refusal> {
        let engine = self.engine()?;
        if let Some(definition) = self.use_cases.definition(&start.use_case) {
            definition
                .check_body(&start.body)
                .map_err(|problem| Refusal::BodyRefused { use_case: start.use_case.clone(), problem })?;
        }
        let wish = host_engine::Start {
            use_case: start.use_case,
            body: start.body,
            global_id: start.global_id,
            minted: start.minted,
            traceparent: start.traceparent,
            tracestate: start.tracestate,
        };
        let started = engine.start(wish).await.map_err(refused_start)?;
        if let Some(lsn) = started.lsn {
            engine.durable(lsn).await.map_err(|stopped| Refusal::Stopped(stopped.to_string()))?;
        }
        Ok(Started { global_id: started.global_id, existed: started.existed })
    }

    async fn signal(&self, key: WaitKey) -> Result<(), Refusal> {
        self.engine()?.signal(key).await.map_err(refused)
    }

    async fn act(&self, act: Act) -> Result<(), Refusal> {
        let engine = self.engine()?;
        if act.dry_run {
            return engine.check_act(&act.global_id, act.verb).await.map_err(refused);
        }
        engine.act(act.global_id, act.verb, act.who, act.reason).await.map_err(refused)
    }

    async fn publish(&self, topic: TopicName, key: Option<String>, payload: Bytes) -> Result<(), Refusal> {
        let engine = self.engine()?;
        let key = key.or_else(|| global_id(&payload)).unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        engine.publish(topic, key.into(), payload).await.map_err(refused)
    }

    async fn take_work(&self, address: StepAddress, token: Option<String>, ask: Ask) -> Result<Vec<Work>, Refusal> {
        self.engine()?;
        self.remote()?.take(&address, token.as_deref(), &ask).await.map_err(refused_worker)
    }

    async fn renew_work(
        &self,
        address: StepAddress,
        token: Option<String>,
        lease: String,
    ) -> Result<Duration, Refusal> {
        self.remote()?.renew(&address, token.as_deref(), &lease).map_err(refused_worker)
    }

    async fn answer_work(
        &self,
        address: StepAddress,
        token: Option<String>,
        lease: String,
        answer: Answered,
    ) -> Result<(), Refusal> {
        self.remote()?.answer(&address, token.as_deref(), &lease, answer).map_err(refused_worker)
    }

    fn plugins(&self) -> Vec<PluginState> {
        let here = self.snapshot().plugins.iter().map(plugin_state).collect::<Vec<_>>();
        let remote = self.remote.get();
        let elsewhere = self.remote_steps().into_iter().map(|info| remote_state(remote, info));
        here.into_iter().chain(elsewhere).collect()
    }

    fn use_cases(&self) -> UseCasesView {
        let definitions = host_engine::UseCases::all(&*self.use_cases);
        let snapshot = self.snapshot();
        let remote = self.remote.get();
        let emits = |step: &_| {
            let here = snapshot.serving(step).and_then(|plugin| plugin.manifest.clone());
            let manifest = here.or_else(|| remote.and_then(|remote| remote.manifest(step)));
            manifest.map(|manifest| manifest.event_topics.clone()).unwrap_or_default()
        };
        let mut problems = self.use_cases.problems();
        problems.extend(trigger_cycles(&definitions, emits));
        UseCasesView { definitions, problems }
    }

    fn readiness(&self) -> Readiness {
        self.readiness.read().clone()
    }
}

/// The global-id of a message that is an envelope: its key, so that the messages of one saga stay in order.
fn global_id(payload: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Head {
        meta: Meta,
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Meta {
        global_id: String,
    }
    serde_json::from_slice::<Head>(payload).ok().map(|head| head.meta.global_id)
}

fn plugin_state(plugin: &PluginInfo) -> PluginState {
    PluginState {
        address: plugin.name().to_owned(),
        digest: plugin.digest,
        state: match plugin.state {
            host_runtime::PluginState::Serving => ServingState::Serving,
            host_runtime::PluginState::Rejected => ServingState::Rejected,
            host_runtime::PluginState::Draining => ServingState::Draining,
        },
        since: plugin.since,
        grants: plugin.grants.iter().map(|grant| grant.as_str().to_owned()).collect(),
        reason: plugin.reason.clone(),
        in_flight_count: u64::from(plugin.in_flight.count()),
        wasm_bytes: plugin.wasm_bytes,
        compile_time: Some(plugin.compile_time).filter(|time| !time.is_zero()),
        workers: None,
    }
}

fn remote_state(remote: Option<&Remote>, info: RemoteInfo) -> PluginState {
    let workers = remote.map(|remote| remote.workers(&info.address)).unwrap_or_default();
    let in_flight_count = workers.iter().map(|worker| worker.in_flight_count as u64).sum();
    let worker = |worker: host_remote::WorkerInfo| WorkerState {
        name: worker.name,
        last_seen: worker.last_seen,
        in_flight_count: worker.in_flight_count,
    };
    let (state, grants, reason) = match info.manifest {
        Ok(manifest) => (ServingState::Serving, manifest.grants.clone(), None),
        Err(reason) => (ServingState::Rejected, Vec::new(), Some(reason)),
    };
    PluginState {
        address: info.address.to_string(),
        digest: None,
        state,
        since: info.since,
        grants: grants.into_iter().map(Grant::as_str).map(str::to_owned).collect(),
        reason,
        in_flight_count,
        wasm_bytes: 0,
        compile_time: None,
        workers: Some(workers.into_iter().map(worker).collect()),
    }
}

fn refused_worker(refused: Refused) -> Refusal {
    match refused {
        Refused::UnknownStep(address) => Refusal::UnknownStep(address),
        Refused::NoToken | Refused::WrongToken => Refusal::Token(refused.to_string()),
        Refused::LeaseOver => Refusal::LeaseOver(refused.to_string()),
        Refused::InvalidAnswer(problem) => Refusal::AnswerRefused(problem),
        Refused::Closed => Refusal::Stopped("it is stopping, ask the host that comes after it".to_owned()),
    }
}

fn refused_start(error: host_engine::StartError) -> Refusal {
    match error {
        host_engine::StartError::UnknownUseCase(name) => Refusal::UnknownUseCase(name),
        host_engine::StartError::BodyTooLarge { bytes_max } => Refusal::TooLarge { what: "body", bytes_max },
        host_engine::StartError::Busy { backlog } => Refusal::Busy { backlog },
        host_engine::StartError::Store(error) => Refusal::NotReady(error.to_string()),
        host_engine::StartError::Broker(error) => Refusal::NotReady(error.to_string()),
        host_engine::StartError::Stopped(error) => Refusal::Stopped(error.to_string()),
    }
}

fn refused(error: host_engine::Error) -> Refusal {
    match error {
        host_engine::Error::UnknownSaga(global_id) => Refusal::UnknownSaga(global_id),
        host_engine::Error::WrongStatus { global_id, status, verb, possible } => {
            Refusal::WrongStatus { global_id, status, verb, possible }
        }
        host_engine::Error::Store(error) => Refusal::NotReady(error.to_string()),
        host_engine::Error::Broker(error) => Refusal::NotReady(error.to_string()),
        host_engine::Error::Stopped(error) => Refusal::Stopped(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelopes_key_is_its_global_id_and_other_messages_have_none() {
        assert_eq!(global_id(br#"{"meta":{"global-id":"o-1","steps":[]},"body":{}}"#).as_deref(), Some("o-1"));
        assert_eq!(global_id(br#"{"order-id":"1"}"#), None);
        assert_eq!(global_id(b"\xff"), None);
    }
}
