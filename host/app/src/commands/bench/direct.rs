//! Load inside the process of the host: the engine without HTTP. And the native no-op that can stand in for the steps.

use std::sync::Arc;

use host_core::id::{GlobalId, StepAddress, UseCaseName};
use host_core::json::Json;
use host_core::manifest::Manifest;
use host_core::outcome::{Answer, Outcome};
use host_core::saga::Status;
use host_engine::{Engine, Start};
use host_monitor::{Since, Watcher};
use host_runtime::{Call, Effects, KeyValues, Plugins, Report, Running, StepRunner, Usage};

use super::load::{Client, Clients, SAGA_TIMEOUT, of_client};
use super::scratch::USE_CASE;
use crate::host::Host;

/// What every client of this kind shares.
#[derive(Clone)]
pub struct Direct {
    engine: Arc<Engine>,
    watcher: Watcher,
    use_case: UseCaseName,
    body: Json,
}

impl Direct {
    pub fn new(host: &Host, body: Json) -> Self {
        let use_case = UseCaseName::try_new(USE_CASE).expect("a literal of letters");
        Self { engine: host.engine().clone(), watcher: host.monitor().watcher().clone(), use_case, body }
    }
}

impl Clients for Direct {
    type Client = Direct;

    async fn client(&self, number: u32) -> anyhow::Result<Direct> {
        Ok(Direct { body: of_client(&self.body, number)?, ..self.clone() })
    }
}

impl Client for Direct {
    async fn run_one(&mut self) -> anyhow::Result<bool> {
        let global_id = mint();
        // Watched before it is started, so that its end cannot come unseen.
        let watch = self.watcher.watch(&global_id, Since::BeforeItsStart);
        let start = Start {
            use_case: self.use_case.clone(),
            body: self.body.clone(),
            global_id: Some(global_id),
            minted: true,
            traceparent: None,
            tracestate: None,
        };
        self.engine.start(start).await?;
        let outcome = watch.outcome(SAGA_TIMEOUT).await?;
        Ok(outcome.is_some_and(|outcome| outcome.status == Status::Completed))
    }
}

fn mint() -> GlobalId {
    let mut buffer = uuid::Uuid::encode_buffer();
    let text = uuid::Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
    GlobalId::try_new(text).expect("a UUID is printable and short")
}

/// A native no-op in the place of every step.
pub fn native(plugins: &Plugins) -> Arc<dyn StepRunner> {
    Arc::new(Native { plugins: plugins.clone() })
}

struct Native {
    plugins: Plugins,
}

impl StepRunner for Native {
    fn call(&self, call: Call, _key_values: Arc<dyn KeyValues>) -> Running<'_> {
        Running::new(async move {
            let answer = Answer::Outcome(Outcome::Done { body: call.body, compensation: None });
            Report { answer, digest: None, effects: Effects::default(), usage: Usage::default() }
        })
    }

    fn manifest(&self, address: &StepAddress) -> Option<Arc<Manifest>> {
        self.plugins.manifest(address)
    }
}
