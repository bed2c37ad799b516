//! Compiles the example steps and puts them into the binary, with their manifests, their use cases, and the SDKs that
//! `saga new` unpacks. The nested cargo has a target folder of its own, so the two never wait for each other.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "step";
/// The step that `saga bench` uses; no example.
const BENCH: &str = "bench.steps.noop";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            for line in problem.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let root = variable("CARGO_MANIFEST_DIR")?.join("../..").canonicalize().map_err(|error| error.to_string())?;
    let out = variable("OUT_DIR")?;
    for watched in [
        "plugins",
        "guest-sdk/rust",
        "guest-sdk/go",
        "guest-sdk/python",
        // Not the whole folder: Maven writes into it.
        "guest-sdk/java/src/main",
        "guest-sdk/java/template",
        "guest-sdk/java/pom.xml",
        "guest-sdk/java/README.md",
        "guest-sdk/js",
        "wit",
        "Cargo.toml",
        "rust-toolchain.toml",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    let steps = steps(&root.join("plugins"))?;
    need_target()?;
    let built = build(&root, &out, &steps)?;
    let mut code = String::from("// Made by build.rs.\n");
    let (bench, examples): (Vec<Step>, Vec<Step>) = steps.into_iter().partition(|step| step.address == BENCH);
    list_steps(&mut code, "STEPS", &out, &examples, &built)?;
    list_steps(&mut code, "BENCH_STEPS", &out, &bench, &built)?;
    list_texts(&mut code, "USE_CASES", &root.join("plugins/use-cases"), &["toml", "json"])?;
    list_texts(&mut code, "SDK", &root.join("guest-sdk/rust"), &["rs", "toml", "md", "wit"])?;
    list_texts(&mut code, "TEMPLATE", &root.join("guest-sdk/rust/template"), &["rs", "toml", "md", "in", "gitignore"])?;
    list_texts(&mut code, "GO_SDK", &root.join("guest-sdk/go"), &["go", "mod", "s", "md", "wit", "toml"])?;
    list_texts(
        &mut code,
        "GO_TEMPLATE",
        &root.join("guest-sdk/go/template"),
        &["go", "toml", "md", "in", "gitignore"],
    )?;
    list_texts(&mut code, "PYTHON_SDK", &root.join("guest-sdk/python/saga_step"), &["py", "typed"])?;
    list_texts(
        &mut code,
        "PYTHON_TEMPLATE",
        &root.join("guest-sdk/python/template"),
        &["py", "toml", "md", "in", "gitignore"],
    )?;
    list_texts(&mut code, "JAVA_SDK", &root.join("guest-sdk/java"), &["java", "xml", "md"])?;
    list_texts(&mut code, "JAVA_TEMPLATE", &root.join("guest-sdk/java/template"), &["toml", "md", "in", "gitignore"])?;
    let (js, kinds) = (root.join("guest-sdk/js"), ["js", "ts", "json", "md", "toml", "gitignore"]);
    list_texts(&mut code, "JS_SDK", &js, &kinds)?;
    list_texts(&mut code, "JS_TEMPLATE", &js.join("template/js"), &kinds)?;
    list_texts(&mut code, "TS_TEMPLATE", &js.join("template/ts"), &kinds)?;
    list_texts(&mut code, "CONTRACT", &root.join("wit"), &["wit"])?;
    write_if_changed(&out.join("embedded.rs"), code.as_bytes())
}

fn variable(name: &str) -> Result<PathBuf, String> {
    std::env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("cargo did not set {name}"))
}

/// An example: the folder of a package with one `<address>.toml`.
struct Step {
    package: String,
    address: String,
    manifest: PathBuf,
}

fn steps(plugins: &Path) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    for folder in entries(plugins)? {
        let cargo = folder.join("Cargo.toml");
        if !cargo.is_file() {
            continue;
        }
        let package = package_name(&cargo)?;
        let manifests: Vec<PathBuf> = entries(&folder)?.into_iter().filter(|path| address(path).is_some()).collect();
        let [manifest] = manifests.as_slice() else {
            return Err(format!(
                "{} must hold exactly one <address>.toml, it holds {}",
                folder.display(),
                manifests.len()
            ));
        };
        let address = address(manifest).expect("only such files were taken");
        steps.push(Step { package, address, manifest: manifest.clone() });
    }
    if steps.is_empty() { Err("there is no example step under plugins/".to_owned()) } else { Ok(steps) }
}

/// The address that a manifest's file name is.
fn address(path: &Path) -> Option<String> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".toml")?;
    (stem.split('.').count() == 3).then(|| stem.to_owned())
}

/// The first `name` of a Cargo.toml is its package's.
fn package_name(cargo: &Path) -> Result<String, String> {
    let text = read(cargo)?;
    let name = text.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    name.map(str::to_owned).ok_or_else(|| format!("{} names no package", cargo.display()))
}

/// Say what is missing before cargo fails in the middle with a thousand lines.
fn need_target() -> Result<(), String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output();
    let folder = answer.ok().and_then(|answer| String::from_utf8(answer.stdout).ok());
    if folder.is_some_and(|folder| Path::new(folder.trim()).is_dir()) {
        return Ok(());
    }
    Err(format!(
        "the example steps are compiled for {TARGET}, which this toolchain lacks\n\
         add it with: rustup target add {TARGET}    (or run scripts/install, which does it)"
    ))
}

/// Build all of them with one nested cargo; answers the folder with the components.
fn build(root: &Path, out: &Path, steps: &[Step]) -> Result<PathBuf, String> {
    // OUT_DIR is <target>/<profile>/build/<package>/out.
    let target_dir = out.ancestors().nth(4).ok_or("the target folder is not where cargo puts it")?.join("steps");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).arg("build").args(["--target", TARGET, "--profile", PROFILE]);
    command.arg("--target-dir").arg(&target_dir);
    for step in steps {
        command.args(["--package", &step.package]);
    }
    // What the outer build sets for itself (lints, coverage, flags of the host's processor) is not meant for guests.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET",
        "CLIPPY_ARGS",
        "RUSTDOCFLAGS",
    ] {
        command.env_remove(name);
    }
    let answer = command.output().map_err(|error| format!("cargo cannot be run for the example steps: {error}"))?;
    if !answer.status.success() {
        let told = String::from_utf8_lossy(&answer.stderr);
        return Err(format!("the example steps do not build:\n{told}"));
    }
    Ok(target_dir.join(TARGET).join(PROFILE))
}

fn list_steps(code: &mut String, name: &str, out: &Path, steps: &[Step], built: &Path) -> Result<(), String> {
    writeln!(code, "pub const {name}: &[ExampleStep] = &[").map_err(|error| error.to_string())?;
    for step in steps {
        let file = built.join(format!("{}.wasm", step.package.replace('-', "_")));
        let wasm = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let kept = out.join(format!("{}.wasm", step.address));
        write_if_changed(&kept, &wasm)?;
        writeln!(
            code,
            "    ExampleStep {{ address: {:?}, wasm: include_bytes!({:?}), manifest: include_str!({:?}) }},",
            step.address, kept, step.manifest,
        )
        .map_err(|error| error.to_string())?;
    }
    writeln!(code, "];").map_err(|error| error.to_string())
}

/// Every text file below a folder, by its path relative to it. The template is listed apart from the SDK around it.
fn list_texts(code: &mut String, name: &str, folder: &Path, kinds: &[&str]) -> Result<(), String> {
    let mut files = BTreeMap::new();
    collect(folder, folder, kinds, &mut files)?;
    writeln!(code, "pub const {name}: &[EmbeddedText] = &[").map_err(|error| error.to_string())?;
    for (path, file) in files {
        writeln!(code, "    EmbeddedText {{ path: {path:?}, text: include_str!({file:?}) }},")
            .map_err(|error| error.to_string())?;
    }
    writeln!(code, "];").map_err(|error| error.to_string())
}

fn collect(root: &Path, folder: &Path, kinds: &[&str], files: &mut BTreeMap<String, PathBuf>) -> Result<(), String> {
    for path in entries(folder)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            // The tests of an SDK are not for its users; those of a template are.
            let is_test_of_sdk = name == "test" && !root.ends_with("template");
            if !is_test_of_sdk && !matches!(name.as_str(), "target" | "template" | "tests" | "examples" | "benches") {
                collect(root, &path, kinds, files)?;
            }
            continue;
        }
        if kinds.contains(&name.rsplit('.').next().unwrap_or_default()) {
            let relative = path.strip_prefix(root).map_err(|error| error.to_string())?;
            files.insert(relative.to_string_lossy().into_owned(), path.clone());
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// An unchanged file keeps its time, so that nothing behind it is compiled again.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
