//! One instance of the conformance step that serves call after call, with bodies of random sizes: none of them may end
//! it, each must be answered rightly, and its memory must come to stand still. Prints the memory on the way.

use std::path::Path;
use std::time::Instant;

use host_core::manifest::{CallsPerInstance, Manifest};
use host_core::outcome::{Answer, Outcome};
use host_runtime::Report;
use serde_json::json;

use super::{Stage, manifest_of};

/// More with SAGA_TEST_CALLS.
const CALLS: u64 = 5_000;
/// Bytes of padding of nearly every body.
const PADDING_BYTES_MAX: usize = 64 << 10;
/// Every so many calls one has a body of the greatest size that a message may have.
const CALLS_PER_GREAT_ONE: u64 = 250;
const GREAT_PADDING_BYTES: usize = (1 << 20) - 100;
/// An instance whose memory passed half its limit would be replaced; this one must live.
const MEMORY_BYTES_MAX: usize = 512 << 20;
/// Growth that is no trend: a step or two in which a heap grows, whatever the number of calls.
const GROWTH_BYTES_MAX: usize = 4 << 20;

/// SAGA_TEST_CALLS calls of one instance. Panics if one goes wrong, and if memory grows on after the first tenth.
#[expect(clippy::print_stdout, reason = "a test's own words, shown with --nocapture")]
pub fn run_soak(wasm: &Path, manifest: &Path) {
    let calls = std::env::var("SAGA_TEST_CALLS").ok().map_or(CALLS, |text| text.parse().expect("SAGA_TEST_CALLS"));
    let mut manifest = Manifest { calls_per_instance: CallsPerInstance::Unlimited, ..manifest_of(manifest) };
    manifest.limits.memory_bytes_max = MEMORY_BYTES_MAX;
    let stage = Stage::new(wasm, manifest);
    let mut random = fastrand::Rng::with_seed(11);
    let (began, mut memory_bytes, mut at_first) = (Instant::now(), 0, 0);
    for number in 1..=calls {
        let is_great = number % CALLS_PER_GREAT_ONE == 0;
        let size = if is_great { GREAT_PADDING_BYTES } else { random.usize(..PADDING_BYTES_MAX) };
        memory_bytes = call(&stage, number, size);
        if number == (calls / 10).max(CALLS_PER_GREAT_ONE) {
            at_first = memory_bytes;
        }
        if matches!(number, 1 | 1_000 | 20_000 | 100_000 | 200_000) || number == calls {
            let (kib, seconds) = (memory_bytes >> 10, began.elapsed().as_secs_f64());
            println!("{}: {kib} KiB after {number} calls, {seconds:.1} s", wasm.display());
        }
    }
    assert_eq!(stage.note("calls"), (calls + 1).to_string(), "all were served by one instance");
    let grown = memory_bytes.saturating_sub(at_first);
    assert!(grown <= GROWTH_BYTES_MAX, "memory grew from {at_first} bytes by {grown}, {GROWTH_BYTES_MAX} are allowed");
}

/// One call, of one act or another. Answers what memory the instance has.
fn call(stage: &Stage, number: u64, padding_bytes: usize) -> usize {
    let acts = ["set", "keyvalue", "emit", "reject", "error"];
    let act = acts[usize::try_from(number % acts.len() as u64).expect("a small number")];
    let padding = "x".repeat(padding_bytes);
    let start = format!(r#"{{"do":"{act}","pad":"{padding}","to":"{number}""#);
    let (report, _) = stage.call(&json!({"body": format!("{start}}}")}));
    let is_right = match (act, &report) {
        ("set", Report { answer: Answer::Outcome(Outcome::Done { body, .. }), .. }) => {
            body.as_str().strip_prefix(&start) == Some(&format!(r#","note":"{number}"}}"#))
        }
        ("keyvalue", Report { answer: Answer::Outcome(Outcome::Done { .. }), effects, .. }) => {
            effects.writes.len() == 2
        }
        ("emit", Report { answer: Answer::Outcome(Outcome::Done { .. }), effects, .. }) => effects.emits.len() == 1,
        ("reject", Report { answer: Answer::Outcome(Outcome::Rejected { .. }), .. })
        | ("error", Report { answer: Answer::Outcome(Outcome::Retry { .. }), .. }) => true,
        _ => false,
    };
    assert!(is_right, "call {number}, {act} with {padding_bytes} bytes, came to {:?}", report.answer);
    report.usage.memory_bytes
}
