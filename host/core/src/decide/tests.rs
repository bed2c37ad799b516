//! The table of decisions: what a message at some step, with some input and rules, leads to. Written as a person says
//! it: the words of the journal, a bar, where the message goes.

use std::sync::Arc;

use super::*;
use crate::envelope::Start;
use crate::id::{GlobalId, Position, StepAddress};
use crate::manifest::Manifest;

const SECOND: Duration = Duration::from_secs(1);
const NOW: u64 = 1_795_000_000_000;

fn address(text: &str) -> StepAddress {
    StepAddress::try_new(text).expect("three words")
}

fn json(text: &str) -> Json {
    Json::try_from_text(text).expect("JSON")
}

fn steps(count: usize) -> Arc<[StepAddress]> {
    (0..count).map(|index| address(&format!("d.s.step-{index}"))).collect()
}

fn rules() -> Rules {
    let defaults = Manifest::of(address("d.s.any"));
    let policy = |attempt_count_max| RetryPolicy { attempt_count_max, initial: SECOND, max: SECOND * 10 };
    let retry = Retry { handle: policy(3), compensate: policy(5), fault: policy(2) };
    Rules { retry, wait: defaults.wait, policy: Policy::default() }
}

/// A message to step `position` of `count`, on its way forward, with the entries of those before it.
fn forward(position: u16, count: usize) -> Envelope {
    let start = Start {
        global_id: GlobalId::try_new("saga").expect("an id"),
        steps: steps(count),
        body: json("\"in\""),
        use_case: None,
        deadline: None,
        trace: None,
    };
    let mut envelope = Envelope::try_start(start).expect("steps");
    for before in 0..position {
        let entry = CompensationEntry {
            position: Position(before),
            digest: Some(Digest([7; 32])),
            log: Some(json(&format!("\"log-{before}\""))),
        };
        envelope.meta = envelope.meta.advanced().expect("a next step").with_compensation_entry(entry);
    }
    envelope
}

/// The same on its way back.
fn backward(position: u16, count: usize) -> Envelope {
    let turned = forward(position + 1, count);
    let case = Case { envelope: &turned, attempts: Attempts::default(), rules: &rules(), moment: moment() };
    let failure = case.failure(FailureKind::Rejected, "no", "no");
    Envelope { meta: turned.meta.turned_round(failure).expect("a step before it"), ..turned }
}

fn moment() -> Moment {
    Moment { now: Timestamp::from_ms(NOW), jitter: Jitter::new(0.5) }
}

fn answered(outcome: Outcome) -> Input {
    Input::Answered { answer: Answer::Outcome(outcome), digest: Some(Digest([1; 32])) }
}

fn done() -> Input {
    answered(Outcome::Done { body: json("\"out\""), compensation: Some(json("\"log\"")) })
}

fn rejected() -> Input {
    answered(Outcome::Rejected { code: "no-stock".into(), reason: "none left".into(), details: None })
}

fn retry() -> Input {
    answered(Outcome::Retry { reason: "busy".into(), after: None })
}

fn fault() -> Input {
    let fault = Fault { kind: FaultKind::Trap, reason: "panicked".into() };
    Input::Answered { answer: Answer::Fault(fault), digest: None }
}

fn wait(timeout: Option<Duration>) -> Input {
    let key = WaitKey::try_new("customer/42").expect("a key");
    answered(Outcome::Wait { key, reason: "not registered".into(), timeout })
}

fn expired(on_timeout: OnTimeout) -> Input {
    let key = WaitKey::try_new("customer/42").expect("a key");
    Input::WaitExpired { key, reason: "not registered".into(), on_timeout }
}

fn acted(verb: Verb) -> Input {
    let global_id = GlobalId::try_new("saga").expect("an id");
    Input::Acted(Mark { global_id, verb, who: "ada".into(), reason: Some("so".into()), at: Timestamp::from_ms(NOW) })
}

fn failed(retry_count: u32, fault_count: u32) -> Attempts {
    Attempts { retry_count, fault_count }
}

/// In words.
fn told(transition: &Transition) -> String {
    let events: Vec<_> = transition.events.iter().map(Event::as_str).collect();
    let after = |at: Timestamp| at.since(Timestamp::from_ms(NOW)).as_millis();
    let next = match &transition.next {
        Next::Publish(envelope) => {
            format!("{} {} {}", envelope.meta.direction.as_str(), envelope.meta.position().0, envelope.body.as_str())
        }
        Next::Again { due, attempts } => {
            format!("again after {} ms, failed {}+{}", after(*due), attempts.retry_count, attempts.fault_count)
        }
        Next::Park { key, until, .. } => format!("parked under {key} for {} ms", after(*until)),
        Next::DeadLetter(failure) => format!("dead letter {} {}", failure.kind.as_str(), failure.code),
        Next::End(status) => format!("{status:?}"),
        Next::Drop => "dropped".to_owned(),
    };
    let aside = transition.aside.as_ref().map_or_else(String::new, |failure| format!(" + aside {}", failure.code));
    format!("{} | {next}{aside}", events.join(", "))
}

struct Row {
    name: &'static str,
    message: Envelope,
    attempts: Attempts,
    input: Input,
    rules: Rules,
    expected: &'static str,
}

fn row(name: &'static str, message: Envelope, input: Input, expected: &'static str) -> Row {
    Row { name, message, attempts: Attempts::default(), input, rules: rules(), expected }
}

impl Row {
    fn failed(self, retry_count: u32, fault_count: u32) -> Self {
        Self { attempts: failed(retry_count, fault_count), ..self }
    }

    fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.rules.policy);
        self
    }

    fn pivot(self, position: u16) -> Self {
        self.policy(|policy| policy.pivot = Some(Position(position)))
    }

    fn deadline(mut self, ms: i64) -> Self {
        self.message.meta.deadline = Some(Timestamp::from_ms(NOW.checked_add_signed(ms).expect("in range")));
        self
    }

    fn given_up(mut self, positions: &[u16]) -> Self {
        self.message.meta.given_up = positions.iter().map(|position| Position(*position)).collect();
        self
    }
}

fn check(rows: impl IntoIterator<Item = Row>) {
    for row in rows {
        let transition = decide(&row.message, row.attempts, row.input, &row.rules, moment());
        assert_eq!(told(&transition), row.expected, "{}", row.name);
    }
}

fn compensate_when_exhausted(policy: &mut Policy) {
    policy.on_exhausted = OnExhausted::Compensate;
}

fn go_on_behind(policy: &mut Policy) {
    policy.on_compensation_failure = OnCompensationFailure::Continue;
}

#[test]
fn done_goes_on_in_the_direction_of_travel_and_ends_at_the_last_stop() {
    check([
        row("first", forward(0, 3), done(), "done | handle 1 \"out\""),
        row("middle", forward(1, 3), done(), "done | handle 2 \"out\""),
        row("last", forward(2, 3), done(), "done, ended | Completed"),
        row("only", forward(0, 1), done(), "done, ended | Completed"),
        row("back", backward(1, 3), done(), "compensated | compensate 0 \"out\""),
        row("back at the first", backward(0, 3), done(), "compensated, ended | Compensated"),
        row("never ran", backward(1, 3), Input::NeverRan, "not-run | compensate 0 \"in\""),
        row("never ran at the first", backward(0, 3), Input::NeverRan, "not-run, ended | Compensated"),
        row("late", forward(1, 3), Input::Late { reason: "it ended".into() }, "late-dropped | dropped"),
    ]);
}

#[test]
fn a_refusal_turns_the_saga_round_at_the_step_before() {
    check([
        row("first", forward(0, 3), rejected(), "rejected, ended | Compensated"),
        row("only", forward(0, 1), rejected(), "rejected, ended | Compensated"),
        row("middle", forward(1, 3), rejected(), "rejected | compensate 0 \"in\""),
        row("last", forward(2, 3), rejected(), "rejected | compensate 1 \"in\""),
        row("at the pivot", forward(1, 3), rejected(), "rejected | compensate 0 \"in\"").pivot(1),
        row("past the pivot", forward(2, 3), rejected(), "retried | again after 500 ms, failed 1+0").pivot(1),
        row("past it for long", forward(2, 3), rejected(), "dead-lettered | dead letter rejected no-stock")
            .pivot(1)
            .failed(2, 0),
        row(
            "past it, exhausted compensates",
            forward(2, 3),
            rejected(),
            "dead-lettered | dead letter rejected no-stock",
        )
        .pivot(1)
        .policy(compensate_when_exhausted)
        .failed(2, 0),
    ]);
}

#[test]
fn technical_failures_have_two_budgets_of_their_own() {
    check([
        row("retry", forward(1, 3), retry(), "retried | again after 500 ms, failed 1+0"),
        row("second retry", forward(1, 3), retry(), "retried | again after 1000 ms, failed 2+0").failed(1, 0),
        row("last retry", forward(1, 3), retry(), "dead-lettered | dead letter retry-exhausted retry-exhausted")
            .failed(2, 0),
        row("retry after faults", forward(1, 3), retry(), "retried | again after 500 ms, failed 1+9").failed(0, 9),
        row("fault", forward(1, 3), fault(), "retried | again after 500 ms, failed 0+1"),
        row("last fault", forward(1, 3), fault(), "dead-lettered | dead letter trap trap").failed(0, 1),
        row("fault after retries", forward(1, 3), fault(), "retried | again after 500 ms, failed 2+1").failed(2, 0),
        row("exhausted compensates", forward(1, 3), retry(), "rejected | compensate 0 \"in\"")
            .policy(compensate_when_exhausted)
            .failed(2, 0),
        row("exhausted at the first", forward(0, 3), retry(), "rejected, ended | Compensated")
            .policy(compensate_when_exhausted)
            .failed(2, 0),
        row("a fault does not", forward(1, 3), fault(), "dead-lettered | dead letter trap trap")
            .policy(compensate_when_exhausted)
            .failed(0, 1),
        row(
            "nor past the pivot",
            forward(2, 3),
            retry(),
            "dead-lettered | dead letter retry-exhausted retry-exhausted",
        )
        .policy(compensate_when_exhausted)
        .pivot(1)
        .failed(2, 0),
        row("back it is tried longer", backward(1, 3), retry(), "retried | again after 4000 ms, failed 4+0")
            .failed(3, 0),
    ]);
}

#[test]
fn what_a_step_asks_for_is_the_least_wait_and_has_a_bound() {
    let after = |after| answered(Outcome::Retry { reason: "busy".into(), after: Some(after) });
    check([
        row("longer", forward(1, 3), after(SECOND * 60), "retried | again after 60000 ms, failed 1+0"),
        row("shorter", forward(1, 3), after(SECOND / 10), "retried | again after 500 ms, failed 1+0"),
        row("for ever", forward(1, 3), after(Duration::MAX), "retried | again after 31622400000 ms, failed 1+0"),
    ]);
}

#[test]
fn a_wait_parks_the_message_and_its_time_out_is_a_refusal_or_a_dead_letter() {
    let dead = "dead-lettered | dead letter wait-timeout wait-timeout";
    check([
        row("of the manifest", forward(1, 3), wait(None), "waiting | parked under customer/42 for 86400000 ms"),
        row("of the step", forward(1, 3), wait(Some(SECOND)), "waiting | parked under customer/42 for 1000 ms"),
        row(
            "bounded",
            forward(1, 3),
            wait(Some(Duration::MAX)),
            "waiting | parked under customer/42 for 31622400000 ms",
        ),
        row("going back", backward(1, 3), wait(Some(SECOND)), "waiting | parked under customer/42 for 1000 ms"),
        row("expired", forward(1, 3), expired(OnTimeout::Reject), "rejected | compensate 0 \"in\""),
        row("expired, error", forward(1, 3), expired(OnTimeout::Error), dead),
        row("expired past the pivot", forward(2, 3), expired(OnTimeout::Reject), dead).pivot(1),
        row("expired going back", backward(1, 3), expired(OnTimeout::Reject), dead),
        row(
            "expired going back, going on",
            backward(1, 3),
            expired(OnTimeout::Error),
            "dead-lettered | compensate 0 \"in\" + aside wait-timeout",
        )
        .policy(go_on_behind),
    ]);
}

#[test]
fn a_deadline_cuts_every_wait_short_and_turns_round_what_can_be_turned() {
    check([
        row("retry", forward(1, 3), retry(), "retried | again after 100 ms, failed 1+0").deadline(100),
        row("retry when it has passed", forward(1, 3), retry(), "retried | again after 0 ms, failed 1+0").deadline(-1),
        row("wait", forward(1, 3), wait(None), "waiting | parked under customer/42 for 100 ms").deadline(100),
        row("not past the pivot", forward(2, 3), retry(), "retried | again after 500 ms, failed 1+0")
            .deadline(1)
            .pivot(1),
        row("not going back", backward(1, 3), wait(Some(SECOND)), "waiting | parked under customer/42 for 1000 ms")
            .deadline(1),
        row("passed", forward(1, 3), Input::DeadlinePassed, "rejected | compensate 0 \"in\"").deadline(0),
        row("passed at the first", forward(0, 3), Input::DeadlinePassed, "rejected, ended | Compensated").deadline(0),
        row("passed while waiting", forward(1, 3), expired(OnTimeout::Error), "rejected | compensate 0 \"in\"")
            .deadline(0),
        row(
            "a wait that outlasts a retry's",
            forward(1, 3),
            expired(OnTimeout::Error),
            "dead-lettered | dead letter wait-timeout wait-timeout",
        )
        .deadline(1),
        // Not asked for by any caller; were it asked for, the host would live and a person would see it.
        row(
            "passed past the pivot",
            forward(2, 3),
            Input::DeadlinePassed,
            "dead-lettered | dead letter deadline deadline",
        )
        .deadline(0)
        .pivot(1),
        row(
            "passed going back",
            backward(1, 3),
            Input::DeadlinePassed,
            "dead-lettered | dead letter deadline deadline",
        )
        .deadline(0),
    ]);
}

#[test]
fn a_compensation_that_cannot_be_done_stops_those_behind_it_or_is_put_aside() {
    check([
        row("refused", backward(1, 3), rejected(), "dead-lettered | dead letter rejected no-stock"),
        row("exhausted", backward(1, 3), retry(), "dead-lettered | dead letter retry-exhausted retry-exhausted")
            .failed(4, 0),
        row(
            "exhausted, exhausted compensates",
            backward(1, 3),
            retry(),
            "dead-lettered | dead letter retry-exhausted retry-exhausted",
        )
        .policy(compensate_when_exhausted)
        .failed(4, 0),
        row("fault", backward(1, 3), fault(), "dead-lettered | dead letter trap trap").failed(0, 1),
        row("aside", backward(1, 3), rejected(), "dead-lettered | compensate 0 \"in\" + aside no-stock")
            .policy(go_on_behind),
        row("aside after a fault", backward(1, 3), fault(), "dead-lettered | compensate 0 \"in\" + aside trap")
            .policy(go_on_behind)
            .failed(0, 1),
        row(
            "aside at the first",
            backward(0, 3),
            rejected(),
            "dead-lettered, ended | CompensationFailed + aside no-stock",
        )
        .policy(go_on_behind),
        row("done behind one", backward(1, 3), done(), "compensated | compensate 0 \"out\"").given_up(&[2]),
        row("the first behind one", backward(0, 3), done(), "compensated, ended | CompensationFailed").given_up(&[1]),
        row("never ran behind one", backward(0, 3), Input::NeverRan, "not-run, ended | CompensationFailed")
            .given_up(&[1]),
    ]);
}

#[test]
fn a_second_try_of_what_was_given_up_leads_no_further() {
    check([
        row("done", backward(1, 3), done(), "compensated, ended | Compensated").given_up(&[1]),
        row("done, another left", backward(1, 3), done(), "compensated, ended | CompensationFailed").given_up(&[2, 1]),
        row("skipped", backward(1, 3), acted(Verb::Skip), "acted, ended | Compensated").given_up(&[1]),
        row("busy", backward(1, 3), retry(), "retried | again after 500 ms, failed 1+0").given_up(&[1]),
        row("given up again", backward(1, 3), rejected(), "dead-lettered, ended | CompensationFailed + aside no-stock")
            .given_up(&[1])
            .policy(go_on_behind),
    ]);
}

#[test]
fn a_person_moves_a_saga_from_wherever_it_stands() {
    check([
        row("retry", forward(1, 3), acted(Verb::Retry), "acted | again after 0 ms, failed 0+0").failed(2, 1),
        row("retry going back", backward(1, 3), acted(Verb::Retry), "acted | again after 0 ms, failed 0+0")
            .failed(4, 1),
        row("compensate", forward(1, 3), acted(Verb::Compensate), "acted, rejected | compensate 0 \"in\""),
        row("compensate at the first", forward(0, 3), acted(Verb::Compensate), "acted, rejected, ended | Compensated"),
        row(
            "compensate past the pivot",
            forward(2, 3),
            acted(Verb::Compensate),
            "acted, rejected | compensate 1 \"in\"",
        )
        .pivot(0),
        row("compensate going back", backward(1, 3), acted(Verb::Compensate), "acted | again after 0 ms, failed 0+0"),
        row("skip", forward(1, 3), acted(Verb::Skip), "acted | handle 2 \"in\""),
        row("skip the last", forward(2, 3), acted(Verb::Skip), "acted, ended | Completed"),
        row("skip the only", forward(0, 1), acted(Verb::Skip), "acted, ended | Completed"),
        row("skip going back", backward(1, 3), acted(Verb::Skip), "acted | compensate 0 \"in\""),
        row("skip the first going back", backward(0, 3), acted(Verb::Skip), "acted, ended | Compensated"),
        row("skip behind one given up", backward(0, 3), acted(Verb::Skip), "acted, ended | CompensationFailed")
            .given_up(&[1]),
        row("close", forward(1, 3), acted(Verb::Close), "acted, ended | Closed"),
        row("close going back", backward(1, 3), acted(Verb::Close), "acted, ended | Closed"),
    ]);
}

#[test]
fn a_finished_step_leaves_its_entry_and_a_skipped_one_leaves_none() {
    let next = |input| match decide(&forward(1, 3), Attempts::default(), input, &rules(), moment()).next {
        Next::Publish(envelope) => envelope.meta.clone(),
        other => panic!("{other:?}"),
    };
    let entry = next(done()).compensation_entry(Position(1)).cloned().expect("an entry");
    assert_eq!((entry.digest, entry.log), (Some(Digest([1; 32])), Some(json("\"log\""))));
    let silent = answered(Outcome::Done { body: json("1"), compensation: None });
    assert_eq!(next(silent).compensation_entry(Position(1)).map(|entry| entry.log.clone()), Some(None));
    let skipped = next(acted(Verb::Skip));
    assert_eq!(skipped.compensation_entry(Position(1)), None);
    assert!(skipped.compensation_entry(Position(0)).is_some());
}

#[test]
fn the_letter_of_what_was_given_up_names_it_and_the_message_behind_it_too() {
    let mut rules = rules();
    go_on_behind(&mut rules.policy);
    let message = backward(1, 3);
    let transition = decide(&message, Attempts::default(), rejected(), &rules, moment());
    let Some(Event::DeadLettered { letter, standing: Standing::Beside, .. }) = transition.events.first() else {
        panic!("{transition:?}")
    };
    let decoded = crate::envelope::decode(letter, Direction::Compensate, message.meta.address(), &Limits::default());
    let decoded = decoded.expect("our own letter");
    assert_eq!((&decoded.body, decoded.meta.given_up.as_slice()), (&message.body, &[Position(1)][..]));
    let Next::Publish(behind) = transition.next else { panic!("it goes on") };
    assert_eq!(behind.meta.given_up.as_slice(), [Position(1)]);
}

#[test]
fn texts_of_a_failure_are_cut_and_printable() {
    let reason = format!("a\u{0}b\n{}", "é".repeat(4096));
    let input = answered(Outcome::Rejected { code: "c".repeat(500), reason, details: None });
    let transition = decide(&forward(1, 3), Attempts::default(), input, &rules(), moment());
    let Some(Event::Rejected { failure, .. }) = transition.events.first() else { panic!("{transition:?}") };
    assert!(failure.reason.starts_with("a b\né") && failure.reason.ends_with('…'), "{}", failure.reason);
    assert!(failure.reason.len() <= limits::REASON_BYTES_MAX && failure.code.len() <= limits::CODE_BYTES_MAX);
    assert_eq!((failure.position, failure.direction), (Position(1), Direction::Handle));
}

#[test]
fn an_answer_too_large_for_the_next_message_is_a_fault_now() {
    let limits = Limits { body_bytes_max: 100, meta_bytes_max: 4000, step_count_max: 64 };
    let text = |bytes: usize| json(&format!("\"{}\"", "x".repeat(bytes - 2)));
    let answer = |body, log| Answer::Outcome(Outcome::Done { body: text(body), compensation: Some(text(log)) });
    let is_fault = |envelope: &Envelope, answer| match bounded(envelope, answer, &limits) {
        Answer::Fault(fault) => {
            assert_eq!(fault.kind, FaultKind::OutputLimit);
            true
        }
        Answer::Outcome(_) => false,
    };
    let message = forward(1, 3);
    assert!(!is_fault(&message, answer(100, 10)));
    assert!(is_fault(&message, answer(101, 10)));
    assert!(!is_fault(&message, answer(10, 1500)));
    assert!(is_fault(&message, answer(10, 2000)));
    // Going back, nothing is logged any more.
    assert!(!is_fault(&backward(1, 3), answer(10, 2000)));
    assert!(is_fault(&backward(1, 3), answer(101, 10)));
}

#[test]
fn what_bounded_lets_pass_can_be_read_at_the_next_step_and_after_a_refusal_there() {
    let limits = Limits::default();
    for bytes in (50_000..60_000).step_by(500) {
        let log = json(&format!("\"{}\"", "x".repeat(bytes)));
        let answer = Answer::Outcome(Outcome::Done { body: json("1"), compensation: Some(log) });
        let Answer::Outcome(outcome) = bounded(&forward(1, 3), answer, &limits) else { continue };
        let transition = decide(&forward(1, 3), Attempts::default(), answered(outcome), &rules(), moment());
        let Next::Publish(next) = transition.next else { panic!("it goes on") };
        let refusal = answered(Outcome::Rejected { code: "\n".repeat(500), reason: "\n".repeat(5000), details: None });
        let transition = decide(&next, Attempts::default(), refusal, &rules(), moment());
        let Next::Publish(back) = transition.next else { panic!("it turns round") };
        for message in [next, back] {
            let read =
                crate::envelope::decode(&encode(&message), message.meta.direction, message.meta.address(), &limits);
            assert_eq!(read.as_ref(), Ok(&*message), "{bytes}");
        }
    }
}
