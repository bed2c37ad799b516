//! The tutorials can be followed. Goal: a newcomer who copies every block of a page, in order, ends with a step that
//! builds, passes its tests and answers. Method: run the page in an empty folder, the program under test on the path.
//! The tutorial for Rust is compiled with the examples of the documentation.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use saga_tests::artefacts::{saga, tool_cache};
use saga_tests::host::free_port;
use saga_tests::java;
use saga_tests::tidy::tree::root;

/// The page as a script: commands as they stand, and each file that the text before a block names, written.
fn script_of(page: &str, sources: &[&str]) -> String {
    let mut script = "set -euo pipefail\n".to_owned();
    let mut lines = page.lines();
    let mut named = None;
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            let is_source = |word: &&str| sources.iter().any(|source| word.ends_with(source));
            named = line.split('`').skip(1).step_by(2).find(is_source).or(named);
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if kind == "sh" {
            block.iter().for_each(|line| writeln!(script, "{line}").expect("a text can be written to"));
        } else if sources.iter().any(|source| source.strip_prefix('.') == Some(kind)) {
            let file = named.take().expect("the text before a block of source names its file");
            writeln!(script, "cat >{file} <<'END_OF_BLOCK'\n{}\nEND_OF_BLOCK", block.join("\n")).expect("as above");
        }
    }
    script
}

fn follow(folder: &Path, page: &str, sources: &[&str]) -> String {
    follow_with(folder, page, sources, &[])
}

fn follow_with(folder: &Path, page: &str, sources: &[&str], environment: &[(&str, &str)]) -> String {
    let text = std::fs::read_to_string(root().join(page)).expect("the page is there");
    let bin = saga().parent().expect("the program lies in a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path))).expect("plain folders");
    let ran = Command::new("bash")
        .args(["-c", &script_of(&text, sources)])
        .current_dir(folder)
        // No module is fetched: what is needed is in the project.
        .envs([("GOPROXY", "off"), ("GOFLAGS", "")])
        // But for what makes components of Python and JavaScript, which is brought and compiled once for all tests.
        .env("SAGA_CACHE_DIR", tool_cache())
        .env("PATH", path)
        .envs(environment.iter().copied())
        .output()
        .expect("bash can be started");
    let told = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{page}: {told}\n{}", String::from_utf8_lossy(&ran.stderr));
    told
}

#[test]
fn the_tutorial_for_go_ends_with_a_step_that_serves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = follow(folder.path(), "docs/writing-steps-go.md", &[".go"]);
    for word in ["wrote shop-gifts-wrap", "good shop.gifts.wrap", "shop.gifts.wrap plain = 9"] {
        assert!(told.contains(word), "{word} is missing in\n{told}");
    }
    assert!(folder.path().join("plugins/shop.gifts.wrap.wasm").is_file(), "it was not built into the plugins folder");
}

#[test]
fn the_tutorial_for_python_ends_with_a_step_that_serves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = follow(folder.path(), "docs/writing-steps-python.md", &[".py"]);
    for word in ["wrote shop-gifts-wrap", "good shop.gifts.wrap", "shop.gifts.wrap plain = 9"] {
        assert!(told.contains(word), "{word} is missing in\n{told}");
    }
    assert!(folder.path().join("plugins/shop.gifts.wrap.wasm").is_file(), "it was not built into the plugins folder");
}

#[test]
fn the_tutorial_for_javascript_ends_with_a_step_that_serves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let told = follow(folder.path(), "docs/writing-steps-js.md", &[".js"]);
    for word in ["wrote shop-gifts-wrap", "good shop.gifts.wrap", "shop.gifts.wrap plain = 9"] {
        assert!(told.contains(word), "{word} is missing in\n{told}");
    }
    assert!(folder.path().join("plugins/shop.gifts.wrap.wasm").is_file(), "it was not built into the plugins folder");
}

#[test]
fn the_tutorial_for_java_ends_with_a_worker_that_serves() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let listen = format!("127.0.0.1:{}", free_port());
    let host = format!("http://{listen}");
    let _alone = java::building();
    let environment = [("SAGA_LISTEN", listen.as_str()), ("SAGA_HOST", &host)];
    let told = follow_with(folder.path(), "docs/writing-steps-java.md", &[".java"], &environment);
    for word in ["wrote shop-gifts-wrap", "completed", r#""price":1.10,"wrapped":"plain""#, "remote"] {
        assert!(told.contains(word), "{word} is missing in\n{told}");
    }
}

/// Its commands are for the root of the tree; what they write is beside it.
#[test]
fn the_shop_runs_with_a_step_in_java() {
    let listen = format!("127.0.0.1:{}", free_port());
    let host = format!("http://{listen}");
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let place = scratch.path().to_str().expect("a plain path");
    let _alone = java::building();
    let environment = [("SAGA_LISTEN", listen.as_str()), ("SAGA_HOST", &host), ("TMPDIR", place)];
    let told = follow_with(&root(), "plugins/README.md", &[], &environment);
    for word in ["completed", "shop.customers.notification", "remote"] {
        assert!(told.contains(word), "{word} is missing in\n{told}");
    }
}

#[test]
fn a_page_becomes_its_commands_and_files_in_order() {
    let page = "a `b.go` c\n```sh\none\n```\nput it into `x.go`:\n\n```go\npackage x\n```\n```toml\ny = 1\n```\n";
    let script = "set -euo pipefail\none\ncat >x.go <<'END_OF_BLOCK'\npackage x\nEND_OF_BLOCK\n";
    assert_eq!(script_of(page, &[".go"]), script);
}
