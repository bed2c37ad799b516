//! How large files and functions may grow. Tests do not count: a long table of cases is no burden.

use super::rust_source::{code_line_count, code_only, functions, without_tests};
use super::{Finding, tree::SourceFile};

/// Lines of code in a file; one aims at 100 to 300.
pub const FILE_CODE_LINES_MAX: usize = 600;
/// Lines of code in a function, signature included; one aims at 30.
pub const FUNCTION_CODE_LINES_MAX: usize = 70;
/// Characters in a line of source.
pub const LINE_CHARACTERS_MAX: usize = 120;
/// The same where a literal stands in it, which the formatter cannot fold.
pub const LITERAL_LINE_CHARACTERS_MAX: usize = 200;

/// Files and functions that are too long to be read at once.
pub fn check(file: &SourceFile) -> Vec<Finding> {
    if is_test_code(&file.path) {
        return Vec::new();
    }
    let code = without_tests(&code_only(&file.text));
    let mut findings = Vec::new();
    let lines = code_line_count(&code);
    if lines > FILE_CODE_LINES_MAX {
        findings.push(Finding::new(
            &file.path,
            1,
            format!(
                "{lines} lines of code, at most {FILE_CODE_LINES_MAX}; split it where the reasons to change differ"
            ),
        ));
    }
    for function in functions(&code).into_iter().filter(|f| f.code_line_count > FUNCTION_CODE_LINES_MAX) {
        findings.push(Finding::new(
            &file.path,
            function.line,
            format!(
                "function {} has {} lines of code, at most {FUNCTION_CODE_LINES_MAX}; give its parts names",
                function.name, function.code_line_count
            ),
        ));
    }
    findings
}

/// Whether the file holds tests only: `tests.rs`, or anything under a `tests` folder but this package's own library.
pub fn is_test_code(path: &str) -> bool {
    path.ends_with("/tests.rs") || (path.contains("/tests/") && !path.starts_with("tests/src/"))
}

/// Lines that do not fit the width.
pub fn check_width(file: &SourceFile) -> Vec<Finding> {
    let long = |line: &str| {
        let is_literal = line.contains('"') && !line.trim_start().starts_with("//");
        line.chars().count() > if is_literal { LITERAL_LINE_CHARACTERS_MAX } else { LINE_CHARACTERS_MAX }
    };
    let lines = file.text.lines().zip(1..).filter(|(line, _)| long(line));
    lines
        .map(|(line, number)| {
            let width = line.chars().count();
            Finding::new(&file.path, number, format!("{width} characters wide, at most {LINE_CHARACTERS_MAX}"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: String) -> SourceFile {
        SourceFile { path: path.to_owned(), text }
    }

    #[test]
    fn a_long_file_is_found_and_its_comments_and_tests_do_not_count() {
        let body = "const A: u8 = 1;\n".repeat(FILE_CODE_LINES_MAX);
        let padding = "// why\n\n".repeat(500);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "const T: u8 = 1;\n".repeat(900));
        assert_eq!(check(&file("host/x/src/a.rs", format!("{padding}{body}{tests}"))), []);
        let found = check(&file("host/x/src/a.rs", format!("{body}const B: u8 = 1;\n")));
        assert_eq!(found.len(), 1);
        assert!(found[0].problem.starts_with("601 lines"), "{}", found[0]);
    }

    #[test]
    fn a_long_function_is_found_by_name_and_line() {
        let text = format!("//! x\n\nfn f() {{\n{}}}\n", "    a();\n".repeat(FUNCTION_CODE_LINES_MAX - 1));
        let found = check(&file("host/x/src/a.rs", text.clone()));
        assert_eq!((found.len(), found[0].line), (1, 3));
        assert!(found[0].problem.contains("function f has 71 lines"), "{}", found[0]);
        assert_eq!(check(&file("host/x/tests/a.rs", text)), []);
    }

    #[test]
    fn a_wide_line_is_found_by_characters_not_bytes() {
        let fits = "é".repeat(LINE_CHARACTERS_MAX);
        assert_eq!(check_width(&file("a.rs", fits.clone())), []);
        assert_eq!(check_width(&file("a.rs", format!("\n{fits}é"))).first().map(|f| f.line), Some(2));
        assert_eq!(check_width(&file("a.rs", format!("    let a = \"{fits}\";"))), []);
        assert_eq!(check_width(&file("a.rs", format!("    // a \"{fits}\""))).len(), 1);
        assert_eq!(check_width(&file("a.rs", format!("    let a = \"{fits}{fits}\";"))).len(), 1);
    }
}
