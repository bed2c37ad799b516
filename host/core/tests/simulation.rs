//! Goal: whatever steps, services, clocks and people do, a saga ends or stands before a person with a reason; what is
//! undone was done, in reverse order; and the journal tells exactly what was lived.
//! Method: a host in a few lines around `decide`, driven by a tape of random choices that is read again from its start
//! when it ends, so that no outcome is ever sure to change. Budgets are small; what is unbounded in life (signals,
//! persons) is bounded here.

#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeSet;

use host_core::id::Position;
use host_core::record::{EndStatus, Event, Record, Verb};
use host_core::saga::{CallState, Saga, Status};
use host_core::use_case::{OnCompensationFailure, OnExhausted, Policy};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use world::{Case, End, Lived, live};

prop_compose! {
    fn any_case()(
        step_count in 1u16..6,
        foreign in prop::collection::vec(prop::bool::weighted(0.2), 6),
        pivot in prop::option::weighted(0.3, 0u16..6),
        compensates in any::<bool>(),
        goes_on in any::<bool>(),
        deadline_ms in prop::option::weighted(0.3, 1u64..30_000),
        budgets in (1u32..4, 1u32..4, 1u32..3),
        tape in prop::collection::vec(any::<u8>(), 1..120),
        signals in 0u32..4,
        acts in 0u32..4,
    ) -> Case {
        Case {
            step_count,
            foreign,
            policy: Policy {
                pivot: pivot.filter(|pivot| *pivot < step_count).map(Position),
                on_exhausted: if compensates { OnExhausted::Compensate } else { OnExhausted::Error },
                on_compensation_failure:
                    if goes_on { OnCompensationFailure::Continue } else { OnCompensationFailure::Stop },
            },
            deadline_ms,
            budgets,
            tape,
            signals,
            acts,
        }
    }
}

fn verbs(lived: &Lived) -> Vec<Verb> {
    let verb = |record: &Record| match &record.event {
        Event::Acted { verb, .. } => Some(*verb),
        _ => None,
    };
    lived.journal.iter().filter_map(verb).collect()
}

/// Undone in the order of the calls, second tries left out.
fn first_undos(lived: &Lived) -> Vec<Position> {
    lived.compensated.iter().filter(|undo| !undo.second_try).map(|undo| undo.position).collect()
}

fn is_strictly_falling(positions: &[Position]) -> bool {
    positions.windows(2).all(|pair| pair[0] > pair[1])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// `live` itself asserts, at every transition, that the fold agrees with what was decided, and that it ends.
    #[test]
    fn every_saga_ends_or_stands_before_a_person_with_a_reason(case in any_case()) {
        let lived = live(&case);
        match lived.end {
            End::Over(status) => {
                prop_assert!(lived.saga.ended);
                prop_assert_eq!(lived.saga.status, Status::from(status));
            }
            End::BeforePerson => {
                prop_assert!(!lived.saga.ended);
                prop_assert!(matches!(lived.saga.status, Status::Failed | Status::CompensationFailed));
                let failure = lived.saga.failure.as_ref().expect("a failure");
                prop_assert!(!failure.reason.is_empty() && !failure.code.is_empty());
                prop_assert!(lived.saga.letter.is_some());
            }
        }
    }

    #[test]
    fn compensations_run_in_reverse_order_and_only_for_what_ran(case in any_case()) {
        let lived = live(&case);
        prop_assert!(is_strictly_falling(&first_undos(&lived)), "{:?}", lived.compensated);
        for undo in &lived.compensated {
            prop_assert!(lived.handled.contains(&undo.position), "{undo:?} of {:?}", lived.handled);
        }
        // Nothing that was done runs again once its undoing began, and nothing is undone by success.
        let is_back = |record: &Record| matches!(record.event, Event::Compensated { .. });
        let first_undo = lived.journal.iter().position(is_back).unwrap_or(lived.journal.len());
        let is_done = |record: &Record| matches!(record.event, Event::Done { .. });
        prop_assert!(!lived.journal[first_undo..].iter().any(is_done));
        if lived.end == End::Over(EndStatus::Completed) {
            prop_assert!(lived.compensated.is_empty());
        }
    }

    #[test]
    fn a_compensated_saga_has_undone_everything_that_no_person_skipped(case in any_case()) {
        let lived = live(&case);
        if lived.end == End::Over(EndStatus::Compensated) && !verbs(&lived).contains(&Verb::Skip) {
            let undone = lived.compensated.iter().filter(|undo| undo.done);
            let mut done: Vec<_> = undone.map(|undo| undo.position).collect();
            done.sort();
            prop_assert_eq!(done, lived.handled.clone());
        }
        if lived.end == End::Over(EndStatus::CompensationFailed) {
            prop_assert!(!lived.saga.given_up.is_empty());
            prop_assert!(lived.saga.letter.is_some());
        }
    }

    #[test]
    fn past_the_pivot_only_a_person_turns_a_saga_round(case in any_case()) {
        let lived = live(&case);
        let Some(pivot) = case.policy.pivot else { return Ok(()) };
        if lived.handled.contains(&pivot) && !verbs(&lived).contains(&Verb::Compensate) && !case.has_foreign() {
            prop_assert!(lived.compensated.is_empty());
        }
    }

    #[test]
    fn replaying_the_journal_gives_the_state_that_was_lived(case in any_case()) {
        let lived = live(&case);
        let mut bytes = Vec::new();
        lived.journal.iter().for_each(|record| record.encode_into(&mut bytes));
        let journal = Record::decode_all(&lived.saga.global_id, &bytes).expect("our own journal");
        prop_assert_eq!(&journal, &lived.journal);
        prop_assert_eq!(Saga::fold(&journal), Some(lived.saga));
    }

    #[test]
    fn show_tells_of_every_call_what_came_of_it(case in any_case()) {
        let lived = live(&case);
        for step in &lived.saga.steps {
            let ran = lived.handled.contains(&step.position);
            let state = step.handle.state;
            if !case.is_foreign(step.position) {
                prop_assert_eq!(state == CallState::Done, ran, "step {} is {:?}", step.position.0, state);
            }
            let undone = lived.compensated.iter().any(|undo| undo.position == step.position && undo.done);
            let back = step.compensate.as_ref().map(|call| call.state);
            if !case.is_foreign(step.position) {
                prop_assert_eq!(back == Some(CallState::Done), undone, "step {} is {:?}", step.position.0, back);
            }
            if lived.saga.ended && lived.saga.status != Status::Closed {
                prop_assert!(!matches!(state, CallState::Pending | CallState::Retrying | CallState::Waiting));
            }
        }
    }
}

/// The properties above would hold of a world in which nothing happens; this one says what does.
#[test]
fn the_tapes_reach_every_end_and_every_way_there() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..3000 {
        let case = any_case().new_tree(&mut runner).expect("a case").current();
        let lived = live(&case);
        seen.insert(format!("{:?}", lived.end));
        seen.extend(lived.journal.iter().map(|record| record.event.as_str().to_owned()));
        seen.extend(verbs(&lived).iter().map(|verb| verb.as_str().to_owned()));
        seen.extend(lived.saga.turned_by.iter().map(|failure| failure.kind.as_str().to_owned()));
        let second_try = lived.compensated.iter().find(|undo| undo.second_try);
        seen.extend(second_try.map(|undo| format!("second try done: {}", undo.done)));
        let mended = lived.saga.status == Status::Compensated && second_try.is_some();
        seen.extend(mended.then(|| "mended after the end".to_owned()));
        seen.extend((lived.compensated.len() > 2).then(|| "long way back".to_owned()));
    }
    for expected in [
        "Over(Completed)",
        "Over(Compensated)",
        "Over(CompensationFailed)",
        "Over(Closed)",
        "BeforePerson",
        "started",
        "done",
        "rejected",
        "retried",
        "waiting",
        "signalled",
        "dead-lettered",
        "compensated",
        "not-run",
        "acted",
        "ended",
        "retry",
        "compensate",
        "skip",
        "close",
        "retry-exhausted",
        "wait-timeout",
        "deadline",
        "operator",
        "second try done: true",
        "second try done: false",
        "mended after the end",
        "long way back",
    ] {
        assert!(seen.contains(expected), "no tape led to {expected}");
    }
}
