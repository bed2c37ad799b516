//! What the binary carries: the example steps with their use cases, the SDKs with the templates of a new step,
//! and the contract.
//! build.rs makes the lists.

/// An example step, compiled.
pub struct ExampleStep {
    pub address: &'static str,
    pub wasm: &'static [u8],
    pub manifest: &'static str,
}

/// A text file, by its path below its folder.
pub struct EmbeddedText {
    pub path: &'static str,
    pub text: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_every_example_use_case_is_carried() {
        for file in USE_CASES.iter().filter(|file| file.path.ends_with(".toml")) {
            let use_case = host_core::use_case::parse(file.path, file.text).expect(file.path);
            for step in &*use_case.steps {
                assert!(STEPS.iter().any(|example| example.address == step.as_str()), "{}: {step}", file.path);
            }
        }
    }

    #[test]
    fn every_example_is_a_component_that_its_manifest_lets_in() {
        for step in STEPS {
            let address = host_core::id::StepAddress::try_new(step.address).expect(step.address);
            let manifest = host_core::manifest::parse(address, "manifest", step.manifest).expect(step.address);
            let inspection = host_runtime::inspect(step.wasm).expect(step.address);
            inspection.check_grants(&manifest).expect(step.address);
        }
    }
}
