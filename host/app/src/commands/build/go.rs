//! A step in Go: the `go` tool makes a core module, which becomes a component in here. Nothing else is needed.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::{Project, component};
use crate::exit::Stop;
use crate::terminal::{bytes, note};

/// The first version that lets a program export functions to a host.
const MINOR_MIN: u32 = 24;
const CURE: &str = "install Go 1.24 or later from https://go.dev/dl";

pub(super) fn compile(project: &Project) -> anyhow::Result<Vec<u8>> {
    need_tools(&project.dir)?;
    let folder = tempfile::tempdir().context("making a folder for what the go tool writes")?;
    let core = folder.path().join("core.wasm");
    note(format_args!("compiling {} with the go tool (the first time takes half a minute)", project.address));
    run_go(&project.dir, &core)?;
    let core = std::fs::read(&core).with_context(|| format!("reading {}", core.display()))?;
    note(format_args!("making a component of {}", bytes(core.len() as u64)));
    component::of_core_module(core)
}

/// Say what is missing and how to get it, before the go tool fails in the middle.
fn need_tools(dir: &Path) -> anyhow::Result<()> {
    let answer = Command::new("go").args(["env", "GOVERSION"]).current_dir(dir).output();
    let answer = answer.map_err(|_| Stop::no(format!("there is no go tool here; {CURE}")))?;
    if !answer.status.success() {
        let told = String::from_utf8_lossy(&answer.stderr);
        return Err(Stop::no(format!("the go tool does not take this project: {}", told.trim())).into());
    }
    let version = String::from_utf8_lossy(&answer.stdout);
    match minor(version.trim()) {
        Some(minor) if minor < MINOR_MIN => {
            Err(Stop::no(format!("{} is too old for a step; {CURE}", version.trim())).into())
        }
        // Versions that are not numbered, of those who build Go themselves, are taken as new.
        Some(_) | None => Ok(()),
    }
}

/// The middle number of `go1.26.8`.
fn minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| &rest[..end]);
    digits.parse().ok()
}

/// What the go tool has to say goes to standard error as it is. The output is the same for the same source.
fn run_go(dir: &Path, core: &Path) -> anyhow::Result<()> {
    let status = Command::new("go")
        .current_dir(dir)
        .args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"])
        // The SDK takes memory where Go's runtime does; names and lines of functions stay, for stack traces.
        .arg("-ldflags=-checklinkname=0 -s -w")
        .arg("-o")
        .arg(core)
        .arg(".")
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("CGO_ENABLED", "0")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| Stop::no(format!("the go tool cannot be run: {error}; {CURE}")))?;
    if status.success() { Ok(()) } else { Err(Stop::no("the step does not compile; see above").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart_by_their_number() {
        assert_eq!(minor("go1.26.8"), Some(26));
        assert_eq!(minor("go1.23"), Some(23));
        assert_eq!(minor("go1.27rc1"), Some(27));
        assert_eq!(minor("devel go1.28-abcdef"), None);
    }
}
