//! What the tool said when it made no component, for the author: the SDK puts between two marks why the step's module
//! cannot be imported, and everything around is the tool's.

use std::path::Path;

use super::TOOL;

/// What the SDK writes before and behind its words.
const MARK: &str = "\u{1e}saga\u{1e}";
/// Where the tool lays the first folder that it is given, which is the project's.
const INNER_ROOT: &str = "File \"/0/";

pub(super) fn told(said: &str, root: &Path) -> String {
    let mut parts = said.split(MARK);
    match (parts.next(), parts.next(), parts.next()) {
        (_, Some(words), Some(_)) => {
            let here = format!("File \"{}/", root.display());
            let words = words.trim_matches('\n').replace(INNER_ROOT, &here);
            format!("the step cannot be built, because its module cannot be imported:\n{words}")
        }
        _ => format!("{TOOL} made no component; it said:\n{}", said.trim()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_mistake_is_told_in_the_authors_file_and_without_the_tools_words() {
        let said =
            format!("noise\n{MARK}  File \"/0/step.py\", line 3\n    x = \nSyntaxError: bad\n{MARK}\nmore noise");
        let told = told(&said, Path::new("here"));
        assert!(told.ends_with("imported:\n  File \"here/step.py\", line 3\n    x = \nSyntaxError: bad"), "{told}");
        assert!(!told.contains("noise"));
    }

    #[test]
    fn everything_else_is_the_tools_own_trouble() {
        assert_eq!(told(" no wasm \n", Path::new("here")), "componentize-py made no component; it said:\nno wasm");
    }
}
