//! What can be seen in the files of an installation, with or without a host.

use std::path::Path;

use host_core::id::StepAddress;
use host_core::manifest::{self, Manifest};

use super::Check;
use crate::config::Config;
use crate::terminal::count;
use crate::use_cases;

/// Look at the folders that a host with this configuration would use.
pub fn look(config: &Config) -> Vec<Check> {
    let mut checks = vec![data(&config.data_dir)];
    checks.extend(plugins(&config.plugins_dir));
    checks.extend(definitions(&config.use_cases_dir));
    checks
}

fn data(dir: &Path) -> Check {
    // The host makes the folder; until then the one around it must let it.
    let existing = dir.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    match tempfile::NamedTempFile::new_in(existing) {
        Ok(_) if existing == dir => Check::ok("data folder", format!("{} is writable", dir.display())),
        Ok(_) => Check::ok("data folder", format!("{} will be made by the host", dir.display())),
        Err(error) => Check::problem(
            "data folder",
            format!("{} cannot be written: {error}; give the host's user the right to, or set data-dir", dir.display()),
        ),
    }
}

fn plugins(dir: &Path) -> Vec<Check> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return vec![Check::warning("plugins", format!("there is no folder {}; the host makes it", dir.display()))];
    };
    let mut problems = Vec::new();
    let mut good = 0;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        match plugin(&path) {
            Ok(()) => good += 1,
            Err(problem) => {
                let file = entry.file_name().to_string_lossy().into_owned();
                problems.push(Check::problem("plugins", format!("{file}: {problem}")));
            }
        }
    }
    problems.insert(0, Check::ok("plugins", format!("{} in {}", count(good, "good file"), dir.display())));
    problems
}

/// Everything that shows without compiling it.
fn plugin(path: &Path) -> Result<(), String> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let address = StepAddress::try_new(&stem)
        .map_err(|error| format!("{error}; name the file <domain>.<subdomain>.<service>.wasm"))?;
    let manifest_path = path.with_extension("toml");
    refuse_no_file(path)?;
    refuse_no_file(&manifest_path)?;
    let manifest = match std::fs::read_to_string(&manifest_path) {
        Ok(text) => manifest::parse(address, &format!("{stem}.toml"), &text)
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Manifest::of(address),
        Err(error) => return Err(format!("its manifest cannot be read: {error}")),
    };
    let wasm = std::fs::read(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let inspection = host_runtime::inspect(&wasm).map_err(|rejection| rejection.to_string())?;
    inspection.check_grants(&manifest).map_err(|rejection| rejection.to_string())
}

/// What is there and is no file, like a pipe, is not opened: reading it might never end.
fn refuse_no_file(path: &Path) -> Result<(), String> {
    match std::fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            Err(format!("{name} is no file but a folder, a pipe or a device; put the file itself in its place"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn definitions(dir: &Path) -> Vec<Check> {
    if !dir.is_dir() {
        return vec![Check::warning("use cases", format!("there is no folder {}; the host makes it", dir.display()))];
    }
    match use_cases::survey(dir) {
        Ok(survey) => {
            let good = format!("{} in {}", count(survey.good.len(), "good file"), dir.display());
            let problems = survey.problems.into_iter().map(|problem| Check::problem("use cases", problem));
            [Check::ok("use cases", good)].into_iter().chain(problems).collect()
        }
        Err(error) => vec![Check::problem("use cases", format!("{} cannot be read: {error}", dir.display()))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::State;

    #[test]
    fn a_file_that_no_host_would_serve_is_a_problem_with_its_reason() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("a.b.c.wasm"), b"not wasm").expect("writing");
        std::fs::write(folder.path().join("badname.wasm"), b"").expect("writing");
        let checks = plugins(folder.path());
        let problems: Vec<&str> =
            checks.iter().filter(|check| check.state == State::Problem).map(|check| check.text.as_str()).collect();
        assert_eq!(problems.len(), 2, "{checks:?}");
        assert!(problems.iter().any(|text| text.starts_with("a.b.c.wasm: not a wasm file")), "{problems:?}");
        assert!(problems.iter().any(|text| text.starts_with("badname.wasm: step address")), "{problems:?}");
    }

    #[test]
    fn the_examples_of_this_binary_are_good() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for step in crate::embedded::STEPS {
            let file = |extension: &str| folder.path().join(format!("{}.{extension}", step.address));
            std::fs::write(file("wasm"), step.wasm).expect("writing");
            std::fs::write(file("toml"), step.manifest).expect("writing");
        }
        let checks = plugins(folder.path());
        assert!(checks.iter().all(|check| check.state == State::Ok), "{checks:?}");
    }

    #[test]
    fn a_data_folder_that_is_not_there_yet_is_no_problem() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let check = data(&folder.path().join("data"));
        assert_eq!(check.state, State::Ok);
        assert!(check.text.contains("will be made"), "{}", check.text);
    }
}
