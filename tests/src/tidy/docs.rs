//! Documentation that must stay true: links lead somewhere, every page can be found, every room is on the map, every
//! error that a surface can show has its page.

use std::collections::BTreeSet;

use super::{Finding, tree::SourceFile};

/// A link of a Markdown page.
#[derive(Debug, PartialEq, Eq)]
struct Link<'a> {
    line: usize,
    target: &'a str,
}

/// The inline links of a page; what stands in code is none.
fn links(text: &str) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (line, number) in text.lines().zip(1..) {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let in_span =
                line[..at].matches('`').count() % 2 == 1 && line[at..].contains('`') && !line[..at].ends_with('`');
            let rest = &line[at + 2..];
            if let (false, Some(end)) = (in_span, rest.find(')')) {
                found.push(Link { line: number, target: &rest[..end] });
            }
        }
    }
    found
}

/// Links of one page to files or headings that are not there. Web addresses are not asked.
pub fn check_links(page: &SourceFile, files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Link { line, target } in links(&page.text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = target.split_once('#').map_or((target, None), |(file, anchor)| (file, Some(anchor)));
        let path = if file.is_empty() { page.path.clone() } else { resolve(&page.path, file) };
        let is_folder = files.iter().any(|other| other.path.starts_with(&format!("{}/", path.trim_end_matches('/'))));
        let Some(other) = files.iter().find(|other| other.path == path) else {
            if !is_folder {
                findings.push(Finding::new(&page.path, line, format!("link to {target}: there is no {path}")));
            }
            continue;
        };
        if anchor.is_some_and(|anchor| !heading_anchors(&other.text).contains(anchor)) {
            findings.push(Finding::new(&page.path, line, format!("link to {target}: {path} has no such heading")));
        }
    }
    findings
}

/// A relative target, seen from the folder of `page`, as a path from the root.
fn resolve(page: &str, target: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// Anchors as GitHub makes them from headings.
fn heading_anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len() && title.starts_with(' ')).then_some(title.trim())
    });
    let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    headings
        .map(|title| title.to_lowercase().chars().filter(|c| kept(*c)).collect::<String>().replace(' ', "-"))
        .collect()
}

/// Pages under `docs/` that the index does not lead to.
pub fn check_index(index: &SourceFile, files: &[SourceFile]) -> Vec<Finding> {
    let linked: BTreeSet<String> = links(&index.text)
        .iter()
        .map(|link| resolve(&index.path, link.target.split('#').next().unwrap_or_default()))
        .collect();
    let pages = files.iter().filter(|file| file.has_extension("md") && file.path.starts_with("docs/"));
    pages
        .filter(|page| page.path != index.path && !linked.contains(&page.path))
        .filter(|page| !linked.iter().any(|folder| is_inside(&page.path, folder)))
        .map(|page| Finding::new(&page.path, 0, format!("{} does not link to this page", index.path)))
        .collect()
}

/// Pages of a folder that the index links to as a whole (errors, changelog) count as found.
fn is_inside(path: &str, folder: &str) -> bool {
    folder != "docs" && path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Packages of the workspace that the map does not name.
pub fn check_map(map: &SourceFile, members: &[String]) -> Vec<Finding> {
    let named = |member: &str| map.text.contains(&format!("`{member}`"));
    let group =
        |member: &str| member.split_once('/').is_some_and(|(folder, _)| folder == "plugins" && named("plugins"));
    members
        .iter()
        .filter(|member| !named(member) && !group(member))
        .map(|member| Finding::new(&map.path, 0, format!("the map does not name `{member}`")))
        .collect()
}

/// The codes that a surface can show: those of problem documents, one a line as `Name = "code", STATUS…`, and the kinds
/// of failure, one a line as `Kind => "code"`.
pub fn codes(problems: &SourceFile, failures: &SourceFile) -> BTreeSet<String> {
    let problem_code = |line: &str| {
        let (name, rest) = line.trim().split_once(" = \"")?;
        let (code, rest) = rest.split_once("\", ")?;
        let is_status = rest.starts_with(|c: char| c.is_ascii_uppercase());
        (is_status && name.chars().all(char::is_alphanumeric)).then(|| code.to_owned())
    };
    let failure_code = |line: &str| {
        let (kind, rest) = line.trim().split_once(" => \"")?;
        kind.starts_with("FailureKind::").then(|| rest.trim_end_matches("\",").to_owned())
    };
    problems.text.lines().filter_map(problem_code).chain(failures.text.lines().filter_map(failure_code)).collect()
}

/// Error codes without a page, and pages without a code.
pub fn check_error_pages(codes: &BTreeSet<String>, files: &[SourceFile]) -> Vec<Finding> {
    let pages: BTreeSet<String> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("docs/errors/")?.strip_suffix(".md"))
        .filter(|name| *name != "README")
        .map(str::to_owned)
        .collect();
    let page = |code: &String| format!("docs/errors/{code}.md");
    let missing = codes.difference(&pages).map(|code| Finding::new(&page(code), 0, "a code without its page"));
    let stale =
        pages.difference(codes).map(|code| Finding::new(&page(code), 0, "a page for a code that no surface shows"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn links_to_missing_files_and_headings_are_found() {
        let other = page("docs/b.md", "# Title\n\n## What it's for, now\n");
        let check = |text: &str| {
            let page = page("docs/a.md", text);
            check_links(&page, &[page.clone(), other.clone()]).len()
        };
        assert_eq!(
            check("[x](b.md) [y](./b.md#what-its-for-now) [z](../docs/b.md) [w](https://e.org/x) [d](../docs)\n"),
            0
        );
        assert_eq!(check("[x](c.md)\n"), 1);
        assert_eq!(check("[x](b.md#nowhere)\n"), 1);
        assert_eq!(check("[x](#nowhere)\n"), 1);
        assert_eq!(check("```\n[x](c.md)\n```\nand `[x](c.md)` here\n"), 0);
    }

    #[test]
    fn a_page_that_the_index_does_not_know_is_found() {
        let files =
            [page("docs/a.md", ""), page("docs/errors/x.md", ""), page("docs/lost.md", ""), page("README.md", "")];
        let found = check_index(&page("docs/README.md", "[a](a.md) [errors](errors)\n"), &files);
        assert_eq!(found.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(), ["docs/lost.md"]);
    }

    #[test]
    fn a_room_that_is_not_on_the_map_is_found() {
        let map = page("docs/ARCHITECTURE.md", "`host/core` and `plugins`\n");
        let members = ["host/core", "host/store", "plugins/x"].map(str::to_owned);
        assert_eq!(check_map(&map, &members).len(), 1);
    }

    #[test]
    fn codes_are_read_from_their_tables() {
        let problems =
            page("p.rs", "    /// x\n    Busy = \"busy\", SERVICE_UNAVAILABLE, \"Busy\";\n    let a = \"b\", c;\n");
        let failures = page(
            "f.rs",
            "            FailureKind::Trap => \"trap\",\n            FaultKind::Trap => FailureKind::Trap,\n",
        );
        assert_eq!(codes(&problems, &failures), BTreeSet::from(["busy".to_owned(), "trap".to_owned()]));
    }

    #[test]
    fn a_code_without_page_and_a_page_without_code_are_found() {
        let codes = BTreeSet::from(["busy".to_owned(), "unknown-saga".to_owned()]);
        let files =
            [page("docs/errors/busy.md", ""), page("docs/errors/old.md", ""), page("docs/errors/README.md", "")];
        let found: Vec<_> = check_error_pages(&codes, &files).into_iter().map(|f| f.path).collect();
        assert_eq!(found, ["docs/errors/unknown-saga.md", "docs/errors/old.md"]);
    }
}
