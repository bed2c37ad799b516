//! How text is written: white space, headers, attributes and words that the conventions forbid. Looks at one file at
//! a time and knows nothing of the tree.

use super::rust_source::{code_only, without_tests};
use super::size::is_test_code;
use super::{Finding, tree::SourceFile};

/// Files whose bytes are the point: golden vectors keep their odd white space.
const BYTE_EXACT: &str = "tests/fixtures/";

/// White space that diffs would trip over.
pub fn check_white_space(file: &SourceFile) -> Vec<Finding> {
    if file.path.starts_with(BYTE_EXACT) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    // Go is indented by tabs, also where a page shows it.
    let mut is_go = file.has_extension("go");
    for (line, number) in file.text.split('\n').zip(1..) {
        if file.has_extension("md") && line.starts_with("```") {
            is_go = line == "```go";
        }
        if line.ends_with([' ', '\t']) {
            findings.push(Finding::new(&file.path, number, "white space at the end of the line"));
        }
        if line.contains('\r') {
            findings.push(Finding::new(&file.path, number, "carriage return; lines end with a line feed only"));
        }
        if line.starts_with('\t') && !is_go {
            findings.push(Finding::new(&file.path, number, "indented by a tab; indent by spaces"));
        }
    }
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        findings.push(Finding::new(&file.path, 0, "the file must end with exactly one line feed"));
    }
    findings
}

/// What a Rust file must have and must not have.
pub fn check_rust(file: &SourceFile) -> Vec<Finding> {
    let mut findings = check_header(file);
    if file.path.ends_with("/mod.rs") {
        findings.push(Finding::new(&file.path, 1, "a module is `name.rs` beside `name/`, never `mod.rs`"));
    }
    let code = code_only(&file.text);
    // A conformance suite is a macro that other crates expand: what it expands to there it cannot know.
    let is_suite = file.path.contains("/conformance");
    for (pattern, cure) in BANNED_EVERYWHERE.iter().filter(|(pattern, _)| !is_suite || *pattern != "[allow(") {
        findings.extend(occurrences(file, &code, pattern, cure));
    }
    if !is_test_code(&file.path) && !is_suite {
        findings.extend(check_globs(file, &without_tests(&code)));
    }
    findings
}

const BANNED_EVERYWHERE: &[(&str, &str)] = &[
    ("[allow(", "write `#[expect(lint, reason = \"…\")]`: it tells when it is no longer needed"),
    ("[ignore", "a test that does not run shows nothing; gate a live test by an environment variable"),
    ("[should_panic", "assert the error that comes back"),
];

/// Every file says at its head what it owns and must not know.
fn check_header(file: &SourceFile) -> Vec<Finding> {
    let first = file.text.lines().next().unwrap_or_default();
    if first.starts_with("//! ") || first.starts_with("#![doc = include_str!(") {
        Vec::new()
    } else {
        vec![Finding::new(&file.path, 1, "open the file with `//!`: what it owns, and what it must not know")]
    }
}

fn check_globs(file: &SourceFile, code: &str) -> Vec<Finding> {
    let globs = code.lines().zip(1..).filter(|(line, _)| {
        let line = line.trim_start().trim_start_matches("pub ");
        line.starts_with("use ") && line.trim_end().ends_with("::*;") && !line.contains("prelude::*")
    });
    globs.map(|(_, number)| Finding::new(&file.path, number, "glob import; name what is used")).collect()
}

/// The attribute that keeps a crate free of unsafe code, in its root file.
pub fn check_unsafe_ban(file: &SourceFile) -> Vec<Finding> {
    // One file may, under a written contract: the runtime's loads compiled plugins, which Rust cannot prove sound; the
    // broker's hands tokens to the Kafka client, for which the binding has no call.
    let may = ["host/runtime/", "host/broker/"].iter().any(|room| file.path.starts_with(room));
    let wanted = if may { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" };
    if file.text.lines().any(|line| line == wanted) {
        Vec::new()
    } else {
        vec![Finding::new(&file.path, 1, format!("write `{wanted}` at the head of the crate"))]
    }
}

/// Unfinished work must name what will finish it: `TODO(until the Kafka driver lands)`.
pub fn check_unfinished(file: &SourceFile) -> Vec<Finding> {
    let todo = concat!("TO", "DO");
    let mut findings = Vec::new();
    for (line, number) in file.text.lines().zip(1..) {
        for (at, _) in line.match_indices(todo) {
            let rest = &line[at + todo.len()..];
            let named = rest.strip_prefix("(until ").and_then(|rest| rest.split_once(')'));
            if named.is_none_or(|(condition, _)| condition.trim().len() < 3) {
                findings.push(Finding::new(&file.path, number, format!("write `{todo}(until <condition>)`")));
            }
        }
        for word in [concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")] {
            if words(line).any(|found| found == word) {
                findings.push(Finding::new(&file.path, number, format!("{word} says nothing; mend it or say why")));
            }
        }
    }
    findings
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Every place where the code holds this pattern, but not as the end of a longer path or word.
pub fn occurrences(file: &SourceFile, code: &str, pattern: &str, cure: &str) -> Vec<Finding> {
    places(file, code, pattern, cure, |before| matches!(before, '_' | ':'))
}

/// Every place where the code holds this pattern, also as the end of a longer path, but not of a longer word.
pub fn occurrences_in_paths(file: &SourceFile, code: &str, pattern: &str, cure: &str) -> Vec<Finding> {
    places(file, code, pattern, cure, |before| before == '_')
}

fn places(file: &SourceFile, code: &str, pattern: &str, cure: &str, goes_on: impl Fn(char) -> bool) -> Vec<Finding> {
    let line_of = |at: usize| code[..at].matches('\n').count() + 1;
    let is_whole = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || goes_on(c));
    let places = code.match_indices(pattern).filter(|(at, _)| pattern.starts_with('[') || is_whole(*at));
    places.map(|(at, _)| Finding::new(&file.path, line_of(at), format!("`{pattern}`: {cure}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        SourceFile { path: "host/x/src/a.rs".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn each_kind_of_bad_white_space_is_found() {
        assert_eq!(check_white_space(&file("a\n    b\n")), []);
        for (bad, line) in [("a \n", 1), ("a\n\tb\n", 2), ("a\r\n", 1), ("a", 0), ("a\n\n", 0)] {
            let found = check_white_space(&file(bad));
            assert_eq!(found.first().map(|f| f.line), Some(line), "{bad:?}");
        }
    }

    #[test]
    fn go_is_indented_by_tabs_also_where_a_page_shows_it() {
        let page = |text: &str| SourceFile { path: "docs/a.md".to_owned(), text: text.to_owned() };
        assert_eq!(check_white_space(&SourceFile { path: "a/b.go".to_owned(), ..page("\tb\n") }), []);
        assert_eq!(check_white_space(&page("```go\n\tb\n```\n")), []);
        for (bad, line) in [("```go\n```\n\tb\n", 3), ("```sh\n\tb\n```\n", 2)] {
            assert_eq!(check_white_space(&page(bad)).first().map(|f| f.line), Some(line), "{bad:?}");
        }
    }

    #[test]
    fn golden_vectors_keep_their_white_space() {
        let vector = SourceFile { path: "tests/fixtures/envelope/a.json".to_owned(), text: "{ }\t ".to_owned() };
        assert_eq!(check_white_space(&vector), []);
    }

    #[test]
    fn a_file_without_header_or_with_a_banned_attribute_is_found() {
        assert_eq!(check_rust(&file("//! What it owns.\nuse std::fmt;\n")), []);
        assert_eq!(check_rust(&file("use std::fmt;\n")).len(), 1);
        for banned in ["#[allow(dead_code)]", "#![allow(dead_code)]", "#[ignore]", "#[should_panic]"] {
            let found = check_rust(&file(&format!("//! x\n{banned}\nfn f() {{}}\n")));
            assert_eq!(found.first().map(|f| f.line), Some(2), "{banned}");
        }
        assert_eq!(check_rust(&file("//! x\n// never write #[allow(dead_code)]\n")), []);
        let suite = SourceFile { path: "host/x/src/conformance.rs".to_owned(), ..file("//! x\n#[allow(dead_code)]\n") };
        assert_eq!(check_rust(&suite), []);
    }

    #[test]
    fn glob_imports_are_for_tests_and_preludes() {
        assert_eq!(check_rust(&file("//! x\nuse a::b::*;\n")).first().map(|f| f.line), Some(2));
        assert_eq!(check_rust(&file("//! x\npub use a::*;\n")).len(), 1);
        assert_eq!(check_rust(&file("//! x\nuse a::prelude::*;\n")), []);
        assert_eq!(check_rust(&file("//! x\n#[cfg(test)]\nmod tests {\n    use super::*;\n}\n")), []);
    }

    #[test]
    fn mod_rs_is_found() {
        let module = SourceFile { path: "host/x/src/a/mod.rs".to_owned(), text: "//! x\n".to_owned() };
        assert_eq!(check_rust(&module).len(), 1);
    }

    #[test]
    fn a_crate_root_without_the_unsafe_ban_is_found() {
        assert_eq!(check_unsafe_ban(&file("//! x\n#![forbid(unsafe_code)]\n")), []);
        assert_eq!(check_unsafe_ban(&file("//! x\n#![deny(unsafe_code)]\n")).len(), 1);
        assert_eq!(check_unsafe_ban(&file("//! x\n// #![forbid(unsafe_code)]\n")).len(), 1);
        let runtime =
            SourceFile { path: "host/runtime/src/lib.rs".to_owned(), text: "#![deny(unsafe_code)]\n".to_owned() };
        assert_eq!(check_unsafe_ban(&runtime), []);
    }

    #[test]
    fn unfinished_work_needs_a_condition() {
        let todo = concat!("TO", "DO");
        assert_eq!(check_unfinished(&file(&format!("// {todo}(until the Kafka driver lands): x\n"))), []);
        for bad in [format!("// {todo}: x"), format!("// {todo}(me) x"), format!("// {todo}(until ) x")] {
            assert_eq!(check_unfinished(&file(&bad)).len(), 1, "{bad}");
        }
        assert_eq!(check_unfinished(&file(concat!("a\n// FIX", "ME\n"))).first().map(|f| f.line), Some(2));
    }
}
