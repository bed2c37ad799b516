//! The programs of tests/guests, compiled: those in Rust by cargo, into the folder that the runtime's own tests use
//! too, and those that no compiler would make from their text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::artefacts::target_dir;
use crate::tidy::tree::root;

/// A program and what its header says of it.
#[derive(Debug, Clone)]
pub struct Guest {
    pub wasm: Vec<u8>,
    /// Whether it does something that the host must contain.
    pub misbehaves: bool,
}

/// All programs by name.
pub fn all() -> BTreeMap<String, Guest> {
    build();
    let compiled = target_dir().join("guests").join("wasm32-wasip2").join("step").join("examples");
    let mut guests = BTreeMap::new();
    for (name, path) in files("examples", "rs") {
        let wasm = std::fs::read(compiled.join(format!("{name}.wasm"))).expect("cargo has just built it");
        let text = std::fs::read_to_string(path).expect("a program is text");
        guests.insert(name, Guest { wasm, misbehaves: text.starts_with("//! Misbehaves") });
    }
    for (name, path) in files("wat", "wat") {
        let earlier = guests.insert(name, Guest { wasm: component(&path), misbehaves: true });
        assert!(earlier.is_none(), "{} has the name of a Rust program", path.display());
    }
    guests
}

fn files(folder: &str, ending: &str) -> Vec<(String, PathBuf)> {
    let folder = root().join("tests/guests").join(folder);
    let paths = std::fs::read_dir(folder).expect("the programs are there").map(|entry| entry.expect("an entry").path());
    let named = paths.filter(|path| path.extension().is_some_and(|found| found == ending)).map(|path| {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("programs have plain names");
        (name.to_owned(), path.clone())
    });
    named.collect()
}

fn build() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--examples", "--target", "wasm32-wasip2", "--profile", "step", "--target-dir"])
        .arg(target_dir().join("guests"))
        .current_dir(root().join("tests/guests"))
        // What cargo told this test about its own build must not reach the build of the guests.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "the guests do not compile:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// A core module's text as a component of the world that steps are built against.
fn component(path: &Path) -> Vec<u8> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let mut module = wat::parse_file(path).unwrap_or_else(|error| panic!("{}", told(&error)));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit")).expect("the contract is well-formed");
    let world = resolve.select_world(&[package], Some("step-plugin")).expect("the contract has this world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .unwrap_or_else(|error| panic!("{}", told(&error)));
    let encoder = ComponentEncoder::default().module(&module).unwrap_or_else(|error| panic!("{}", told(&error)));
    encoder.validate(true).encode().unwrap_or_else(|error| panic!("{}: {error:#}", path.display()))
}
