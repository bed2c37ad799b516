//! A step in Python: componentize-py runs the author's module once, in a Python inside wasm, and keeps what comes of it
//! as a component. It is brought by pip into a folder of saga's own, so a team needs `python3` and nothing else.

mod cache;
mod dependencies;
mod leaks;
mod output;
mod sources;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::Context as _;
use host_core::manifest::Grant;
use host_runtime::STEP_VERSION;

use super::Project;
use crate::embedded::{CONTRACT, EmbeddedText, PYTHON_SDK};
use crate::exit::Stop;
use crate::terminal::note;

/// What makes the component, and so which Python runs in it: this one carries CPython 3.14.
const TOOL: &str = "componentize-py";
const TOOL_VERSION: &str = "0.25.1";
/// The Python inside the component, which dependencies are chosen for.
const INNER_VERSION: &str = "3.14";
/// The oldest `python3` that the tool itself runs on.
const MINOR_MIN: u32 = 10;
const CURE: &str = "install Python 3.10 or later from https://www.python.org or by your system's packages";

/// A world of the contract's package, made for each build: a component of Python imports all that its world does, used
/// or not, so it is made of what the manifest grants.
const WORLD: &str = "granted-step";
/// Names of the contract's interfaces as modules of `wit_world.imports`; the SDK imports them by these.
const INTERFACES: [(&str, &str); 5] = [
    ("wasi:logging/logging@0.1.0-draft", "saga-logging"),
    ("wasi:config/store@0.2.0-rc.1", "saga-config"),
    ("wasi:keyvalue/store@0.2.0-draft2", "saga-keyvalue"),
    ("saga:step/events@0.1.0", "saga-events"),
    ("saga:step/types@0.1.0", "saga-types"),
];
/// The module that the tool begins with: it imports the author's, which is called `step`.
const ENTRY: &str = "saga_entry";
const ENTRY_TEXT: &str = "from saga_step import _component\n\nStep = _component.of_module(\"step\")\n";

pub(super) fn compile(project: &Project) -> anyhow::Result<Vec<u8>> {
    let sources = sources::find(&project.dir)?;
    let python = need_python()?;
    let tool = need_tool(python)?;
    let packages = dependencies::bring(&project.dir, &tool)?;
    let folder = tempfile::tempdir().context("making a folder for the build")?;
    // The tool lets the module write where it lies, and looks into every folder that it is given: it gets a copy.
    let inner = folder.path().join("step");
    sources::copy(&sources, &inner)?;
    let wit = folder.path().join("wit");
    write_all(&wit, CONTRACT)?;
    let world = world(&project.manifest()?.grants);
    std::fs::write(wit.join("granted-step.wit"), world).context("writing the world of the step")?;
    let entry = folder.path().join("entry");
    write_all(&entry, &[EmbeddedText { path: "saga_entry.py", text: ENTRY_TEXT }])?;
    // Behind the project's own: for a project that carries no SDK, as those in this repository.
    let own = folder.path().join("sdk");
    write_all(&own.join("saga_step"), PYTHON_SDK)?;
    let paths: Vec<PathBuf> = [inner, entry].into_iter().chain(packages).chain([own]).collect();
    note(format_args!("compiling {} with {TOOL} {TOOL_VERSION} (half a minute)", project.address));
    let wasm = run_tool(&tool, folder.path(), &paths)?;
    let file = wasm.map_err(|said| Stop::no(output::told(&said, &sources.root)))?;
    let written = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    leaks::stopped(&written).context("mending what the tool made")
}

fn world(grants: &[Grant]) -> String {
    let imports = grants.iter().map(|grant| match grant {
        Grant::Config => "wasi:config/store@0.2.0-rc.1",
        Grant::KeyValue => "wasi:keyvalue/store@0.2.0-draft2",
        Grant::Events => "events",
    });
    let lines = ["wasi:logging/logging@0.1.0-draft"].into_iter().chain(imports);
    let lines: String = lines.map(|import| format!("    import {import};\n")).collect();
    format!("package saga:step@{STEP_VERSION};\n\nworld {WORLD} {{\n{lines}    export step;\n}}\n")
}

/// A Python that can make environments. Says what is missing and how to get it, before anything fails in the middle.
fn need_python() -> anyhow::Result<&'static str> {
    let python = "python3";
    let ask = "import sys; print(*sys.version_info[:2]); import venv, ensurepip";
    let answer = clean(Command::new(python).args(["-c", ask])).output();
    let answer = answer.map_err(|_| Stop::no(format!("there is no python3 here; {CURE}")))?;
    let version = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    match version.split_once(' ').map(|(major, minor)| (major, minor.parse::<u32>())) {
        Some(("3", Ok(minor))) if minor < MINOR_MIN => {
            Err(Stop::no(format!("python3 is version 3.{minor}, which is too old; {CURE}")).into())
        }
        Some(_) if answer.status.success() => Ok(python),
        Some(_) => {
            let cure = "on Debian and Ubuntu: apt-get install python3-venv";
            Err(Stop::no(format!("python3 has no module `venv` or no `ensurepip`; {cure}")).into())
        }
        None => {
            let told = String::from_utf8_lossy(&answer.stderr);
            Err(Stop::no(format!("python3 does not work here: {}", told.trim())).into())
        }
    }
}

/// The environment with the tool in it; made the first time.
fn need_tool(python: &str) -> anyhow::Result<Environment> {
    let name = format!("{TOOL}-{TOOL_VERSION}");
    // The environment leads to the Python that made it: when that is gone, it is made anew.
    let is_alive = |folder: &Path| Environment(folder.to_owned()).python().exists();
    let folder = cache::made_once(&name, TOOL_VERSION, is_alive, |folder| {
        note(format_args!("bringing {TOOL} {TOOL_VERSION} into {} (once, 50 MB)", folder.display()));
        let made = clean(Command::new(python).args(["-m", "venv"]).arg(folder)).output();
        succeeded(made, "python3 -m venv")?;
        let environment = Environment(folder.to_owned());
        let mut pip = environment.pip();
        pip.args(["--only-binary=:all:", "--no-deps"]).arg(format!("{TOOL}=={TOOL_VERSION}"));
        let told = format!(
            "{TOOL} cannot be brought; it comes from the package index of Python, so this needs the network once"
        );
        succeeded(pip.output(), &told)
    })?;
    Ok(Environment(folder))
}

/// An environment of Python's with the tool in it.
struct Environment(PathBuf);

impl Environment {
    fn python(&self) -> PathBuf {
        self.0.join("bin").join("python")
    }

    /// `pip install` with what is always said to it.
    fn pip(&self) -> Command {
        let mut command = Command::new(self.python());
        clean(&mut command).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
        command
    }
}

/// What a program of Python's would take from the shell it was started in, and what belongs to another project.
fn clean(command: &mut Command) -> &mut Command {
    for name in ["PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_USER"] {
        command.env_remove(name);
    }
    command
}

fn succeeded(answer: std::io::Result<Output>, what: &str) -> anyhow::Result<()> {
    let answer = answer.map_err(|error| Stop::no(format!("{what}: {error}")))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = [answer.stdout, answer.stderr].concat();
    Err(Stop::no(format!("{what}:\n{}", String::from_utf8_lossy(&said).trim())).into())
}

/// The component, or what the tool said when it made none.
fn run_tool(tool: &Environment, folder: &Path, paths: &[PathBuf]) -> anyhow::Result<Result<PathBuf, String>> {
    let wasm = folder.join("step.wasm");
    // Without an environment that it is told of, the tool takes the packages of the machine's Python in.
    let nothing = folder.join("no-packages");
    std::fs::create_dir_all(nothing.join("lib/site-packages")).context("making a folder for the build")?;
    let mut command = Command::new(tool.0.join("bin").join(TOOL));
    clean(&mut command).env("VIRTUAL_ENV", &nothing).arg("-d").arg(folder.join("wit")).args(["-w", WORLD]);
    for (interface, name) in INTERFACES {
        command.arg("--import-interface-name").arg(format!("{interface}={name}"));
    }
    command.arg("componentize");
    for path in paths {
        command.arg("-p").arg(path);
    }
    let answer = command.arg(ENTRY).arg("-o").arg(&wasm).output();
    let answer = answer.map_err(|error| Stop::no(format!("{TOOL} cannot be run: {error}")))?;
    if answer.status.success() {
        return Ok(Ok(wasm));
    }
    let said = [answer.stdout, answer.stderr].concat();
    Ok(Err(String::from_utf8_lossy(&said).into_owned()))
}

fn write_all(folder: &Path, files: &[EmbeddedText]) -> anyhow::Result<()> {
    for EmbeddedText { path, text } in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(folder))
            .with_context(|| format!("making {}", path.display()))?;
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_imports_what_its_manifest_grants_and_nothing_else() {
        let world = world(&[Grant::KeyValue]);
        assert!(
            world.contains("import wasi:keyvalue/store") && world.contains("import wasi:logging/logging"),
            "{world}"
        );
        assert!(!world.contains("config") && !world.contains("events"), "{world}");
    }

    #[test]
    fn the_modules_that_the_sdk_imports_are_those_that_the_tool_is_told_of() {
        let text = |path: &str| PYTHON_SDK.iter().find(|file| file.path == path).map_or("", |file| file.text);
        for (interface, name) in INTERFACES {
            assert!(text("_component.py").contains(&name.replace('-', "_")), "{name}");
            let package = interface.split('/').next().unwrap_or_default();
            assert!(CONTRACT.iter().any(|file| file.text.contains(&format!("package {package}"))), "{interface}");
        }
        assert!(ENTRY_TEXT.contains("_component") && text("_component.py").contains("def of_module("));
    }
}
