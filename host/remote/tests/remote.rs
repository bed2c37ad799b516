//! Remote steps from both sides: hands that have calls, workers that ask for them. Goal: every call is made by exactly
//! one worker that has a lease for it, or by the next one; what comes late is refused; nothing waits in here for a
//! worker that is not there.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::path::Path;
use std::time::Duration;

use host_core::call::{Answered, Ask, Call, Work};
use host_core::id::{Direction, GlobalId, MessageId, Position, StepAddress, TopicName, WaitKey};
use host_core::json::Json;
use host_core::outcome::{Answer, FaultKind, Outcome};
use host_remote::{Refused, Remote};
use host_runtime::Report;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "the-token-of-the-workers";

fn address() -> StepAddress {
    StepAddress::try_new("shop.billing.payment").unwrap()
}

fn manifest(more: &str) -> String {
    use sha2::Digest as _;
    let hash: String = sha2::Sha256::digest(TOKEN).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("grants = [\"events\"]\n[events]\ntopics = [\"shop.paid\"]\n[remote]\ntoken-sha256 = \"{hash}\"\n{more}")
}

fn write(dir: &Path, text: &str) {
    std::fs::write(dir.join("shop.billing.payment.toml"), text).unwrap();
}

struct World {
    dir: tempfile::TempDir,
    remote: Remote,
    stop: CancellationToken,
}

impl World {
    fn new(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &manifest(more));
        let (remote, service) = Remote::open(dir.path()).unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(service.run(stop.clone()));
        Self { dir, remote, stop }
    }

    async fn take(&self, worker: &str, count_max: usize, wait: Duration) -> Result<Vec<Work>, Refused> {
        let ask = Ask { worker: worker.to_owned(), count_max, wait };
        self.remote.take(&address(), Some(TOKEN), &ask).await
    }

    async fn one(&self, worker: &str) -> Work {
        self.take(worker, 1, Duration::from_secs(10)).await.unwrap().pop().unwrap()
    }

    fn answer(&self, work: &Work, answer: Answered) -> Result<(), Refused> {
        self.remote.answer(&address(), Some(TOKEN), &work.lease, answer)
    }

    /// A hand with a call, as the engine makes one: a place first.
    fn call(&self, global_id: &str) -> tokio::task::JoinHandle<Report> {
        let (remote, call) = (self.remote.clone(), call(global_id));
        tokio::spawn(async move { remote.place(&address()).unwrap().await.call(call).await })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn call(global_id: &str) -> Call {
    let global_id = GlobalId::try_new(global_id).unwrap();
    Call {
        address: address(),
        digest: None,
        global_id: global_id.clone(),
        use_case: None,
        position: Position(2),
        direction: Direction::Handle,
        attempt: 1,
        idempotency_key: MessageId { global_id, direction: Direction::Handle, position: Position(2) },
        deadline: None,
        signalled: None,
        failure: None,
        headers: Vec::new(),
        body: Json::try_from_text("{\"amount\":1.10}").unwrap(),
        compensation_log: None,
    }
}

fn done(body: &str) -> Answered {
    let outcome = Outcome::Done { body: Json::try_from_text(body).unwrap(), compensation: None };
    Answered { outcome, emits: Vec::new(), signals: Vec::new() }
}

fn outcome(report: &Report) -> &Outcome {
    match &report.answer {
        Answer::Outcome(outcome) => outcome,
        Answer::Fault(fault) => panic!("{fault:?}"),
    }
}

#[tokio::test]
async fn a_call_goes_to_a_worker_that_asks_and_its_answer_comes_back() {
    let world = World::new("");
    let call = world.call("s-1");
    let work = world.one("w-1").await;
    assert_eq!((work.call.global_id.as_str(), work.call.body.as_str()), ("s-1", "{\"amount\":1.10}"));
    assert_eq!(work.lease_span, Duration::from_secs(30));
    assert_eq!(world.remote.workers(&address())[0].in_flight_count, 1);
    let emits = vec![(TopicName::try_new("shop.paid").unwrap(), Json::try_from_text("1").unwrap())];
    let signals = vec![WaitKey::try_new("customer/42").unwrap()];
    world.answer(&work, Answered { emits, signals, ..done("{\"paid\":true}") }).unwrap();
    let report = call.await.unwrap();
    let Outcome::Done { body, .. } = outcome(&report) else { panic!("{report:?}") };
    assert_eq!(body.as_str(), "{\"paid\":true}");
    assert_eq!((report.effects.emits.len(), report.effects.signals.len()), (1, 1));
    assert_eq!(world.remote.workers(&address())[0].in_flight_count, 0);
    // The second answer of the same call.
    assert_eq!(world.answer(&work, done("{}")), Err(Refused::LeaseOver));
}

#[tokio::test]
async fn nothing_is_taken_for_a_worker_that_is_not_there() {
    let world = World::new("");
    let place = tokio::time::timeout(Duration::from_millis(50), world.remote.place(&address()).unwrap()).await;
    assert!(place.is_err(), "nobody asks");
    // A worker that asked and went leaves no place behind.
    assert_eq!(world.take("w-1", 8, Duration::from_millis(20)).await.unwrap().len(), 0);
    let place = tokio::time::timeout(Duration::from_millis(50), world.remote.place(&address()).unwrap()).await;
    assert!(place.is_err(), "it has gone");
}

#[tokio::test]
async fn a_batch_is_what_is_there_and_no_more_than_is_asked_for() {
    let world = World::new("");
    let calls: Vec<_> = (0..5).map(|number| world.call(&format!("s-{number}"))).collect();
    tokio::task::yield_now().await;
    let first = world.take("w-1", 3, Duration::from_secs(10)).await.unwrap();
    let second = world.take("w-2", 64, Duration::from_secs(10)).await.unwrap();
    assert_eq!((first.len(), second.len()), (3, 2));
    for work in first.iter().chain(&second) {
        world.answer(work, done("{}")).unwrap();
    }
    for call in calls {
        assert!(matches!(outcome(&call.await.unwrap()), Outcome::Done { .. }));
    }
}

#[tokio::test]
async fn a_lease_that_runs_out_is_a_technical_failure_and_the_late_answer_is_refused() {
    let world = World::new("lease = \"1s\"\n");
    let call = world.call("s-1");
    let work = world.one("w-1").await;
    let report = call.await.unwrap();
    let Outcome::Retry { reason, .. } = outcome(&report) else { panic!("{report:?}") };
    assert!(reason.contains("the lease ran out: worker w-1"), "{reason}");
    assert_eq!(world.answer(&work, done("{}")), Err(Refused::LeaseOver));
    assert_eq!(world.remote.renew(&address(), Some(TOKEN), &work.lease), Err(Refused::LeaseOver));
}

#[tokio::test]
async fn a_worker_that_renews_keeps_its_call_until_the_time_of_calls_is_over() {
    let world = World::new("lease = \"1s\"\n[limits]\ntime = \"2500ms\"\n");
    let kept = world.call("s-1");
    let work = world.one("w-1").await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(world.remote.renew(&address(), Some(TOKEN), &work.lease).unwrap() <= Duration::from_secs(1));
    }
    world.answer(&work, done("{}")).unwrap();
    assert!(matches!(outcome(&kept.await.unwrap()), Outcome::Done { .. }));

    let endless = world.call("s-2");
    let work = world.one("w-1").await;
    while world.remote.renew(&address(), Some(TOKEN), &work.lease).is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let Answer::Fault(fault) = endless.await.unwrap().answer else { panic!("it took too long") };
    assert_eq!(fault.kind, FaultKind::TimeLimit);
    assert!(fault.reason.contains("w-1") && fault.reason.contains("2s500ms"), "{}", fault.reason);
}

#[tokio::test]
async fn a_worker_that_leaves_before_it_has_a_lease_loses_nothing() {
    let world = World::new("");
    // Its request is given up at the moment when a place of it is taken, and the call comes after.
    let remote = world.remote.clone();
    let gone = tokio::spawn(async move {
        let ask = Ask { worker: "w-1".to_owned(), count_max: 1, wait: Duration::from_secs(10) };
        remote.take(&address(), Some(TOKEN), &ask).await
    });
    let place = world.remote.place(&address()).unwrap().await;
    gone.abort();
    let _ = gone.await;
    let made = tokio::spawn(async move { place.call(call("s-1")).await });
    let work = world.one("w-2").await;
    world.answer(&work, done("{}")).unwrap();
    assert!(matches!(outcome(&made.await.unwrap()), Outcome::Done { .. }));
}

#[tokio::test]
async fn only_the_token_of_the_step_opens_its_work() {
    let world = World::new("");
    let ask = Ask { worker: "w".to_owned(), count_max: 1, wait: Duration::ZERO };
    let take = async |token: Option<&str>| world.remote.take(&address(), token, &ask).await.err();
    assert_eq!(take(Some(TOKEN)).await, None);
    assert_eq!(take(None).await, Some(Refused::NoToken));
    for wrong in ["", "the-token-of-the-worker", "the-token-of-the-workers "] {
        assert_eq!(take(Some(wrong)).await, Some(Refused::WrongToken), "{wrong:?}");
    }
    let call = world.call("s-1");
    let work = world.one("w-1").await;
    let answered = world.remote.answer(&address(), Some("guessed"), &work.lease, done("{}"));
    assert_eq!(answered, Err(Refused::WrongToken));
    assert_eq!(world.answer(&Work { lease: "0".repeat(32), ..work.clone() }, done("{}")), Err(Refused::LeaseOver));
    world.answer(&work, done("{}")).unwrap();
    call.await.unwrap();
    let other = StepAddress::try_new("shop.billing.refund").unwrap();
    assert_eq!(world.remote.take(&other, Some(TOKEN), &ask).await.err(), Some(Refused::UnknownStep(other)));
}

#[tokio::test]
async fn an_answer_that_breaks_the_contract_is_refused_and_can_be_mended() {
    let world = World::new("[limits]\noutput = 1024\n");
    let call = world.call("s-1");
    let work = world.one("w-1").await;
    let refused = |answer: Answered| match world.answer(&work, answer) {
        Err(Refused::InvalidAnswer(problem)) => problem,
        other => panic!("{other:?}"),
    };
    let lost = vec![(TopicName::try_new("shop.lost").unwrap(), Json::null())];
    assert!(refused(Answered { emits: lost, ..done("{}") }).contains("shop.lost is not in the manifest"));
    assert!(refused(done(&format!("\"{}\"", "x".repeat(1024)))).contains("1026 bytes"));
    let empty = Outcome::Rejected { code: " ".to_owned(), reason: String::new(), details: None };
    assert!(refused(Answered { outcome: empty, ..done("{}") }).contains("empty code"));
    world.answer(&work, done("{}")).unwrap();
    assert!(matches!(outcome(&call.await.unwrap()), Outcome::Done { .. }));
}

#[tokio::test]
async fn the_folder_says_which_steps_are_remote() {
    let world = World::new("");
    let mut steps = world.remote.subscribe();
    write(world.dir.path(), "[remote]\ntoken-sha256 = \"short\"\n");
    steps.wait_for(|infos| infos.iter().any(|info| info.manifest.is_err())).await.unwrap();
    assert!(world.remote.manifest(&address()).is_some(), "the one before it serves on");
    let waiting = world.call("s-1");
    std::fs::write(world.dir.path().join("shop.billing.payment.wasm"), "").unwrap();
    steps.wait_for(|infos| infos.is_empty()).await.unwrap();
    let Answer::Fault(fault) = waiting.await.unwrap().answer else { panic!("nobody can make it") };
    assert_eq!(fault.kind, FaultKind::Unavailable);
    assert!(world.remote.place(&address()).is_none());
}

#[tokio::test]
async fn a_host_that_ends_gives_no_work_and_takes_answers() {
    let world = World::new("");
    let call = world.call("s-1");
    let work = world.one("w-1").await;
    let remote = world.remote.clone();
    let waiting = tokio::spawn(async move {
        let ask = Ask { worker: "w-2".to_owned(), count_max: 1, wait: Duration::from_secs(30) };
        remote.take(&address(), Some(TOKEN), &ask).await
    });
    tokio::task::yield_now().await;
    world.remote.close();
    assert_eq!(waiting.await.unwrap().err(), Some(Refused::Closed));
    world.answer(&work, done("{}")).unwrap();
    assert!(matches!(outcome(&call.await.unwrap()), Outcome::Done { .. }));
}
