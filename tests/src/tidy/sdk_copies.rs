//! Every SDK carries a copy of the WIT contract, since a package cannot reach outside its own folder. The copies must
//! be equal to `wit/`, file by file.

use std::collections::BTreeMap;

use super::{Finding, tree::SourceFile};

/// The folder that all copies are made from.
const SOURCE: &str = "wit/";

/// Files of a copy that differ, lack or are too many. `folder` ends with `/`.
pub fn check(files: &[SourceFile], folder: &str) -> Vec<Finding> {
    let under = |prefix: &str| -> BTreeMap<String, String> {
        let inside = files.iter().filter_map(|file| Some((file.path.strip_prefix(prefix)?, &file.text)));
        inside.map(|(name, text)| (name.to_owned(), text.clone())).collect()
    };
    let (wanted, copy) = (under(SOURCE), under(folder));
    let cure = format!("copy it anew: cp -R {SOURCE}. {folder}");
    let mut findings = Vec::new();
    for (name, text) in &wanted {
        match copy.get(name) {
            None => findings.push(Finding::new(&format!("{folder}{name}"), 0, format!("is missing; {cure}"))),
            Some(found) if found != text => {
                findings.push(Finding::new(
                    &format!("{folder}{name}"),
                    0,
                    format!("differs from {SOURCE}{name}; {cure}"),
                ));
            }
            Some(_) => {}
        }
    }
    let extra = copy.keys().filter(|name| !wanted.contains_key(*name));
    findings.extend(extra.map(|name| Finding::new(&format!("{folder}{name}"), 0, format!("is not in {SOURCE}"))));
    findings
}

/// The folders that hold a copy: `wit/` inside each SDK.
pub fn copies(files: &[SourceFile]) -> Vec<String> {
    let mut folders: Vec<String> = files
        .iter()
        .filter(|file| file.path.starts_with("guest-sdk/"))
        .filter_map(|file| file.path.find("/wit/").map(|at| file.path[..at + "/wit/".len()].to_owned()))
        .collect();
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Vec<SourceFile> {
        let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
        list.iter().map(file).collect()
    }

    #[test]
    fn a_copy_that_differs_lacks_or_adds_a_file_is_found() {
        let source = [("wit/a.wit", "a"), ("wit/deps/b.wit", "b")];
        let copy = |list: &[(&str, &str)]| check(&files(&[&source[..], list].concat()), "guest-sdk/x/wit/").len();
        assert_eq!(copy(&[("guest-sdk/x/wit/a.wit", "a"), ("guest-sdk/x/wit/deps/b.wit", "b")]), 0);
        assert_eq!(copy(&[("guest-sdk/x/wit/a.wit", "A"), ("guest-sdk/x/wit/deps/b.wit", "b")]), 1);
        assert_eq!(copy(&[("guest-sdk/x/wit/a.wit", "a")]), 1);
        let three =
            [("guest-sdk/x/wit/a.wit", "a"), ("guest-sdk/x/wit/deps/b.wit", "b"), ("guest-sdk/x/wit/c.wit", "c")];
        assert_eq!(copy(&three), 1);
        assert_eq!(copies(&files(&three)), ["guest-sdk/x/wit/"]);
    }
}
