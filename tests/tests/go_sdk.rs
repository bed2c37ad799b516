//! The Go SDK in the component that `saga build` makes. Goal: a step in Go does what the contract and the steps of the
//! other languages do, and what the SDK reads and writes in memory is where the contract has it. Method: build the
//! conformance step and hold it to its cases; derive the places from `wit/` and compare with the committed file.

use saga_tests::conformance::{built, run_cases, run_sandbox, run_seeds, run_soak};
use saga_tests::go_layout;
use saga_tests::tidy::tree::root;

#[test]
fn the_conformance_step_in_go_holds_every_case() {
    let (wasm, manifest) = built("go");
    run_cases(&wasm, &manifest);
}

#[test]
fn a_step_in_go_has_chance_and_time_ends_at_its_limits_and_serves_many_calls() {
    let (wasm, manifest) = built("go");
    run_sandbox(&wasm, &manifest);
}

/// Go draws the seeds of its hashes and the order of a map's keys when a program begins.
#[test]
fn each_instance_in_go_has_hash_seeds_and_orders_of_keys_of_its_own() {
    let (wasm, manifest) = built("go");
    run_seeds(&wasm, &manifest);
}

#[test]
fn an_instance_in_go_serves_thousands_of_calls_in_the_memory_it_has() {
    let (wasm, manifest) = built("go");
    run_soak(&wasm, &manifest);
}

/// With `SAGA_WRITE_LAYOUT=1` the file is written instead, for whoever changes the contract.
#[test]
fn the_layout_of_the_go_sdk_is_that_of_the_contract() {
    let path = root().join("guest-sdk/go/internal/abi/layout.go");
    let wanted = go_layout::of_contract();
    if std::env::var_os("SAGA_WRITE_LAYOUT").is_some() {
        std::fs::write(&path, &wanted).expect("the file can be written");
    }
    let found = std::fs::read_to_string(&path).expect("the layout is committed");
    assert!(
        found == wanted,
        "guest-sdk/go/internal/abi/layout.go is not that of wit/; write it anew: SAGA_WRITE_LAYOUT=1 cargo test \
         --release --package saga-tests --test go_sdk"
    );
}
