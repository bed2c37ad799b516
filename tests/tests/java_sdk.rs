//! The Java library keeps the contract. Goal: the conformance step in Java answers every case as those of the other
//! languages do, as far as a remote step can, and the step of the shop holds the shop's. Method: the HTTP API over the
//! room for remote steps, without an engine; a call of each case waits there for a real worker.
#![expect(clippy::expect_used, reason = "a test ends where something is not as it must be")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use host_broker::{Broker, Browsed, Capabilities, Consumer, Delivery, Subscription, TopicState};
use host_core::call::{Answered, Ask, Work};
use host_core::id::{StepAddress, TopicName, WaitKey};
use host_core::time::Timestamp;
use host_core::unit::{Ack, Offset};
use host_monitor::door::{Act, Door, PluginState, Readiness, Refusal, Start, Started, UseCases};
use host_monitor::{Inputs, Limits, Monitor, Options};
use host_remote::{Refused, Remote};
use host_runtime::{Call, Report};
use host_store::backends::memory::MemoryTables;
use host_store::embedded::EmbeddedStore;
use saga_tests::conformance;
use saga_tests::java;
use saga_tests::tidy::tree::root;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "conformance";
/// SHA-256 of the token.
const TOKEN_SHA256: &str = "6c1d6cedf276ea3fd7486a212fd62b32fbb9ecaa4dea70545486737199dd24ed";
/// In a manifest whose token is still to be set.
const NO_TOKEN_SHA256: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Longer than the start of a Java program takes on a machine that is busy.
const CALL_TIME_MAX: Duration = Duration::from_secs(60);
/// What needs a component, its clock, its chance and its limits; and a log that is null, which in JSON is none.
const LEFT_OUT: [&str; 9] = [
    "config: a text",
    "config: none",
    "keyvalue: reads what it wrote",
    "shared: reads what it wrote",
    "keyvalue: many keys",
    "a bucket that was not granted is a failure that says so",
    "log",
    "remember: null",
    "compensate: the log as it was left: null",
];

/// Lets workers to the room for remote steps, and nobody to anything else.
struct WorkersOnly(Remote);

fn refused(refused: Refused) -> Refusal {
    match refused {
        Refused::UnknownStep(address) => Refusal::UnknownStep(address),
        Refused::NoToken | Refused::WrongToken => Refusal::Token(refused.to_string()),
        Refused::LeaseOver => Refusal::LeaseOver(refused.to_string()),
        Refused::InvalidAnswer(problem) => Refusal::AnswerRefused(problem),
        Refused::Closed => Refusal::Stopped("it is stopping".to_owned()),
    }
}

fn nothing_else() -> Refusal {
    Refusal::Stopped("only workers are let in".to_owned())
}

#[async_trait]
impl Door for WorkersOnly {
    async fn take_work(&self, address: StepAddress, token: Option<String>, ask: Ask) -> Result<Vec<Work>, Refusal> {
        self.0.take(&address, token.as_deref(), &ask).await.map_err(refused)
    }

    async fn renew_work(
        &self,
        address: StepAddress,
        token: Option<String>,
        lease: String,
    ) -> Result<Duration, Refusal> {
        self.0.renew(&address, token.as_deref(), &lease).map_err(refused)
    }

    async fn answer_work(
        &self,
        address: StepAddress,
        token: Option<String>,
        lease: String,
        answer: Answered,
    ) -> Result<(), Refusal> {
        self.0.answer(&address, token.as_deref(), &lease, answer).map_err(refused)
    }

    async fn start(&self, _: Start) -> Result<Started, Refusal> {
        Err(nothing_else())
    }

    async fn signal(&self, _: WaitKey) -> Result<(), Refusal> {
        Err(nothing_else())
    }

    async fn act(&self, _: Act) -> Result<(), Refusal> {
        Err(nothing_else())
    }

    async fn publish(&self, _: TopicName, _: Option<String>, _: Bytes) -> Result<(), Refusal> {
        Err(nothing_else())
    }

    fn plugins(&self) -> Vec<PluginState> {
        Vec::new()
    }

    fn use_cases(&self) -> UseCases {
        UseCases::default()
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}

/// Nothing is delivered here.
struct NoBroker;

#[async_trait]
impl Broker for NoBroker {
    fn capabilities(&self) -> Capabilities {
        Capabilities { atomic_commit: true, delays: true, order_per_key: true, has_other_hosts: false }
    }

    async fn subscribe(&self, _: Subscription) -> Result<Box<dyn Consumer>, host_broker::Error> {
        Err(host_broker::Error::ShuttingDown)
    }

    fn release(&self, _: Ack) {}

    async fn topics(&self) -> Result<Vec<TopicState>, host_broker::Error> {
        Ok(Vec::new())
    }

    async fn browse(&self, _: &TopicName, _: Offset, _: usize) -> Result<Vec<Browsed>, host_broker::Error> {
        Ok(Vec::new())
    }

    async fn claim(&self, _: &TopicName, _: &str) -> Result<Option<Delivery>, host_broker::Error> {
        Ok(None)
    }

    async fn retain(&self, _: Timestamp) -> Result<usize, host_broker::Error> {
        Ok(0)
    }
}

/// Makes calls of the remote step of this manifest, which a worker answers; `start` is given where to ask and a log.
fn with_worker(
    address: &str,
    manifest: &str,
    start: impl FnOnce(&str, &Path) -> java::Program,
    check: impl FnOnce(&Path, &mut dyn FnMut(Call) -> Report),
) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join(format!("{address}.toml"));
    std::fs::write(&file, manifest).expect("the temporary folder is ours");

    let runtime = tokio::runtime::Runtime::new().expect("a runtime for the host");
    let (stop, (sender, journal)) = (CancellationToken::new(), tokio::sync::mpsc::channel(1));
    let (remote, service) = Remote::open(folder.path()).expect("the folder can be read");
    runtime.spawn(service.run(stop.clone()));
    let store = EmbeddedStore::open(Arc::new(MemoryTables::new())).expect("tables in memory");
    let inputs = Inputs {
        door: Arc::new(WorkersOnly(remote.clone())),
        store: Arc::new(store),
        broker: Arc::new(NoBroker),
        journal,
    };
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let options = Options { listen, token: None, limits: Limits::default() };
    let handle = runtime.block_on(Monitor::start(options, inputs)).expect("the monitor starts");
    let worker = start(&format!("http://{}", handle.address()), &folder.path().join("worker.log"));

    check(&file, &mut |call| {
        let call = async { tokio::time::timeout(CALL_TIME_MAX, remote.call(call)).await };
        runtime.block_on(call).unwrap_or_else(|_| panic!("nobody answered:\n{}", worker.said()))
    });
    stop.cancel();
    drop(sender);
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

#[test]
fn the_conformance_step_in_java_answers_every_case() {
    let project = java::project("tests/conformance/java");
    let text = read("tests/conformance/java/test.sdk.conformance.toml");
    let manifest = format!("{text}\n[remote]\ntoken-sha256 = \"{TOKEN_SHA256}\"\n");
    let start = |host: &str, log: &Path| project.start("Conformance", &[host, TOKEN], log);
    with_worker("test.sdk.conformance", &manifest, start, |manifest, call| {
        conformance::run_remote_cases(manifest, &LEFT_OUT, call);
    });
}

#[test]
fn the_shops_step_in_java_holds_the_cases_of_the_other_languages() {
    const ADDRESS: &str = "shop.customers.notification";
    let folder = "plugins/java/shop-customers-notification";
    let project = java::project(folder);
    let manifest = read(&format!("{folder}/{ADDRESS}.toml")).replace(NO_TOKEN_SHA256, TOKEN_SHA256);
    let start = |host: &str, log: &Path| {
        let environment = [("SAGA_HOST", host), ("WORKER_TOKEN", TOKEN)];
        project.start_with("shop.customers.NotificationStep", &[], &environment, log)
    };
    with_worker(ADDRESS, &manifest, start, |manifest, call| {
        conformance::run_remote_cases_of(&format!("plugins/cases/{ADDRESS}.json"), manifest, call);
    });
}
