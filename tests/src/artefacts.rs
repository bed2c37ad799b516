//! Finds what the tests run: the program `saga` and the compiled steps. Builds the steps once; the program must be
//! there, because a test that built it would hide that the gate did not.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::tidy::tree::root;

/// The folder that cargo writes to.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// Where `saga build` keeps the tools of a language for all tests: in the one folder that may be thrown away.
pub fn tool_cache() -> PathBuf {
    target_dir().join("saga-cache")
}

/// Where steps in Rust that are made in tests are compiled, so that what they build on is compiled once.
pub fn step_target_dir() -> PathBuf {
    target_dir().join("conformance").join("cargo")
}

/// The program under test.
pub fn saga() -> PathBuf {
    let path = target_dir().join("release").join("saga");
    assert!(
        path.is_file(),
        "{} is not built; run the tests with scripts/test, or run: cargo build --release --package host-app",
        path.display()
    );
    path
}

/// An example step, or the instrument.
#[derive(Debug, Clone)]
pub struct Step {
    pub address: String,
    pub wasm: PathBuf,
    pub manifest: PathBuf,
}

/// The example steps, compiled.
pub fn example_steps() -> &'static [Step] {
    static STEPS: OnceLock<Vec<Step>> = OnceLock::new();
    STEPS.get_or_init(|| {
        let mut steps = Vec::new();
        let folder = root().join("plugins");
        for entry in std::fs::read_dir(&folder).expect("the examples lie in plugins/").flatten() {
            let package = entry.path();
            if !package.join("Cargo.toml").is_file() {
                continue;
            }
            steps.push(step_of(&package));
        }
        assert!(steps.len() >= 14, "there are 14 example steps, {} were found", steps.len());
        let packages: Vec<&str> = steps.iter().map(|(package, _)| package.as_str()).collect();
        build(&packages);
        steps.into_iter().map(|(_, step)| step).collect()
    })
}

/// Where the use cases of the examples lie.
pub fn example_use_cases() -> PathBuf {
    root().join("plugins").join("use-cases")
}

/// The step that does as it is told, compiled.
pub fn instrument() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            build(&["saga-tests-instrument"]);
            component("saga-tests-instrument")
        })
        .clone()
}

/// The same without what it keeps, for hosts that share their work.
pub fn stateless_instrument() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            build(&["saga-tests-instrument-stateless"]);
            component("saga-tests-instrument-stateless")
        })
        .clone()
}

/// A package's name and its step. The manifest's file name is the address.
fn step_of(package: &std::path::Path) -> (String, Step) {
    let name = package.file_name().and_then(|name| name.to_str()).expect("folders have plain names").to_owned();
    let manifest = std::fs::read_dir(package)
        .expect("the folder was just listed")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|e| e == "toml") && !path.ends_with("Cargo.toml"))
        .unwrap_or_else(|| panic!("{} holds no <address>.toml", package.display()));
    let address = manifest.file_stem().and_then(|stem| stem.to_str()).expect("addresses are plain").to_owned();
    let wasm = component(&name);
    (name, Step { address, wasm, manifest })
}

/// Compile with the profile and into the folder that the program's own build uses, so that it is done once.
fn build(packages: &[&str]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root()).args(["build", "--locked", "--profile", "step", "--target", "wasm32-wasip2"]);
    command.arg("--target-dir").arg(target_dir().join("steps"));
    packages.iter().for_each(|package| {
        command.args(["--package", package]);
    });
    let output = command.output().expect("cargo can be started");
    assert!(output.status.success(), "the steps do not compile:\n{}", String::from_utf8_lossy(&output.stderr));
}

fn component(package: &str) -> PathBuf {
    let file = format!("{}.wasm", package.replace('-', "_"));
    target_dir().join("steps").join("wasm32-wasip2").join("step").join(file)
}

/// The same component with another digest: an empty custom section with this name is added at its end.
pub fn another_version(wasm: &[u8], name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).ok().filter(|length| *length < 127).expect("a short name");
    let mut bytes = wasm.to_vec();
    // Section 0 (custom), its size, the length of its name, the name. Sizes below 128 are one byte of LEB128.
    bytes.extend_from_slice(&[0, length + 1, length]);
    bytes.extend_from_slice(name.as_bytes());
    bytes
}
