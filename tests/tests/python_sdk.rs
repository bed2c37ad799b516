//! The Python SDK in the component that `saga build` makes. Goal: a step in Python does what the contract and the other
//! languages' steps do, and a mistake of the author's is told as the author's. Method: build the conformance step and
//! hold it to its cases; break projects and read what `saga build` says.

use std::path::Path;
use std::process::Command;

use saga_tests::artefacts::{saga, tool_cache};
use saga_tests::conformance::{built, run_cases, run_sandbox, run_soak};

#[test]
fn the_conformance_step_in_python_holds_every_case() {
    let (wasm, manifest) = built("python");
    run_cases(&wasm, &manifest);
}

#[test]
fn a_step_in_python_has_chance_and_time_ends_at_its_limits_and_serves_many_calls() {
    let (wasm, manifest) = built("python");
    run_sandbox(&wasm, &manifest);
}

#[test]
fn an_instance_in_python_serves_thousands_of_calls_in_the_memory_it_has() {
    let (wasm, manifest) = built("python");
    run_soak(&wasm, &manifest);
}

/// A scanner that goes into it would come to the end of the stack, which ends an instance.
#[test]
fn a_body_that_is_nested_without_end_is_refused_for_good() {
    let (wasm, _) = built("python");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let body = folder.path().join("deep.json");
    let text = format!(r#"{{"do":"set","n":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    std::fs::write(&body, text).expect("writing");
    let ran = Command::new(saga()).arg("call").arg(&wasm).arg(format!("--body=@{}", body.display())).output();
    let told = String::from_utf8_lossy(&ran.expect("the program can be started").stdout).into_owned();
    assert!(told.contains("invalid-body") && told.contains("nested deeper than"), "{told}");
}

const MANIFEST: &str = "grants = [\"keyvalue\"]\n";

/// What `saga build` says of a project with these files; its status is 1 or 2.
fn refused(files: &[(&str, &str)]) -> String {
    let project = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(project.path().join("shop.gifts.wrap.toml"), MANIFEST).expect("writing");
    for (name, text) in files {
        std::fs::write(project.path().join(name), text).expect("writing");
    }
    let ran = build(project.path());
    assert!(!ran.status.success(), "it was built");
    assert!(!project.path().join("__pycache__").exists(), "the build leaves nothing in the project");
    String::from_utf8_lossy(&ran.stderr).replace(&*project.path().to_string_lossy(), "HERE")
}

fn build(project: &Path) -> std::process::Output {
    let mut command = Command::new(saga());
    command.arg("build").arg(project).env("SAGA_CACHE_DIR", tool_cache());
    command.output().expect("the program can be started")
}

/// The runtime inside the component once kept a copy of each value that was set.
#[test]
fn values_that_are_set_take_no_memory_for_good() {
    let project = tempfile::tempdir().expect("a temporary folder");
    let step = "from saga_step import keyvalue, nothing_to_undo, unchanged\n\n\ndef handle(context, body):\n    \
                for _ in range(300):\n        keyvalue.own().set(\"a\", b\"v\" * 60_000)\n    return unchanged()\n\n\n\
                compensate = nothing_to_undo\n";
    std::fs::write(project.path().join("shop.gifts.wrap.toml"), MANIFEST).expect("writing");
    std::fs::write(project.path().join("step.py"), step).expect("writing");
    let built = build(project.path());
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let component = project.path().join("dist/shop.gifts.wrap.wasm");
    let ran = Command::new(saga()).args(["call", "--json", "--body={}"]).arg(component).output();
    let told: serde_json::Value =
        serde_json::from_slice(&ran.expect("the program can be started").stdout).expect("JSON");
    assert_eq!(told["outcome"], "done", "{told}");
    let bytes = told["memory-bytes"].as_u64().expect("a number");
    // 12.7 MiB is what an instance begins with; the values are 17 MiB.
    assert!(bytes < 15 << 20, "{bytes} bytes of memory");
}

#[test]
fn an_authors_mistake_is_told_with_its_place_and_without_the_tools_words() {
    let syntax = refused(&[("step.py", "def handle(context, body)\n    return body\n")]);
    assert!(
        syntax.contains("File \"HERE/step.py\", line 1") && syntax.contains("SyntaxError: expected ':'"),
        "{syntax}"
    );

    let raised = refused(&[("step.py", "import rates\n"), ("rates.py", "LIMIT = int('many')\n")]);
    for words in ["File \"HERE/step.py\", line 1", "File \"HERE/rates.py\", line 1", "ValueError: invalid literal"] {
        assert!(raised.contains(words), "{words} is missing in\n{raised}");
    }
    for said in [&syntax, &raised] {
        for noise in ["Caused by", "AssertionError", "/python/", "saga_step/_component.py", "wasm"] {
            assert!(!said.contains(noise), "{noise} is the tool's own: {said}");
        }
    }
}

#[test]
fn what_is_no_step_is_told_with_what_to_do() {
    for (source, words) in [
        ("def handle(context, body): ...\n", "no function `compensate`"),
        ("async def handle(context, body): ...\ndef compensate(context, body, log): ...\n", "make it `def handle`"),
        ("def handle(body): ...\ndef compensate(context, body, log): ...\n", "must take context, body"),
        (
            "def handle(context, body: set[int]): ...\ndef compensate(context, body, log): ...\n",
            "the body of `handle`: set[int] cannot be read from JSON",
        ),
        ("from saga_step import keyvalue\nkeyvalue.own().get('x')\n", "there is no host here"),
        ("import no_such_package\n", "No module named 'no_such_package'"),
    ] {
        let said = refused(&[("step.py", source)]);
        assert!(said.contains(words), "{words} is missing in\n{said}");
    }
    let said = refused(&[("pyproject.toml", "[project]\nname = \"x\"\n")]);
    assert!(said.contains("has no module `step`"), "{said}");
}
