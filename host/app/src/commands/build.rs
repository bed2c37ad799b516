//! `saga build`: compile the step of a project folder into `<address>.wasm`, and check it at once.

mod component;
mod go;
pub(super) mod js;
mod python;
mod rust;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use host_core::id::StepAddress;
use host_core::manifest::Manifest;

use super::language::{JAVA_BUILD, JAVA_INSTALL, Language};
use crate::exit::{Exit, Stop};
use crate::terminal::{bytes, note, say};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga build                                   in a folder that `saga new` wrote: dist/<address>.wasm
  saga build --out ../saga-demo/plugins        straight into a host, which replaces the old version without a pause
  saga build steps/payment --out plugins

A step in Rust needs cargo, one in Go the go tool (1.24 or later), one in Python python3 (3.10 or later); what else
Python needs is brought once into $SAGA_CACHE_DIR, else $XDG_CACHE_HOME/saga, else ~/.cache/saga.")]
pub struct Options {
    /// Folder of the project, with one `<address>.toml` in it.
    #[arg(default_value = ".")]
    pub dir: PathBuf,

    /// Where `<address>.wasm` and `<address>.toml` go; ./dist of the project if it is left out.
    #[arg(long)]
    pub out: Option<PathBuf>,

    /// Cargo profile of a step in Rust; `release` if it is left out, which the template makes small components of.
    #[arg(long)]
    pub profile: Option<String>,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let project = Project::find(&options.dir)?;
    let wasm = compile(&project, options.profile.as_deref())?;
    let manifest = std::fs::read_to_string(&project.manifest)
        .with_context(|| format!("reading {}", project.manifest.display()))?;
    check(&project, &wasm)?;
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

/// The component of the project, by the tools of its language.
fn compile(project: &Project, profile: Option<&str>) -> anyhow::Result<Vec<u8>> {
    if !matches!(project.language, Language::Rust | Language::Java) && profile.is_some() {
        let message = format!("--profile is cargo's; {} has no profiles, leave it out", project.language.name());
        return Err(Stop::usage(message).into());
    }
    match project.language {
        Language::Rust => rust::compile(project, profile.unwrap_or("release")),
        Language::Go => go::compile(project),
        Language::Python => python::compile(project),
        Language::Js | Language::Ts => js::compile(project),
        Language::Java => Err(is_remote(project).into()),
    }
}

/// A worker is no component: nothing of it goes to the host but its manifest.
fn is_remote(project: &Project) -> Stop {
    Stop::usage(format!(
        "{address} is a remote step: it runs in a worker, which Maven builds, and is no component\n\
         once:   {JAVA_INSTALL}\n\
         build:  {JAVA_BUILD}\n\
         serve:  copy {address}.toml into the host's plugins folder and start the worker, as README.md tells",
        address = project.address
    ))
}

/// A folder with what its language's tools ask for and one manifest, whose name is the step's address.
pub(super) struct Project {
    dir: PathBuf,
    pub(super) address: StepAddress,
    manifest: PathBuf,
    language: Language,
}

impl Project {
    pub(super) fn find(dir: &Path) -> anyhow::Result<Self> {
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
        let Some(language) = Language::of_project(dir) else {
            let hint = "a project in Rust has a Cargo.toml, one in Go a go.mod, one in Python a step.py, one in \
                        JavaScript a step.js or step.ts, one in Java a pom.xml; there is none of them";
            return Err(Stop::usage(format!("{} cannot be built: {hint}", dir.display())).into());
        };
        Ok(Self { dir: dir.to_owned(), address, manifest, language })
    }

    /// The manifest, read as a host reads it.
    fn manifest(&self) -> anyhow::Result<Manifest> {
        let text =
            std::fs::read_to_string(&self.manifest).with_context(|| format!("reading {}", self.manifest.display()))?;
        let file = self.manifest.file_name().unwrap_or_default().to_string_lossy();
        host_core::manifest::parse(self.address.clone(), &file, &text).map_err(|mistakes| {
            let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
            Stop::no(lines.join("\n")).into()
        })
    }
}

/// What a host would refuse is told now.
fn check(project: &Project, wasm: &[u8]) -> anyhow::Result<()> {
    let manifest = project.manifest()?;
    let file = project.manifest.file_name().unwrap_or_default().to_string_lossy();
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
        refused("there is none of them");
        std::fs::write(folder.path().join("Cargo.toml"), "").expect("writing");
        assert_eq!(Project::find(folder.path()).expect("a project").address.as_str(), "a.b.c");
        std::fs::write(folder.path().join("a.b.d.toml"), "").expect("writing");
        refused("exactly one file");
    }
}
