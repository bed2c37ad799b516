//! The program `saga` as people and scripts use it. Goal: every asking verb answers for people and as JSON, and exit
//! statuses tell the truth; a step of each language is written, built, tried, dropped and replaced by its verbs alone.
//! Method: run the binary.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use saga_tests::check;
use saga_tests::host::{Host, Ran, free_port, run_saga};
use saga_tests::installation::Installation;
use serde_json::{Value, json};

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

#[test]
fn start_show_list_and_acts_tell_the_truth_in_words_json_and_status() {
    let host = Host::start(Installation::with_instruments(&["one", "two"]));
    let good = host.saga(&["start", "play", "--body", "{}", "--global-id", "good", "--wait", "20s"]);
    assert_eq!(good.status, 0, "{good:?}");
    let refused =
        host.saga(&["start", "play", "--body", r#"{"two":{"reject":"no"}}"#, "--global-id", "bad", "--wait", "20s"]);
    assert_eq!(refused.status, 1, "a saga that was compensated did not do what was asked: {refused:?}");
    assert!(refused.out.contains("no") || refused.err.contains("no"), "{refused:?}");

    let shown = host.saga(&["show", "bad"]);
    assert_eq!(shown.status, 0, "{shown:?}");
    for word in ["compensated", "test.instrument.one", "test.instrument.two", "told to refuse with no"] {
        assert!(shown.out.contains(word), "{word} is missing: {}", shown.out);
    }
    assert_eq!(json_of(&host.saga(&["show", "bad", "--json"])), host.api.saga("bad"));
    // Lists follow the journal at a short distance.
    let listed = check::until("the saga is listed", || {
        let listed = json_of(&host.saga(&["list", "--status", "compensated", "--json"]));
        listed["sagas"].get(0).cloned()
    });
    assert_eq!(listed["global-id"], "bad", "{listed}");

    let unknown = host.saga(&["show", "nobody"]);
    assert_eq!(unknown.status, 1, "{unknown:?}");
    assert_eq!(host.saga(&["retry", "good"]).status, 1);
}

#[test]
fn errors_shows_what_stands_and_retry_mends_it() {
    let host = Host::start(Installation::with_instruments(&["one"]));
    let id = host.api.start("play", &json!({"one": {"panic": "no paper"}}));
    check::status(&host.api, &id, "failed");
    check::error_of(&host.api, &id);
    let errors = host.saga(&["errors"]);
    assert_eq!(errors.status, 0, "{errors:?}");
    assert!(errors.out.contains("no paper") && errors.out.contains("test.instrument.one"), "{}", errors.out);
    let acted = host.saga(&["close", &id, "--reason", "no paper in the house"]);
    assert_eq!(acted.status, 0, "{acted:?}");
    let saga = check::status(&host.api, &id, "closed");
    assert_eq!(saga["actions"][0]["reason"], "no paper in the house", "{saga:#}");
}

#[test]
fn looking_verbs_answer() {
    let host = Host::start(Installation::with_examples(&["shop"]));
    for (verb, word) in [("plugins", "shop.inventory.stock"), ("use-cases", "shop"), ("topics", "shop.orders.order.in")]
    {
        let ran = host.saga(&[verb]);
        assert_eq!(ran.status, 0, "{verb}: {ran:?}");
        assert!(ran.out.contains(word), "{verb}: {word} is missing: {}", ran.out);
        json_of(&host.saga(&[verb, "--json"]));
    }
}

#[test]
fn no_host_is_status_3_and_wrong_usage_status_2() {
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let ran = run_saga(&["list"], &[("SAGA_HOST", &nobody)]);
    assert_eq!(ran.status, 3, "{ran:?}");
    assert!(ran.err.contains("saga run"), "it says what to do: {}", ran.err);
    assert_eq!(run_saga(&["lst"], &[]).status, 2);
}

fn saga_in(folder: &Path, arguments: &[&str]) -> Ran {
    let output = std::process::Command::new(saga_tests::artefacts::saga())
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program can be started");
    Ran {
        status: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn a_step_is_written_built_tried_dropped_and_replaced() {
    ["rust", "go"].into_iter().for_each(write_build_try_and_drop);
}

fn write_build_try_and_drop(language: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let made = saga_in(folder.path(), &["new", "shop.gifts.wrap", "--lang", language]);
    assert_eq!(made.status, 0, "{made:?}");
    let project = folder.path().join("shop-gifts-wrap");
    assert!(project.join("shop.gifts.wrap.toml").is_file(), "{made:?}");
    let built = saga_in(&project, &["build"]);
    assert_eq!(built.status, 0, "{built:?}");
    let wasm = project.join("dist").join("shop.gifts.wrap.wasm");
    assert!(wasm.is_file(), "{built:?}");

    let checked = saga_in(&project, &["check", "dist/shop.gifts.wrap.wasm"]);
    assert_eq!(checked.status, 0, "{checked:?}");
    let called = saga_in(&project, &["call", "dist/shop.gifts.wrap.wasm", "--body", "{}"]);
    assert!(called.status == 0 || called.status == 1, "{called:?}");

    let host = Host::start(Installation::empty());
    host.installation.use_case_of("gift", &["shop.gifts.wrap"], "");
    let manifest = std::fs::read_to_string(project.join("shop.gifts.wrap.toml")).expect("new wrote a manifest");
    host.installation.manifest("shop.gifts.wrap", &manifest);
    host.installation.plugin("shop.gifts.wrap", &std::fs::read(&wasm).expect("build wrote it"));
    check::serving(&host.api, "shop.gifts.wrap");
    check::until("the use case is in force", || {
        host.api.ask("/v1/use-cases").to_string().contains("gift").then_some(())
    });
    let ran = host.saga(&["start", "gift", "--body", "{}", "--wait", "20s", "--json"]);
    let ended = json_of(&ran);
    assert!(matches!(ended["status"].as_str(), Some("completed" | "compensated")), "{ran:?}");

    std::fs::write(folder.path().join("broken.wasm"), "not wasm").expect("the folder is ours");
    assert_eq!(saga_in(folder.path(), &["check", "broken.wasm"]).status, 1);
}

#[test]
fn what_a_build_in_go_lacks_is_told_with_its_cure() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    assert_eq!(saga_in(folder.path(), &["new", "shop.gifts.wrap", "--lang", "go"]).status, 0);
    let project = folder.path().join("shop-gifts-wrap");
    let refused = |path: &Path, told: &str| {
        let saga = saga_tests::artefacts::saga();
        let output = std::process::Command::new(saga).arg("build").current_dir(&project).env("PATH", path).output();
        let output = output.expect("the program can be started");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && err.contains(told), "{told} is missing: {err}");
    };
    refused(folder.path(), "there is no go tool here; install Go 1.24 or later from https://go.dev/dl");
    let go = folder.path().join("go");
    std::fs::write(&go, "#!/bin/sh\necho go1.23.9\n").expect("the folder is ours");
    std::fs::set_permissions(&go, std::fs::Permissions::from_mode(0o755)).expect("the file is ours");
    refused(folder.path(), "go1.23.9 is too old for a step; install Go 1.24");

    let step = project.join("step.go");
    let text = std::fs::read_to_string(&step).expect("new wrote the step");
    std::fs::write(&step, text.replace("saga.Register(handle,", "saga.Register(handel,")).expect("the folder is ours");
    let ran = saga_in(&project, &["build"]);
    assert!(ran.status == 1 && ran.err.contains("undefined: handel"), "the go tool's words are shown: {ran:?}");
    std::fs::write(&step, "package main\n\nfunc main() {}\n").expect("the folder is ours");
    let ran = saga_in(&project, &["build"]);
    assert!(ran.status == 1 && ran.err.contains("what was compiled is no step"), "{ran:?}");
    let ran = saga_in(&project, &["build", "--profile", "release"]);
    assert!(ran.status == 2 && ran.err.contains("--profile is cargo's"), "{ran:?}");
}

#[test]
fn a_language_that_is_not_known_is_refused_with_those_there_are() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let ran = saga_in(folder.path(), &["new", "a.b.c", "--lang", "cobol"]);
    assert!(ran.status == 2 && ran.err.contains("[possible values: rust, python, go, java, js, ts]"), "{ran:?}");
}
