//! Installations for measuring: on the disk, with the no-op step under as many addresses as asked for, or with the
//! example steps.

use super::Scratch;
use crate::artefacts;
use crate::installation::Installation;

/// Sagas of the no-op step as the bench has them: three steps.
pub(super) const STEPS: [&str; 3] = ["bench.steps.s1", "bench.steps.s2", "bench.steps.s3"];
pub(super) const USE_CASE: &str = "bench";

/// The no-op step, compiled.
pub(super) fn noop() -> Vec<u8> {
    let step = artefacts::example_steps().iter().find(|step| step.address == "bench.steps.noop");
    std::fs::read(&step.expect("plugins/ holds the bench's step").wasm).expect("the step was built")
}

/// With a use case of three no-ops.
pub(super) fn with_noops(scratch: Scratch<'_>) -> Installation {
    with_noops_at(scratch, &STEPS)
}

/// The same of the no-ops under these addresses.
pub(super) fn with_noops_at(scratch: Scratch<'_>, steps: &[&str]) -> Installation {
    let installation = scratch.installation();
    let wasm = noop();
    for address in steps {
        installation.manifest(address, "calls-per-instance = \"unlimited\"\nconcurrency = 1024\n");
        installation.plugin(address, &wasm);
    }
    installation.use_case_of(USE_CASE, steps, "");
    installation
}

/// With so many of the example steps, each another program.
pub(super) fn with_examples(scratch: Scratch<'_>, count: usize) -> Installation {
    let installation = scratch.installation();
    let steps = artefacts::example_steps();
    assert!(steps.len() >= count, "there are {} example steps, {count} are asked for", steps.len());
    for step in &steps[..count] {
        let manifest = std::fs::read_to_string(&step.manifest).expect("a manifest is text");
        installation.manifest(&step.address, &manifest);
        installation.plugin(&step.address, &std::fs::read(&step.wasm).expect("the step was built"));
    }
    installation
}

/// With the instrument under these names, and a use case `play` of all.
pub(super) fn with_instruments(scratch: Scratch<'_>, names: &[&str]) -> Installation {
    let installation = scratch.installation();
    installation.add_instruments(names);
    installation
}
