//! Words that tie the project to one machine or one workplace: a reader elsewhere can do nothing with them.

use super::{Finding, tree::SourceFile};

/// Beginnings of paths that exist on somebody's machine only.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Pages that people wrote for each other and that are not in this repository.
const FOREIGN_PAGES: &[&str] = &[
    concat!("missi", "on.md"),
    concat!("contra", "ct.md"),
    concat!("architect", "ure.md"),
    concat!("conventi", "ons.md"),
    concat!("gues", "ts.md"),
    concat!("servi", "ces.md"),
    concat!("anch", "ors.md"),
    concat!("bri", "ef.md"),
];

/// Machine paths, pages that are not here, and numbered issues of a tracker that readers cannot open.
pub fn check(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, number) in file.text.lines().zip(1..) {
        for path in MACHINE_PATHS {
            // A path of the HTTP interface may hold the same word further in.
            if line.match_indices(path).any(|(at, _)| !line[..at].ends_with(is_inside_path)) {
                findings.push(Finding::new(&file.path, number, format!("{path} is a path of one machine")));
            }
        }
        for page in FOREIGN_PAGES {
            if line.match_indices(page).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric())) {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("{page} is not in this repository; say it here"),
                ));
            }
        }
        if names_local_issue(line) {
            findings.push(Finding::new(&file.path, number, "a numbered issue tells readers nothing; say what it asks"));
        }
    }
    findings
}

fn is_inside_path(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '}' | '*' | '.' | '-' | '_' | '>')
}

/// The word and one or two digits behind it. Public trackers of other projects have longer numbers.
fn names_local_issue(line: &str) -> bool {
    line.to_lowercase().match_indices("issue ").any(|(at, word)| {
        let digits = line[at + word.len()..].chars().take_while(char::is_ascii_digit).count();
        (1..=2).contains(&digits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> usize {
        check(&SourceFile { path: "docs/a.md".to_owned(), text: format!("fine\n{line}\n") }).len()
    }

    #[test]
    fn machine_paths_are_found_and_http_paths_are_not() {
        assert_eq!(found(concat!("see /wo", "rk/main/x")), 1);
        assert_eq!(found(concat!("\"/ro", "ot/.cargo\"")), 1);
        assert_eq!(found(concat!("POST /v1/steps/{address}/wo", "rk/{lease}")), 0);
    }

    #[test]
    fn foreign_pages_and_local_issues_are_found() {
        assert_eq!(found(concat!("as contra", "ct.md says")), 1);
        assert_eq!(found("see docs/ARCHITECTURE.md"), 0);
        assert_eq!(found(concat!("Iss", "ue 3 asks for it")), 1);
        assert_eq!(found("wasmtime issue 14318"), 0);
        assert_eq!(found("an issue with 3 parts"), 0);
    }
}
