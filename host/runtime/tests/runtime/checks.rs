//! Goal: a file that is not what a step must be is refused with the cure, before anything of it is compiled.

use host_core::manifest::{Grant, Manifest};
use host_runtime::{Rejection, Trial, inspect};

use crate::support::{STEP, address, guest, root};

fn inspected(program: &str) -> Result<host_runtime::Inspection, Rejection> {
    inspect(&std::fs::read(guest(program)).unwrap())
}

#[test]
fn a_good_step_tells_what_it_needs() {
    let inspection = inspected("keyvalue").unwrap();
    assert_eq!(inspection.grants(), [Grant::KeyValue]);
    assert!(inspection.exports.contains(&"saga:step/step@0.1.0".to_owned()));
    assert!(inspection.imports.iter().any(|import| import.starts_with("wasi:cli/stderr@0.2")));
    assert_eq!(inspection.wasm_bytes, std::fs::metadata(guest("keyvalue")).unwrap().len());
    assert_eq!(inspected("echo").unwrap().grants(), []);
}

#[test]
fn an_ungranted_import_is_refused_with_the_grant_to_add() {
    let inspection = inspected("trap_after_writes").unwrap();
    let mut manifest = Manifest::of(address(STEP));
    manifest.grants = vec![Grant::KeyValue];
    let refused = inspection.check_grants(&manifest).unwrap_err().to_string();
    assert_eq!(refused, "imports saga:step/events@0.1.0 but the manifest does not grant it: add grants = [\"events\"]");
    manifest.grants.push(Grant::Events);
    inspection.check_grants(&manifest).unwrap();
}

#[test]
fn what_is_no_step_is_refused_with_words() {
    for (program, words) in [
        ("other_version", "made for saga:step@9.1.0, this host serves saga:step@0.1.0"),
        ("missing_export", "exports no saga:step/step@0.1.0"),
        ("unknown_import", "imports what no host serves: acme:nuclear/button@1.0.0"),
    ] {
        let refused = inspected(program).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    let refused = |bytes: &[u8]| inspect(bytes).unwrap_err();
    assert!(matches!(refused(b""), Rejection::NotWasm(_)));
    assert!(matches!(refused(b"#!/bin/sh\n"), Rejection::NotWasm(_)));
    assert_eq!(refused(b"\0asm\x01\0\0\0"), Rejection::CoreModule);
    let exports = refused(b"\0asm\x0d\0\x01\0").to_string();
    assert!(exports.contains("it exports nothing"), "{exports}");
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let wasm = std::fs::read(guest("echo")).unwrap();
    let step = (wasm.len() / 97).max(1);
    for length in (0..wasm.len()).step_by(step) {
        assert!(inspect(&wasm[..length]).is_err(), "the first {length} of {} bytes", wasm.len());
    }
}

#[tokio::test]
async fn functions_of_another_type_are_refused_before_the_first_call() {
    let refused = Trial::try_new(&guest("wrong_types"), Manifest::of(address(STEP))).await;
    let words = refused.err().unwrap().to_string();
    assert!(words.starts_with("not a valid component"), "{words}");
}

#[tokio::test]
async fn a_step_that_dies_while_it_starts_is_refused_in_its_own_words() {
    let refused = Trial::try_new(&guest("panic_at_start"), Manifest::of(address(STEP))).await;
    let words = refused.err().unwrap().to_string();
    assert!(words.contains("does not come to life") && words.contains("dies before it lives"), "{words}");
}

#[tokio::test]
async fn a_step_that_never_comes_to_life_is_refused() {
    let refused = Trial::try_new(&guest("loop_at_start"), Manifest::of(address(STEP))).await;
    let words = refused.err().unwrap().to_string();
    assert!(words.contains("does not come to life: has not started after 5s"), "{words}");
}

#[tokio::test]
async fn a_manifest_that_asks_for_more_than_a_host_has_is_refused() {
    let mut manifest = Manifest::of(address(STEP));
    manifest.limits.memory_bytes_max = host_runtime::limits::MEMORY_BYTES_HARD_MAX + 1;
    let refused = Trial::try_new(&guest("echo"), manifest).await;
    assert!(matches!(refused.err(), Some(Rejection::Manifest(_))));
}

/// A program that no test names proves nothing.
#[test]
fn every_program_has_a_test() {
    let here = root().join("host/runtime/tests/runtime");
    let mut tests: String =
        std::fs::read_dir(here).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    // The table of whole-system tests: it holds itself to name every program that misbehaves.
    tests += &std::fs::read_to_string(root().join("tests/tests/bad_guests.rs")).unwrap();
    let manifest = std::fs::read_to_string(root().join("tests/guests/Cargo.toml")).unwrap();
    for entry in std::fs::read_dir(root().join("tests/guests/examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not built: name it in Cargo.toml");
        assert!(tests.contains(&format!("\"{name}\"")), "{name} has no test");
    }
}
