//! Every target over its corpus, and over a bounded number of mutations of it. `FUZZ_SEED` repeats a run (the seed
//! is part of a failure's words), `FUZZ_TIMES` makes it longer. Led by coverage and for hours: scripts/fuzz.

use std::panic::{AssertUnwindSafe, catch_unwind};

use saga_fuzz::{TARGETS, Target, corpus, mutate, target};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Run one input; if it breaks a promise, say how to see it again.
fn check(target: &Target, input: &[u8], origin: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err() {
        panic!("{} breaks a promise on {origin}: b\"{}\"", target.name, input.escape_ascii());
    }
}

fn fuzz(name: &str) {
    let target = target(name);
    let inputs = corpus::of(target);
    assert!(inputs.len() >= 3, "{name} has no corpus");
    for input in &inputs {
        check(target, input, "its corpus");
    }
    let seed = number("FUZZ_SEED", 7);
    let mut rng = fastrand::Rng::with_seed(seed);
    let times = usize::try_from(number("FUZZ_TIMES", 1)).unwrap_or(1);
    for _ in 0..target.mutation_count * times {
        let (one, other) = (&inputs[rng.usize(0..inputs.len())], &inputs[rng.usize(0..inputs.len())]);
        check(target, &mutate::mutated(&mut rng, one, other), &format!("seed {seed}"));
    }
}

#[test]
fn every_target_is_run_here() {
    let here = include_str!("targets.rs");
    for target in TARGETS {
        assert!(here.contains(&format!("fuzz(\"{}\")", target.name)), "{} is not run", target.name);
    }
}

#[test]
fn envelope() {
    fuzz("envelope");
}

#[test]
fn json() {
    fuzz("json");
}

#[test]
fn use_case() {
    fuzz("use-case");
}

#[test]
fn manifest() {
    fuzz("manifest");
}

#[test]
fn record() {
    fuzz("record");
}

#[test]
fn store_rows() {
    fuzz("store-rows");
}

#[test]
fn broker_rows() {
    fuzz("broker-rows");
}

#[test]
fn http() {
    fuzz("http");
}
