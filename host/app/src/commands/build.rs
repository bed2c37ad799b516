//! `saga build`: compile the step of a project folder into `<address>.wasm`, and check it at once.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use clap::Args;
use host_core::id::StepAddress;

use crate::exit::{Exit, Stop};
use crate::terminal::{bytes, note, say};

const TARGET: &str = "wasm32-wasip2";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga build                                   in a folder that `saga new` wrote: dist/<address>.wasm
  saga build --out ../saga-demo/plugins        straight into a host, which replaces the old version without a pause
  saga build steps/payment --out plugins")]
pub struct Options {
    /// Folder of the project, with one `<address>.toml` in it.
    #[arg(default_value = ".")]
    pub dir: PathBuf,

    /// Where `<address>.wasm` and `<address>.toml` go; ./dist of the project if it is left out.
    #[arg(long)]
    pub out: Option<PathBuf>,

    /// Cargo profile; the template's `release` makes small components.
    #[arg(long, default_value = "release")]
    pub profile: String,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let project = Project::find(&options.dir)?;
    need_tools()?;
    note(format_args!("compiling {} for {TARGET}", project.address));
    let component = compile(&project, &options.profile)?;
    let wasm = std::fs::read(&component).with_context(|| format!("reading {}", component.display()))?;
    let manifest = std::fs::read_to_string(&project.manifest)
        .with_context(|| format!("reading {}", project.manifest.display()))?;
    check(&project, &wasm, &manifest)?;
    let out = options.out.clone().unwrap_or_else(|| project.dir.join("dist"));
    std::fs::create_dir_all(&out).with_context(|| format!("making {}", out.display()))?;
    // The manifest first: a host that sees the new step must not load it under the old grants.
    let manifest_file = out.join(format!("{}.toml", project.address));
    if std::fs::canonicalize(&manifest_file).ok() != std::fs::canonicalize(&project.manifest).ok() {
        replace(&manifest_file, manifest.as_bytes())?;
    }
    let file = out.join(format!("{}.wasm", project.address));
    replace(&file, &wasm)?;
    say(format_args!("wrote {} ({})", file.display(), bytes(wasm.len() as u64)))?;
    note(format_args!("try it: saga call {} --body '{{}}'", file.display()));
    Ok(Exit::Success)
}

/// A folder with a Cargo.toml and one manifest, whose name is the step's address.
struct Project {
    dir: PathBuf,
    address: StepAddress,
    manifest: PathBuf,
}

impl Project {
    fn find(dir: &Path) -> anyhow::Result<Self> {
        let entries = std::fs::read_dir(dir)
            .map_err(|error| Stop::usage(format!("the project folder {} cannot be read: {error}", dir.display())))?;
        let mut manifests = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let stem = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".toml"));
            if let Some(Ok(address)) = stem.map(StepAddress::try_new) {
                manifests.push((address, path));
            }
        }
        let Some((address, manifest)) = manifests.pop().filter(|_| manifests.is_empty()) else {
            let hint =
                "a step's project has exactly one file <domain>.<subdomain>.<service>.toml; `saga new` writes one";
            return Err(Stop::usage(format!("{} is no project of one step: {hint}", dir.display())).into());
        };
        if !dir.join("Cargo.toml").is_file() {
            let hint = "this version of saga builds steps in Rust; a Cargo.toml is missing";
            return Err(Stop::usage(format!("{} cannot be built: {hint}", dir.display())).into());
        }
        Ok(Self { dir: dir.to_owned(), address, manifest })
    }
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
fn compile(project: &Project, profile: &str) -> anyhow::Result<PathBuf> {
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

/// What a host would refuse is told now.
fn check(project: &Project, wasm: &[u8], manifest: &str) -> anyhow::Result<()> {
    let file = project.manifest.file_name().unwrap_or_default().to_string_lossy();
    let manifest = host_core::manifest::parse(project.address.clone(), &file, manifest).map_err(|mistakes| {
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        Stop::no(lines.join("\n"))
    })?;
    let inspection = host_runtime::inspect(wasm).map_err(|rejection| Stop::no(rejection.to_string()))?;
    inspection.check_grants(&manifest).map_err(|rejection| Stop::no(format!("{file}: {rejection}")).into())
}

/// Put a whole file in the place of the old one, so that a watching host never reads half of it.
fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).with_context(|| format!("writing into {}", folder.display()))?;
    std::fs::write(file.path(), content).with_context(|| format!("writing {}", path.display()))?;
    // A temporary file is private to its owner; a plugin is read by the host, whoever that is.
    #[cfg(unix)]
    std::fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.persist(path).with_context(|| format!("writing {}", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_known_by_its_one_manifest() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let refused = |reason: &str| {
            let error = Project::find(folder.path()).err().expect("no project");
            assert!(error.to_string().contains(reason), "{error}");
        };
        refused("exactly one file");
        std::fs::write(folder.path().join("a.b.c.toml"), "").expect("writing");
        refused("Cargo.toml is missing");
        std::fs::write(folder.path().join("Cargo.toml"), "").expect("writing");
        assert_eq!(Project::find(folder.path()).expect("a project").address.as_str(), "a.b.c");
        std::fs::write(folder.path().join("a.b.d.toml"), "").expect("writing");
        refused("exactly one file");
    }

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
