//! One call of a step: lower its arguments, run it under its limits, lift and check what it answers, and report.

use std::fmt::Write as _;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use host_core::id::{Direction, WaitKey};
use host_core::json::Json;
use host_core::limits::cut;
use host_core::outcome::{Answer, Fault, FaultKind, Outcome, code, reason};
use smallvec::SmallVec;

use crate::capabilities::bindings::saga::step::types as wit;
use crate::instances::{Instance, Sandboxes};
use crate::sandbox::{Allowance, Exceeded, Sandbox};
use crate::standing::Cost;
use crate::version::Version;
use crate::{Call, Effects, KeyValues, LogLevel, LogLine, Report, Usage, fault, limits, long_calls};

/// Make one call on this version. Dropping the future ends the call and its instance.
pub(crate) async fn run(sandboxes: &Sandboxes, version: &Version, call: &Call, source: Arc<dyn KeyValues>) -> Report {
    run_keeping_logs(sandboxes, version, call, source, None).await.0
}

/// The same; if `logs` is given, the plugin's log lines are put into it and handed back.
pub(crate) async fn run_keeping_logs(
    sandboxes: &Sandboxes,
    version: &Version,
    call: &Call,
    source: Arc<dyn KeyValues>,
    logs: Option<Vec<LogLine>>,
) -> (Report, Vec<LogLine>) {
    let _in_flight = version.in_flight().enter();
    if version.standing.is_costly() {
        // Before there is an instance: to make and to end one is part of what it costs.
        long_calls::begin_as_long().await;
    }
    // Declared before the instance, so dropped after it: the slot is free when the permit is.
    let _permit = sandboxes.permit().await;
    let began = Instant::now();
    let time_max = version.manifest().limits.time_max;
    let work = async {
        let mut instance = version.instance(sandboxes, began, Allowance::Call(time_max)).await?;
        let state = &mut instance.store.data_mut().call;
        state.global_id = Some(call.global_id.clone());
        state.source = Some(source);
        state.kept_logs = logs;
        let answer = invoke(&mut instance, call).await;
        Ok((instance, answer))
    };
    // The ticker ends a guest that computes; this ends one that waits inside the host.
    let (instance, answer) = match until(began + time_max + limits::TIME_SLACK, pin!(work)).await {
        Some(Ok((instance, answer))) => (Some(instance), answer),
        Some(Err(fault)) => (None, Err(fault)),
        None => (None, Err(waited_too_long(time_max))),
    };
    let tick_count = instance.as_ref().map_or(0, |instance| instance.store.data().tick_count);
    let (mut report, logs) = match instance {
        Some(instance) => end(version, instance, answer, call),
        None => (report(Answer::Fault(answer.err().unwrap_or_else(|| waited_too_long(time_max)))), Vec::new()),
    };
    report.digest = Some(version.digest);
    report.usage.took = began.elapsed();
    let is_fault = matches!(report.answer, Answer::Fault(_));
    version.standing.note(Cost { tick_count, is_fault, took: report.usage.took });
    (report, logs)
}

/// What the work answers; none if it is not done by then. A timer is made when the work waits for the first time, which
/// most calls never do.
async fn until<F: Future>(end: Instant, mut work: Pin<&mut F>) -> Option<F::Output> {
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = work.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(end.into())));
        timer.as_mut().poll(context).map(|()| None)
    })
    .await
}

fn waited_too_long(time_max: Duration) -> Fault {
    let reason = Exceeded::CallTime(time_max).to_string();
    Fault { kind: FaultKind::TimeLimit, reason: format!("{reason} (it was waiting for the host)") }
}

fn report(answer: Answer) -> Report {
    Report { answer, digest: None, effects: Effects::default(), usage: Usage::default() }
}

/// Enter the guest.
async fn invoke(instance: &mut Instance, call: &Call) -> Result<wit::Outcome, Fault> {
    let mut key = KeyText::new();
    // Writing to a buffer in memory does not fail.
    let _ = write!(key, "{}", call.idempotency_key);
    let deadline = call.deadline.map(|deadline| deadline.to_string());
    let headers: SmallVec<[(&str, &str); 8]> = call.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let context = wit::Context {
        global_id: call.global_id.as_str(),
        use_case: call.use_case.as_ref().map(|use_case| use_case.name.as_str()),
        use_case_version: call.use_case.as_ref().map(|use_case| use_case.version),
        address: call.address.as_str(),
        position: u32::from(call.position.0),
        direction: match call.direction {
            Direction::Handle => wit::Direction::Handle,
            Direction::Compensate => wit::Direction::Compensate,
        },
        attempt: call.attempt,
        idempotency_key: key.as_str(),
        deadline: deadline.as_deref(),
        signalled: call.signalled.as_ref().map(WaitKey::as_str),
        failure: call.failure.as_ref().map(|failure| wit::Failure {
            position: u32::from(failure.position.0),
            address: failure.address.as_str(),
            kind: failure.kind.as_str(),
            code: &failure.code,
            reason: &failure.reason,
        }),
        headers: &headers,
    };
    let guest = instance.step.saga_step_step();
    let store = &mut instance.store;
    let answered = match call.direction {
        Direction::Handle => guest.call_handle(&mut *store, context, call.body.as_str()).await,
        Direction::Compensate => {
            let log = call.compensation_log.as_ref().map(Json::as_str);
            guest.call_compensate(&mut *store, context, call.body.as_str(), log).await
        }
    };
    answered.map_err(|error| fault::fault(&error, store.data_mut()))
}

/// Take what the call left in its sandbox, and keep or end the instance.
fn end(
    version: &Version,
    mut instance: Instance,
    answer: Result<wit::Outcome, Fault>,
    call: &Call,
) -> (Report, Vec<LogLine>) {
    let sandbox = instance.store.data_mut();
    let terms = sandbox.terms.clone();
    let may_be_kept = answer.is_ok();
    let answer = match answer {
        Ok(outcome) => check(outcome, call, terms.manifest.limits.output_bytes_max),
        Err(fault) => Answer::Fault(fault),
    };
    log_printed(sandbox);
    sandbox.log_dropped();
    let mut state = std::mem::take(&mut sandbox.call);
    let mut effects = std::mem::take(&mut state.effects);
    state.key_values.take(&terms.buckets, &mut effects);
    if !matches!(answer, Answer::Outcome(Outcome::Done { .. })) {
        effects.emits.clear();
        effects.signals.clear();
        effects.writes.clear();
    }
    let usage = Usage { took: Duration::ZERO, memory_bytes: sandbox.memory_bytes, log_line_count: state.log_count };
    if may_be_kept && version.reuses_instances() {
        version.keep(instance);
    }
    (Report { answer, digest: None, effects, usage }, state.kept_logs.unwrap_or_default())
}

/// What a plugin printed instead of logging it. After a fault it is empty: it became the cause.
fn log_printed(sandbox: &mut Sandbox) {
    let Some(wasi) = &sandbox.wasi else { return };
    let printed = [(LogLevel::Info, "stdout", wasi.stdout.take()), (LogLevel::Warn, "stderr", wasi.stderr.take())];
    for (level, stream, text) in printed {
        for line in text.lines() {
            sandbox.log_line(level, stream, line);
        }
    }
}

/// The answer, if it keeps the contract.
fn check(outcome: wit::Outcome, call: &Call, bytes_max: usize) -> Answer {
    match checked(outcome, call, bytes_max) {
        Ok(outcome) => Answer::Outcome(outcome),
        Err(fault) => Answer::Fault(fault),
    }
}

fn checked(outcome: wit::Outcome, call: &Call, bytes_max: usize) -> Result<Outcome, Fault> {
    match outcome {
        wit::Outcome::Done(done) => {
            let came_so = done.body.len() <= bytes_max && done.body.as_bytes() == call.body.as_bytes();
            // To compare a large body is much less than to check it, and it is then there once.
            let body = if came_so { call.body.clone() } else { json("body", done.body, bytes_max)? };
            // What a compensation would hand back to its compensation is nobody's.
            let compensation = match call.direction {
                Direction::Handle => done.compensation,
                Direction::Compensate => None,
            };
            let compensation = compensation.map(|text| json("compensation", text, bytes_max)).transpose()?;
            Ok(Outcome::Done { body, compensation })
        }
        wit::Outcome::Rejected(rejected) => {
            let code = code(rejected.code).map_err(invalid)?;
            let details = rejected.details.map(|text| json("details", text, bytes_max)).transpose()?;
            Ok(Outcome::Rejected { code, reason: reason(rejected.reason), details })
        }
        wit::Outcome::Retry(retry) => Ok(Outcome::Retry { reason: reason(retry.reason), after: ms(retry.after_ms) }),
        wit::Outcome::Wait(wait) => {
            let key = WaitKey::try_new(&wait.key).map_err(|error| invalid(format!("answered wait, but {error}")))?;
            Ok(Outcome::Wait { key, reason: reason(wait.reason), timeout: ms(wait.timeout_ms) })
        }
    }
}

fn ms(ms: Option<u32>) -> Option<Duration> {
    ms.map(|ms| Duration::from_millis(u64::from(ms)))
}

/// Check a text that the step answered. The bytes are not copied.
fn json(what: &str, text: String, bytes_max: usize) -> Result<Json, Fault> {
    if text.len() > bytes_max {
        let reason = format!(
            "answered a {what} of {} bytes, more than the {bytes_max} allowed; raise [limits] output if it needs more",
            text.len()
        );
        return Err(Fault { kind: FaultKind::OutputLimit, reason });
    }
    Json::try_from_string(text)
        .map_err(|(error, text)| invalid(format!("answered a {what} that is {error}; it begins {:?}", cut(&text, 80))))
}

fn invalid(reason: impl Into<String>) -> Fault {
    Fault { kind: FaultKind::InvalidOutput, reason: reason.into() }
}

/// Room on the stack for an idempotency key: a UUID, a direction and a position; longer ones go to the heap.
struct KeyText(SmallVec<[u8; 96]>);

impl KeyText {
    fn new() -> Self {
        Self(SmallVec::new())
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only whole texts were written")
    }
}

impl std::fmt::Write for KeyText {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}
