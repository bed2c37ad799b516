//! A step in Rust: cargo makes a component by itself.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::Project;
use crate::exit::Stop;
use crate::terminal::note;

const TARGET: &str = "wasm32-wasip2";

pub(super) fn compile(project: &Project, profile: &str) -> anyhow::Result<Vec<u8>> {
    need_tools()?;
    note(format_args!("compiling {} for {TARGET}", project.address));
    let component = made_by_cargo(project, profile)?;
    std::fs::read(&component).with_context(|| format!("reading {}", component.display()))
}

/// Say what is missing and how to get it, before cargo fails in the middle.
fn need_tools() -> anyhow::Result<()> {
    let answer = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    let answer = answer.map_err(|_| Stop::no("there is no Rust compiler here; install it from https://rustup.rs"))?;
    let folder = String::from_utf8_lossy(&answer.stdout);
    if answer.status.success() && Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    Err(Stop::no(format!("this Rust toolchain lacks the target {TARGET}; add it with `rustup target add {TARGET}`"))
        .into())
}

/// Run cargo, whose own progress goes to standard error; answers the component that it made.
fn made_by_cargo(project: &Project, profile: &str) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new("cargo")
        .current_dir(&project.dir)
        .args(["build", "--lib", "--target", TARGET, "--profile", profile])
        .arg("--message-format=json-render-diagnostics")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Stop::no(format!("cargo cannot be run: {error}; install Rust from https://rustup.rs")))?;
    let out = cargo.stdout.take().context("the output of cargo was piped")?;
    let mut component = None;
    for line in BufReader::new(out).lines() {
        component = made_component(&line?, &project.dir).or(component);
    }
    if !cargo.wait()?.success() {
        return Err(Stop::no("the step does not compile; see above").into());
    }
    component.ok_or_else(|| {
        let cure = "add `crate-type = [\"cdylib\", \"rlib\"]` under [lib] in Cargo.toml";
        Stop::no(format!("cargo made no component; {cure}")).into()
    })
}

/// The component that one of cargo's messages tells of, if it is the project's own.
fn made_component(message: &str, dir: &Path) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    let manifest = Path::new(message["manifest_path"].as_str()?).canonicalize().ok()?;
    if manifest.parent() != dir.canonicalize().ok().as_deref() {
        return None;
    }
    let files = message["filenames"].as_array()?;
    files.iter().filter_map(|file| file.as_str()).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_projects_own_component_is_taken() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let manifest = folder.path().join("Cargo.toml");
        std::fs::write(&manifest, "").expect("writing");
        let message = |manifest: &Path| {
            serde_json::json!({"reason": "compiler-artifact", "manifest_path": manifest,
                "filenames": ["/t/libx.rlib", "/t/x.wasm"]})
            .to_string()
        };
        assert_eq!(made_component(&message(&manifest), folder.path()), Some(PathBuf::from("/t/x.wasm")));
        assert_eq!(made_component(&message(Path::new("/other/Cargo.toml")), folder.path()), None);
        assert_eq!(made_component("not json", folder.path()), None);
    }
}
