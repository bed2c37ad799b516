//! The conformance step: written once in each language, and held to one file of cases. Builds it by `saga build`, and
//! calls it as `saga call` does, without a host around it. Only this part of the library knows rooms: core and runtime.

mod expected;
mod soak;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use host_core::envelope::UseCaseRef;
use host_core::failure::Failure;
use host_core::id::{BucketName, Direction, GlobalId, MessageId, Position, StepAddress, WaitKey};
use host_core::json::Json;
use host_core::manifest::{CallsPerInstance, Manifest};
use host_core::outcome::{Answer, FaultKind, Outcome};
use host_core::time::Timestamp;
use host_runtime::{Call, LogLine, MemoryKeyValues, Report, Trial};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::artefacts::{saga, step_target_dir, target_dir, tool_cache};
use crate::tidy::tree::root;

pub use soak::run_soak;

/// Where the step stands in the sagas of the cases.
const POSITION: Position = Position(1);
/// Calls of which each must answer alike, and of sizes that make memory grow and be reused.
const REPEATED_CALLS: usize = 300;

/// The step of `tests/conformance/<language>` and its manifest, built once by each process that asks.
pub fn built(language: &str) -> (PathBuf, PathBuf) {
    built_of(&format!("tests/conformance/{language}"), "test.sdk.conformance")
}

/// The step of a project in this repository and its manifest, built once by each process that asks.
pub fn built_of(project: &str, address: &str) -> (PathBuf, PathBuf) {
    static BUILT: Mutex<BTreeMap<String, (PathBuf, PathBuf)>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.entry(project.to_owned()).or_insert_with(|| build(project, address)).clone()
}

fn build(project: &str, address: &str) -> (PathBuf, PathBuf) {
    let out = target_dir().join("conformance").join(project.replace('/', "-"));
    let ran = Command::new(saga())
        .arg("build")
        .arg(root().join(project))
        .arg("--out")
        .arg(&out)
        .env("SAGA_CACHE_DIR", tool_cache())
        .env("CARGO_TARGET_DIR", step_target_dir())
        .output()
        .expect("the program can be started");
    let told = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{project} does not build:\n{told}");
    let file = |extension: &str| out.join(format!("{address}.{extension}"));
    (file("wasm"), file("toml"))
}

/// Every case of `cases.json`. Panics with all that failed, each with its name.
pub fn run_cases(wasm: &Path, manifest: &Path) {
    run(wasm, manifest, &cases());
}

/// The same with every case of another file in this repository.
pub fn run_cases_of(file: &str, wasm: &Path, manifest: &Path) {
    run(wasm, manifest, &read_cases(file));
}

fn run(wasm: &Path, manifest: &Path, cases: &[Value]) {
    let stage = Stage::new(wasm, manifest_of(manifest));
    assert_all_hold(cases, |case| {
        let (report, logs) = stage.call(case);
        expected::differences(&case["expect"], &report, &logs, &stage.manifest)
    });
}

/// Every case but those that a remote step cannot meet, by their names, with somebody elsewhere who makes the call.
pub fn run_remote_cases(manifest: &Path, left_out: &[&str], call: impl FnMut(Call) -> Report) {
    let mut cases = cases();
    let count = cases.len();
    cases.retain(|case| !case["name"].as_str().is_some_and(|name| left_out.contains(&name)));
    assert_eq!(cases.len() + left_out.len(), count, "a case that is left out has another name now");
    run_remote(manifest, &cases, call);
}

/// The same with every case of another file in this repository.
pub fn run_remote_cases_of(file: &str, manifest: &Path, call: impl FnMut(Call) -> Report) {
    run_remote(manifest, &read_cases(file), call);
}

fn run_remote(manifest: &Path, cases: &[Value], mut call: impl FnMut(Call) -> Report) {
    let manifest = manifest_of(manifest);
    assert_all_hold(cases, |case| {
        expected::differences(&case["expect"], &call(message(&manifest, case)), &[], &manifest)
    });
}

/// Panics with all cases that failed, each with its name and what is wrong.
fn assert_all_hold(cases: &[Value], mut differences: impl FnMut(&Value) -> Vec<String>) {
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let wrong = differences(case);
            (!wrong.is_empty()).then(|| format!("{}\n    {}", case["name"], wrong.join("\n    ")))
        })
        .collect();
    assert!(failures.is_empty(), "{} of {} cases failed:\n  {}", failures.len(), cases.len(), failures.join("\n  "));
}

fn cases() -> Vec<Value> {
    let cases = read_cases("tests/conformance/cases.json");
    assert!(cases.len() > 70, "only {} cases were found", cases.len());
    cases
}

fn read_cases(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file} is no list: {error}"));
    assert!(!cases.is_empty(), "{file} holds no case");
    cases
}

/// What no table of cases can say: chance, time, what becomes of a step that takes too much, and that one instance
/// serves many calls.
pub fn run_sandbox(wasm: &Path, manifest: &Path) {
    let manifest = manifest_of(manifest);
    let mut of_one_call = Manifest { calls_per_instance: CallsPerInstance::Count(1), ..manifest.clone() };
    of_one_call.limits.time_max = Duration::from_secs(2);
    let fresh = Stage::new(wasm, of_one_call);
    let numbers = fresh.chances().map(|(number, _)| number);
    assert!(all_differ(&numbers), "instances draw the same numbers: {numbers:?}");
    assert_eq!((fresh.note("calls"), fresh.note("calls")), ("1".to_owned(), "1".to_owned()), "fresh instances");

    let now = Timestamp::from_system_time(std::time::SystemTime::now()).as_ms();
    let told: u64 = fresh.note("clock").parse().expect("the clock answers milliseconds");
    assert!(told.abs_diff(now) < 60_000, "the step's clock says {told}, it is {now}");

    fresh.ends_in("loop", FaultKind::TimeLimit);
    fresh.ends_in("grow", FaultKind::MemoryLimit);
    let later: u64 = fresh.note("clock").parse().expect("the clock answers milliseconds");
    assert!(later >= told + 1_500, "the loop ran for two seconds, the clocks of two instances say {told} and {later}");

    let reused = Stage::new(wasm, Manifest { calls_per_instance: CallsPerInstance::Unlimited, ..manifest });
    let counts: Vec<String> = (0..3).map(|_| reused.note("calls")).collect();
    assert_eq!(counts, ["1", "2", "3"], "an instance serves call after call");
    call_repeatedly(&reused);
}

/// For a language that draws more than random numbers when an instance begins, a hash seed or an order: each instance
/// draws its own.
pub fn run_seeds(wasm: &Path, manifest: &Path) {
    let fresh = Stage::new(wasm, Manifest { calls_per_instance: CallsPerInstance::Count(1), ..manifest_of(manifest) });
    let seeds = fresh.chances().map(|(_, seed)| seed);
    assert!(all_differ(&seeds), "instances have the same seed: {seeds:?}");
}

fn all_differ(texts: &[String; 3]) -> bool {
    texts[0] != texts[1] && texts[1] != texts[2] && texts[0] != texts[2]
}

/// Many calls of one instance, with bodies of many sizes: each answers what it should.
fn call_repeatedly(stage: &Stage) {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..REPEATED_CALLS {
        let padding = "é".repeat(random.usize(..50_000));
        let body = format!(r#"{{"do":"set","pad":"{padding}","to":"{round}"}}"#);
        let wanted = body.strip_suffix('}').map(|start| format!(r#"{start},"note":"{round}"}}"#));
        let (report, _) = stage.call(&json!({"body": body}));
        match report.answer {
            Answer::Outcome(Outcome::Done { body, .. }) => assert_eq!(Some(body.as_str()), wanted.as_deref()),
            other => panic!("call {round} of {} bytes: {other:?}", padding.len()),
        }
    }
}

fn manifest_of(file: &Path) -> Manifest {
    let name = file.file_name().and_then(|name| name.to_str()).expect("manifests have plain names");
    let address = StepAddress::try_new(name.trim_end_matches(".toml")).expect("the name of a manifest is an address");
    let text = std::fs::read_to_string(file).expect("the manifest can be read");
    host_core::manifest::parse(address, name, &text).expect("the manifest of the conformance step is right")
}

/// A step that can be called.
struct Stage {
    trial: Trial,
    manifest: Manifest,
    runtime: Runtime,
}

impl Stage {
    fn new(wasm: &Path, manifest: Manifest) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime for the calls");
        let trial = runtime.block_on(Trial::try_new(wasm, manifest.clone()));
        let trial = trial.unwrap_or_else(|rejection| panic!("{} is refused: {rejection}", wasm.display()));
        Self { trial, manifest, runtime }
    }

    fn call(&self, case: &Value) -> (Report, Vec<LogLine>) {
        let key_values = self.key_values(&case["kv"]);
        self.runtime.block_on(self.trial.call(&self.message(case), Arc::new(key_values)))
    }

    /// What an act leaves in `note`.
    fn note(&self, act: &str) -> String {
        let (report, _) = self.call(&json!({"body": json!({"do": act}).to_string()}));
        let Answer::Outcome(Outcome::Done { body, .. }) = &report.answer else {
            panic!("{act} answered {:?}", report.answer);
        };
        let body: Value = serde_json::from_str(body.as_str()).expect("a body is JSON");
        body["note"].as_str().unwrap_or_else(|| panic!("{act} left no note in {body}")).to_owned()
    }

    /// What three instances draw: a random number, and what distinguishes them otherwise.
    fn chances(&self) -> [(String, String); 3] {
        [(); 3].map(|()| {
            let note = self.note("chance");
            let (number, seed) = note.split_once(':').unwrap_or_else(|| panic!("{note} has no two parts"));
            (number.to_owned(), seed.to_owned())
        })
    }

    fn ends_in(&self, act: &str, kind: FaultKind) {
        let (report, _) = self.call(&json!({"body": json!({"do": act}).to_string()}));
        match report.answer {
            Answer::Fault(fault) if fault.kind == kind => {}
            // A runtime that asks politely can tell its step that there is no memory: an exception like any other.
            Answer::Outcome(Outcome::Retry { ref reason, .. })
                if kind == FaultKind::MemoryLimit && reason.to_lowercase().contains("memory") => {}
            other => panic!("{act} should end in {kind:?}, it ended in {other:?}"),
        }
    }

    fn key_values(&self, buckets: &Value) -> MemoryKeyValues {
        let key_values = MemoryKeyValues::default();
        for (name, values) in buckets.as_object().into_iter().flatten() {
            let bucket = BucketName::try_new(&full_bucket(&self.manifest, name)).expect("a bucket of the cases");
            for (key, value) in values.as_object().into_iter().flatten() {
                key_values.put(bucket.clone(), key, value.as_str().expect("values are texts").to_owned());
            }
        }
        key_values
    }

    fn message(&self, case: &Value) -> Call {
        message(&self.manifest, case)
    }
}

/// The call of a case.
fn message(manifest: &Manifest, case: &Value) -> Call {
    let context = &case["context"];
    let text = |key: &str| context[key].as_str();
    let global_id = GlobalId::try_new(text("global-id").unwrap_or("trial")).expect("a global-id of the cases");
    let direction = match case["direction"].as_str() {
        Some("compensate") => Direction::Compensate,
        _ => Direction::Handle,
    };
    let use_case = text("use-case").map(|name| json!({"name": name, "version": context["use-case-version"]}));
    let use_case: Option<UseCaseRef> =
        use_case.map(|value| serde_json::from_value(value).expect("a use case of the cases"));
    let json = |text: &str| Json::try_from_text(text).expect("bodies and logs are JSON");
    let headers = context["headers"].as_object().into_iter().flatten();
    let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
    Call {
        address: manifest.address.clone(),
        digest: None,
        idempotency_key: MessageId { global_id: global_id.clone(), direction, position: POSITION },
        global_id,
        use_case,
        position: POSITION,
        direction,
        attempt: context["attempt"].as_u64().map_or(1, |attempt| u32::try_from(attempt).expect("a small number")),
        deadline: text("deadline").map(|moment| Timestamp::parse(moment).expect("a moment of the cases")),
        signalled: text("signalled").map(|key| WaitKey::try_new(key).expect("a key of the cases")),
        failure: failure(&context["failure"]),
        headers: headers.collect(),
        body: json(case["body"].as_str().expect("a case has a body")),
        compensation_log: case["log"].as_str().map(json),
    }
}

/// What turned the saga round; the cases leave out what a step does not see.
fn failure(told: &Value) -> Option<Arc<Failure>> {
    let mut all = told.as_object()?.clone();
    all.insert("direction".to_owned(), json!("handle"));
    all.insert("at".to_owned(), json!(Timestamp::from_ms(0)));
    Some(Arc::new(serde_json::from_value(Value::Object(all)).expect("a failure of the cases")))
}

/// The host's name of a bucket: a shared one is its domain's, the step's own has the step's address.
fn full_bucket(manifest: &Manifest, name: &str) -> String {
    if name == manifest.address.as_str() { name.to_owned() } else { format!("{}/{name}", manifest.address.domain()) }
}
