//! The packages that a project names, brought beside it: pure Python, for nothing else runs inside a component.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::{Environment, INNER_VERSION, cache, succeeded};
use crate::exit::Stop;
use crate::terminal::note;

/// The folder with the project's packages; none if it names none. The same list is brought once.
pub(super) fn bring(project: &Path, tool: &Environment) -> anyhow::Result<Option<PathBuf>> {
    let wanted = Wanted::of(project)?;
    if wanted.packages.is_empty() && wanted.list.is_none() {
        return Ok(None);
    }
    let content = format!("Python {INNER_VERSION}\n{}\n{}", wanted.packages.join("\n"), wanted.list_text);
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let name = format!("dependencies-{:016x}", hasher.finish());
    let folder = cache::made_once(
        &name,
        &content,
        |_| true,
        |folder| {
            note(format_args!("bringing the project's packages into {} (once for this list)", folder.display()));
            let mut pip = tool.pip();
            pip.current_dir(project).arg("--target").arg(folder).arg("--no-compile");
            // Of wheels, those that say they run everywhere.
            pip.args(["--only-binary=:all:", "--platform=any", "--implementation=py", "--abi=none"]);
            pip.arg(format!("--python-version={INNER_VERSION}"));
            if let Some(list) = &wanted.list {
                pip.arg("-r").arg(list);
            }
            let what = "the project's packages cannot be brought; only such as are pure Python run inside a component. pip says";
            succeeded(pip.args(&wanted.packages).output(), what)
        },
    )?;
    Ok(Some(folder))
}

/// What a project asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted {
    /// Of `pyproject.toml`, `[project] dependencies`.
    packages: Vec<String>,
    /// `requirements.txt`, which is pip's own.
    list: Option<PathBuf>,
    list_text: String,
}

impl Wanted {
    fn of(project: &Path) -> anyhow::Result<Self> {
        let mut wanted = Self::default();
        let file = project.join("pyproject.toml");
        if file.is_file() {
            let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            wanted.packages =
                packages(&text).map_err(|error| Stop::usage(format!("{} cannot be read: {error}", file.display())))?;
        }
        let list = project.join("requirements.txt");
        if list.is_file() {
            wanted.list_text = std::fs::read_to_string(&list).with_context(|| format!("reading {}", list.display()))?;
            wanted.list = Some(std::path::absolute(&list)?);
        }
        Ok(wanted)
    }
}

/// `[project] dependencies`, without the SDK, which the project or this program carries.
fn packages(pyproject: &str) -> Result<Vec<String>, String> {
    let table: toml::Table = pyproject.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let Some(list) = table.get("project").and_then(|project| project.get("dependencies")) else {
        return Ok(Vec::new());
    };
    let list = list.as_array().ok_or("[project] dependencies must be a list of texts")?;
    let texts: Option<Vec<&str>> = list.iter().map(toml::Value::as_str).collect();
    let texts = texts.ok_or("[project] dependencies must be a list of texts")?;
    Ok(texts.into_iter().filter(|text| !is_sdk(text)).map(str::to_owned).collect())
}

fn is_sdk(requirement: &str) -> bool {
    let end = requirement.find(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '.'));
    let name = &requirement[..end.unwrap_or(requirement.len())];
    name.to_lowercase().replace(['_', '.'], "-") == "saga-step"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_those_of_the_project_without_the_sdk() {
        let found = packages("[project]\nname = \"x\"\ndependencies = [\"attrs==25.1\", \"saga_step>=0.1\"]\n");
        assert_eq!(found, Ok(vec!["attrs==25.1".to_owned()]));
        assert_eq!(packages("[tool.ruff]\n"), Ok(Vec::new()));
        assert!(packages("[project]\ndependencies = 1\n").expect_err("no list").contains("list of texts"));
        assert!(packages("[project\n").is_err());
    }

    #[test]
    fn a_list_for_pip_is_handed_to_pip() {
        let project = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(Wanted::of(project.path()).expect("an empty folder"), Wanted::default());
        std::fs::write(project.path().join("requirements.txt"), "attrs\n").expect("writing");
        let wanted = Wanted::of(project.path()).expect("a list");
        assert!(wanted.list.is_some() && wanted.list_text == "attrs\n");
    }
}
