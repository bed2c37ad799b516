//! The files of the example plugins are read by the same parsers as anybody's, without a mistake.

use std::path::{Path, PathBuf};

use host_core::id::StepAddress;
use host_core::{manifest, use_case};

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(toml_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "toml") && !path.ends_with("Cargo.toml") {
            files.push(path);
        }
    }
    files
}

#[test]
fn the_files_of_the_examples_have_no_mistake() {
    let plugins = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let (mut manifests, mut use_cases) = (0, 0);
    for path in toml_files(&plugins) {
        let file = path.file_name().and_then(|name| name.to_str()).expect("a name");
        // What the tools of Python ask for.
        if file == "pyproject.toml" {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a text");
        let mistakes = if path.parent().is_some_and(|folder| folder.ends_with("use-cases")) {
            use_cases += 1;
            use_case::parse(file, &text).err()
        } else {
            manifests += 1;
            let address = StepAddress::try_new(file.trim_end_matches(".toml")).expect("the file name is the address");
            manifest::parse(address, file, &text).err()
        };
        assert_eq!(mistakes, None, "{file}");
    }
    assert!(manifests > 0 && use_cases > 0, "found {manifests} manifests and {use_cases} use cases");
}
