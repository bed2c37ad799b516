//! What of a project's folder goes into its component: where its module `step` is, and which files lie beside it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::exit::Stop;

/// Folders that hold no source: what tools make, and environments, which can be as large as an operating system.
const LEFT_OUT: [&str; 6] = ["__pycache__", "build", "dist", "node_modules", "target", "venv"];

/// The folder that modules are imported from.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) root: PathBuf,
}

/// The folder with the module `step`: the project's own, or its `src`.
pub(super) fn find(project: &Path) -> Result<Sources, Stop> {
    let has_step = |folder: &PathBuf| folder.join("step.py").is_file() || folder.join("step/__init__.py").is_file();
    let found = [project.to_owned(), project.join("src")].into_iter().find(has_step);
    let missing = "has no module `step`: put `handle` and `compensate` into step.py, src/step.py or step/__init__.py";
    found.map(|root| Sources { root }).ok_or_else(|| Stop::usage(format!("{} {missing}", project.display())))
}

/// A copy of what may be imported or read while a component is built.
pub(super) fn copy(sources: &Sources, to: &Path) -> anyhow::Result<()> {
    copy_folder(&sources.root, to).with_context(|| format!("copying {} for the build", sources.root.display()))
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_owned();
        let text = name.to_string_lossy();
        if text.starts_with('.') || LEFT_OUT.contains(&&*text) || path.join("pyvenv.cfg").exists() {
            continue;
        }
        if path.is_dir() {
            copy_folder(&path, &to.join(&name))?;
        } else if path.is_file() {
            std::fs::copy(&path, to.join(&name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_is_found_in_the_project_or_in_src_and_its_neighbours_come_along() {
        let project = tempfile::tempdir().expect("a temporary folder");
        let error = find(project.path()).expect_err("there is no module");
        assert!(error.message.contains("has no module `step`"), "{}", error.message);
        for file in ["src/step/__init__.py", "src/rates.json", "src/dist/x.wasm", "src/.venv/x", "src/env/pyvenv.cfg"] {
            let path = project.path().join(file);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("making");
            std::fs::write(path, "").expect("writing");
        }
        let sources = find(project.path()).expect("src holds it");
        assert_eq!(sources.root, project.path().join("src"));
        let to = project.path().join("copy");
        copy(&sources, &to).expect("copying");
        assert!(to.join("step/__init__.py").exists() && to.join("rates.json").exists());
        assert!(!to.join("dist").exists() && !to.join(".venv").exists() && !to.join("env").exists());
    }
}
