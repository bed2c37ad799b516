//! `saga dev`. Goal: whoever saves a source sees the step served or the mistake in its place, and what serves is never
//! taken away by a source that does not compile, in every language. Method: a new project in each, saved while the host
//! runs.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use saga_tests::artefacts::{saga, step_target_dir, tool_cache};
use saga_tests::check::until_with;
use saga_tests::host::{Host, run_saga};
use saga_tests::installation::Installation;
use serde_json::Value;

const ADDRESS: &str = "shop.gifts.wrap";
/// A component of Python is made and compiled in half a minute, and on a machine that is busy with others in more.
const BUILD_TIME_MAX: Duration = Duration::from_secs(180);
/// A word of the line that every template logs.
const WORD: &str = "comes to";

fn plain(path: &Path) -> &str {
    path.to_str().expect("folders have plain names")
}

/// The digest that serves, once there is one.
fn serving(host: &Host) -> Option<String> {
    let plugins = host.api.get("/v1/plugins").expect("the host answers").body;
    let of_step = |plugin: &&Value| plugin["address"] == ADDRESS && plugin["state"] == "serving";
    let plugin = plugins["plugins"].as_array().expect("a list").iter().find(of_step)?.clone();
    plugin["digest"].as_str().map(str::to_owned)
}

/// `place` is how the tool of the language names a line of the source.
fn follow(language: &str, source: &str, place: impl Fn(usize) -> String) {
    let installation = Installation::empty();
    let project = installation.path().join("steps/wrap");
    let (tools, crates) = (tool_cache(), step_target_dir());
    let environment = [("SAGA_CACHE_DIR", plain(&tools)), ("CARGO_TARGET_DIR", plain(&crates))];
    // What has to be brought once is brought by a build before anybody waits for it.
    for arguments in [&["new", ADDRESS, "--lang", language, "--dir", plain(&project)][..], &["build", plain(&project)]]
    {
        let ran = run_saga(arguments, &environment);
        assert_eq!(ran.status, 0, "{arguments:?}: {}", ran.err);
    }
    let source = project.join(source);
    let mut host = Host::start_dev(installation, &environment);
    let first = until_with(BUILD_TIME_MAX, "what was there at the start is served", || serving(&host));

    let good = std::fs::read_to_string(&source).expect("a source is text");
    let line = 1 + good.lines().position(|line| line.contains(WORD)).expect("the template logs something");
    let broken =
        |(index, text): (usize, &str)| if index + 1 == line { format!(")){text}\n") } else { format!("{text}\n") };
    let mistake: String = good.lines().enumerate().map(broken).collect();
    std::fs::write(&source, &mistake).expect("the source is ours");
    until_with(BUILD_TIME_MAX, "the mistake is shown", || host.said().contains("is not built").then_some(()));
    let place = place(line);
    assert!(host.said().contains(&place), "{place} is missing in\n{}", host.said());
    assert_eq!(serving(&host).as_deref(), Some(&*first), "what served before serves on");

    std::fs::write(&source, good.replace(WORD, "came to")).expect("the source is ours");
    let second =
        until_with(BUILD_TIME_MAX, "the mended one is served", || serving(&host).filter(|digest| *digest != first));

    // One that is newer than its sources is not built again.
    host.terminate();
    let said = host.said().len();
    host.start_again();
    assert_eq!(until_with(BUILD_TIME_MAX, "it is served at once", || serving(&host)), second);
    std::thread::sleep(Duration::from_secs(1));
    assert!(!host.said()[said..].contains("building"), "{}", &host.said()[said..]);
}

#[test]
fn a_step_in_go_is_built_when_it_is_saved_and_a_mistake_is_shown_in_its_place() {
    follow("go", "step.go", |line| format!("step.go:{line}:"));
}

#[test]
fn a_step_in_javascript_is_built_when_it_is_saved_and_a_mistake_is_shown_in_its_place() {
    follow("js", "step.js", |line| format!("step.js:{line}"));
}

#[test]
fn a_step_in_typescript_is_built_when_it_is_saved_and_a_mistake_is_shown_in_its_place() {
    follow("ts", "step.ts", |line| format!("step.ts:{line}"));
}

#[test]
fn a_step_in_python_is_built_when_it_is_saved_and_a_mistake_is_shown_in_its_place() {
    follow("python", "step.py", |line| format!("step.py\", line {line}"));
}

#[test]
fn a_step_in_rust_is_built_when_it_is_saved_and_a_mistake_is_shown_in_its_place() {
    follow("rust", "src/lib.rs", |line| format!("src/lib.rs:{line}:"));
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let told = Command::new(saga()).args(["dev", "--steps", "nowhere"]).output().expect("the program can be started");
    assert_eq!(told.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&told.stderr).contains("nowhere is no folder"));
}
