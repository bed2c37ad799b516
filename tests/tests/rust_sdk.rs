//! The Rust SDK in the component that `saga build` makes. Goal: a step in Rust does what the contract and the steps of
//! the other languages do. Method: build the conformance step and hold it to its cases.

use saga_tests::conformance::{built, run_cases, run_sandbox, run_soak};

#[test]
fn the_conformance_step_in_rust_holds_every_case() {
    let (wasm, manifest) = built("rust");
    run_cases(&wasm, &manifest);
}

#[test]
fn a_step_in_rust_has_chance_and_time_ends_at_its_limits_and_serves_many_calls() {
    let (wasm, manifest) = built("rust");
    run_sandbox(&wasm, &manifest);
}

#[test]
fn an_instance_in_rust_serves_thousands_of_calls_in_the_memory_it_has() {
    let (wasm, manifest) = built("rust");
    run_soak(&wasm, &manifest);
}
