//! Packages: the nearest `package.json` above a file, and the package that a bare name means.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::exports;

/// A folder with a `package.json`.
pub(super) struct Package {
    pub(super) folder: PathBuf,
    description: Value,
}

impl Package {
    pub(super) fn of_folder(folder: &Path) -> Result<Option<Self>, String> {
        let file = folder.join("package.json");
        if !file.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let description = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Some(Self { folder: folder.to_owned(), description }))
    }

    /// The package that a file belongs to.
    pub(super) fn around(file: &Path) -> Result<Option<Self>, String> {
        for folder in file.ancestors().skip(1) {
            if let Some(package) = Self::of_folder(folder)? {
                return Ok(Some(package));
            }
        }
        Ok(None)
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.description["name"] == name
    }

    pub(super) fn has_modules(&self) -> bool {
        self.description["type"] == "module"
    }

    /// The file that an import of this package means; `inside` is `.` or begins with `./`.
    pub(super) fn export(&self, inside: &str) -> Option<PathBuf> {
        if let Some(table) = self.description.get("exports") {
            return exports::target(table, inside).map(|file| self.folder.join(file));
        }
        if inside != "." {
            return Some(self.folder.join(inside));
        }
        let named = ["module", "main"].iter().find_map(|key| self.description[*key].as_str());
        Some(self.folder.join(named.unwrap_or("index.js")))
    }

    /// The file that a name such as `#host` means inside this package.
    pub(super) fn import(&self, name: &str) -> Option<String> {
        exports::target(self.description.get("imports")?, name)
    }
}

/// `@scope/name/inside/it` as the name of a package and what is asked of it.
pub(super) fn split(specifier: &str) -> (&str, String) {
    let slashes = if specifier.starts_with('@') { 1 } else { 0 };
    let end = specifier.match_indices('/').nth(slashes).map_or(specifier.len(), |(at, _)| at);
    let (name, inside) = specifier.split_at(end);
    (name, format!(".{inside}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_before_what_is_asked_of_the_package() {
        assert_eq!(split("decimal"), ("decimal", ".".to_owned()));
        assert_eq!(split("decimal/big.js"), ("decimal", "./big.js".to_owned()));
        assert_eq!(split("@a/b"), ("@a/b", ".".to_owned()));
        assert_eq!(split("@a/b/c/d"), ("@a/b", "./c/d".to_owned()));
    }
}
