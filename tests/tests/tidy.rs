//! The source tree keeps its rules. Goal: what the compiler does not check is checked in every run of the tests.
//! Method: read every file that git knows and run each checker of `saga_tests::tidy` over it.

use saga_tests::tidy::tree::{self, SourceFile};
use saga_tests::tidy::{Finding, assert_none, docs, edges, sdk_copies, size, text, words};

fn over(
    files: &[SourceFile],
    wanted: impl Fn(&SourceFile) -> bool,
    check: impl Fn(&SourceFile) -> Vec<Finding>,
) -> Vec<Finding> {
    files.iter().filter(|file| wanted(file)).flat_map(check).collect()
}

fn is_rust(file: &SourceFile) -> bool {
    file.has_extension("rs")
}

fn is_manifest(file: &SourceFile) -> bool {
    file.path.ends_with("/Cargo.toml")
}

/// The folders of the workspace's packages.
fn members() -> Vec<String> {
    let files = tree::text_files();
    let root = files.iter().find(|file| file.path == "Cargo.toml").expect("the workspace has a manifest");
    let manifest: toml::Table = root.text.parse().expect("the workspace's manifest is TOML");
    let members = manifest["workspace"]["members"].as_array().expect("the workspace has members");
    members.iter().map(|member| member.as_str().expect("a member is a path").to_owned()).collect()
}

#[test]
fn rooms_know_only_whom_they_may() {
    let files = tree::text_files();
    assert_none("edges of manifests", &over(&files, is_manifest, edges::check_manifest));
    assert_none("edges of source", &over(&files, is_rust, edges::check_source));
}

#[test]
fn every_room_of_the_map_exists() {
    let members = members();
    for (room, _) in edges::ROOMS {
        assert!(members.iter().any(|member| member == room), "{room} is not a member of the workspace");
    }
}

#[test]
fn files_and_functions_stay_small() {
    let files = tree::text_files();
    assert_none("size", &over(&files, is_rust, size::check));
    let has_width = |file: &SourceFile| ["rs", "wit", "sh"].iter().any(|extension| file.has_extension(extension));
    assert_none("width", &over(&files, has_width, size::check_width));
}

#[test]
fn rust_files_follow_the_conventions() {
    assert_none("conventions", &over(&tree::text_files(), is_rust, text::check_rust));
}

#[test]
fn crates_forbid_unsafe_code() {
    let files = tree::text_files();
    let is_root = |file: &SourceFile| {
        let roots = ["/src/lib.rs", "/src/main.rs"];
        let member = roots.iter().find_map(|root| file.path.strip_suffix(root));
        member
            .is_some_and(|member| member.starts_with("host/") || member.starts_with("guest-sdk/") || member == "tests")
    };
    assert_none("unsafe code", &over(&files, is_root, text::check_unsafe_ban));
}

#[test]
fn text_is_clean_and_names_no_machine() {
    let files = tree::text_files();
    assert_none("white space", &over(&files, |_| true, text::check_white_space));
    assert_none("unfinished work", &over(&files, |_| true, text::check_unfinished));
    assert_none("words", &over(&files, |_| true, words::check));
}

#[test]
fn sdks_carry_the_contract_unchanged() {
    let files = tree::text_files();
    let copies = sdk_copies::copies(&files);
    assert!(copies.iter().any(|copy| copy == "guest-sdk/rust/wit/"), "the Rust SDK carries no contract: {copies:?}");
    for copy in copies {
        assert_none("copies of the contract", &sdk_copies::check(&files, &copy));
    }
}

#[test]
fn documentation_leads_somewhere() {
    let files = tree::text_files();
    let is_page = |file: &SourceFile| file.has_extension("md");
    assert_none("links", &over(&files, is_page, |page| docs::check_links(page, &files)));
    let page = |path: &str| files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("there is no {path}"));
    assert_none("index of the documentation", &docs::check_index(page("docs/README.md"), &files));
    assert_none("map", &docs::check_map(page("docs/ARCHITECTURE.md"), &members()));
    let mut codes = docs::codes(page("host/monitor/src/http/problem.rs"), page("host/core/src/failure.rs"));
    assert!(codes.contains("unknown-saga") && codes.contains("trap"), "the tables of codes were not found: {codes:?}");
    // Not a failure yet: the kind of a group of sagas whose next attempt is due.
    codes.insert("retrying".to_owned());
    assert_none("pages of errors", &docs::check_error_pages(&codes, &files));
}
