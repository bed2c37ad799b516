//! The JavaScript SDK in the component that `saga build` makes. Goal: a step in JavaScript does what the contract and
//! the other languages' steps do, TypeScript needs nothing but `saga`, and a mistake of the author's is told as the
//! author's. Method: build the conformance step and hold it to its cases; make projects, right and broken, and read
//! what is said.

use std::path::Path;
use std::process::{Command, Output};

use saga_tests::artefacts::{saga, tool_cache};
use saga_tests::conformance::{built, run_cases, run_sandbox, run_soak};

#[test]
fn the_conformance_step_in_javascript_holds_every_case() {
    let (wasm, manifest) = built("js");
    run_cases(&wasm, &manifest);
}

#[test]
fn a_step_in_javascript_has_chance_and_time_ends_at_its_limits_and_serves_many_calls() {
    let (wasm, manifest) = built("js");
    run_sandbox(&wasm, &manifest);
}

#[test]
fn an_instance_in_javascript_serves_thousands_of_calls_in_the_memory_it_has() {
    let (wasm, manifest) = built("js");
    run_soak(&wasm, &manifest);
}

/// A project with these files; nothing of Node or npm is on the path of what is run in it.
struct Project(tempfile::TempDir);

impl Project {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("shop.gifts.wrap.toml"), "grants = [\"keyvalue\"]\n").expect("writing");
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("files stand in folders")).expect("making a folder");
            std::fs::write(path, text).expect("writing");
        }
        Self(folder)
    }

    fn saga(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(saga());
        command.args(arguments).current_dir(self.0.path()).env("PATH", "");
        command.env("SAGA_CACHE_DIR", tool_cache()).output().expect("the program can be started")
    }

    /// What the step answers to a body.
    fn answer(&self, body: &str) -> String {
        let built = self.saga(&["build"]);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        self.call(body)
    }

    /// What the step that was built last answers.
    fn call(&self, body: &str) -> String {
        let called = self.saga(&["call", "dist/shop.gifts.wrap.wasm", "--body", body]);
        format!("{}{}", String::from_utf8_lossy(&called.stdout), String::from_utf8_lossy(&called.stderr))
    }

    /// What `saga build` says of it; it must refuse.
    fn refused(&self) -> String {
        let built = self.saga(&["build"]);
        assert!(!built.status.success(), "it was built");
        String::from_utf8_lossy(&built.stderr).into_owned()
    }
}

const UNDO: &str = "export { nothingToUndo as compensate } from \"saga-step\";\n";

fn has(said: &str, words: &[&str]) {
    for words in words {
        assert!(said.contains(words), "{words} is missing in\n{said}");
    }
}

#[test]
fn typescript_other_files_and_packages_are_built_with_saga_alone() {
    let step = "import { done, type Context, type Done } from 'saga-step';\nimport { greeting } from './lib/words.js';\n\
                import shout, { suffix } from 'loud';\nimport table from './table.json';\n\
                interface Body { name: string }\n\
                export function handle(context: Context, body: Body): Done {\n\
                  return done({ ...body, said: shout(greeting(body.name)) + suffix + table.end });\n}\n";
    let project = Project::with(&[
        ("step.ts", &format!("{step}{UNDO}")),
        ("lib/words.ts", "export const greeting = (name: string): string => `hello ${name}`;\n"),
        ("table.json", "{\"end\": \"?\"}"),
        ("node_modules/loud/package.json", r#"{"name":"loud","exports":{"import":"./i.js","require":"./r.cjs"}}"#),
        ("node_modules/loud/i.js", "export { suffix } from '#s';\nexport default (text) => text.toUpperCase();\n"),
        ("node_modules/loud/s.js", "export const suffix = '!';\n"),
    ]);
    std::fs::write(
        project.0.path().join("node_modules/loud/package.json"),
        r##"{"name":"loud","exports":{"import":"./i.js","require":"./r.cjs"},"imports":{"#s":"./s.js"}}"##,
    )
    .expect("writing");
    has(&project.answer(r#"{"name":"é"}"#), &[r#"{"name":"é","said":"HELLO É!?"}"#]);
}

#[test]
fn a_body_that_is_nested_too_deep_is_refused_for_good() {
    let step = "import { done } from 'saga-step';\n\
                export const handle = (context, body) => done({ ...body, note: 1 });\n";
    let project = Project::with(&[("step.js", &format!("{step}{UNDO}"))]);
    let nested = |levels| format!(r#"{{"n":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    has(&project.answer(&nested(199)), &["done", r#"],"note":1}"#]);
    for levels in [200, 3_000] {
        has(&project.call(&nested(levels)), &["invalid-body", "nested deeper than 200 levels"]);
    }
}

#[test]
fn a_new_project_in_either_language_is_built_and_answers_without_node() {
    for language in ["js", "ts"] {
        let project = Project::with(&[]);
        let made = project.saga(&["new", "shop.gifts.wrap", "--lang", language, "--dir", "made"]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let built = project.saga(&["build", "made", "--out", "dist"]);
        assert!(built.status.success(), "{language}: {}", String::from_utf8_lossy(&built.stderr));
        has(&project.call(r#"{"account":"a-1","amount":0.10}"#), &["done", r#""amount":0.10,"total":0.10}"#]);
    }
}

#[test]
fn an_exception_in_a_call_points_into_the_authors_file() {
    let step = "type T = {\n  a: number;\n};\nexport function handle(context: unknown, body: T) {\n  return far(body);\n}\n\
                function far(body: any) { return body.no.thing; }\n";
    let project = Project::with(&[("step.ts", &format!("{step}{UNDO}"))]);
    has(&project.answer("{}"), &["retry", "far (", "step.ts:7:", "step.ts:5:"]);
}

#[test]
fn an_authors_mistake_is_told_with_its_place_and_without_the_tools_words() {
    for (files, words) in [
        (&[("step.js", "export function handle(context, body) {\n  return = body;\n}\n")][..], &["step.js:2"][..]),
        (&[("step.ts", "export const a: = 1;\n")], &["step.ts:1:17"]),
        (&[("step.ts", "\nenum Colour { red }\n")], &["step.ts:2:1", "an enum is more than a type"]),
        (
            &[("step.js", "import './rates.js';\n"), ("rates.js", "\nconst limit = JSON.parse('many');\n")],
            &["unexpected token", "rates.js:2"],
        ),
        (&[("step.js", "import { a } from './no.js';\n")], &["step.js", "./no.js"]),
        (&[("step.js", "import fs from 'node:fs';\n")], &["node:fs", "without Node"]),
        (&[("step.js", "import { doen } from 'saga-step';\n")], &["doen"]),
        (&[("step.js", "export function handle() {}\n")], &["no function compensate"]),
        (
            &[("step.js", "import * as keyvalue from 'saga-step/keyvalue';\nkeyvalue.own().get('x');\n")],
            &["while the module is loaded", "step.js:2"],
        ),
        (
            &[
                ("step.js", "import 'old';\n"),
                ("node_modules/old/package.json", "{\"main\":\"m.js\"}"),
                ("node_modules/old/m.js", "module.exports = 1;\n"),
            ],
            &["old/m.js", "CommonJS"],
        ),
    ] {
        let said = Project::with(files).refused();
        has(&said, words);
        for noise in ["wasm", "Caused by", "saga:sdk", "saga:entry", "0x"] {
            assert!(!said.contains(noise), "{noise} is the tool's own: {said}");
        }
    }
}

/// The engine throws errors of the contract in its own way; a step, and who reads its logs, must get words.
#[test]
fn what_the_manifest_does_not_grant_is_refused_in_words() {
    let step = "import { done } from 'saga-step';\nimport * as config from 'saga-step/config';\n\
                import * as events from 'saga-step/events';\nimport * as keyvalue from 'saga-step/keyvalue';\n\
                const asked = {\n\
                  config: () => config.get('limit'),\n  all: () => config.all(),\n\
                  emit: () => events.emit('shop.orders.shipped', {}),\n  signal: () => events.signal('customer/1'),\n\
                  get: () => keyvalue.own().get('a'),\n  shared: () => keyvalue.shared('rates').has('a'),\n\
                };\n\
                export const handle = (context, body) => { asked[body.ask](); return done(body); };\n";
    let project = Project::with(&[("step.js", &format!("{step}{UNDO}")), ("shop.gifts.wrap.toml", "grants = []\n")]);
    for (asked, words) in [
        ("config", "add `config` to the grants"),
        ("all", "add `config` to the grants"),
        ("emit", "add `events` to the grants"),
        ("signal", "add `events` to the grants"),
        ("get", "AccessDenied: access to the step's own bucket is denied; grant `keyvalue`"),
        ("shared", "AccessDenied: access to the bucket rates is denied; grant `keyvalue`"),
    ] {
        let said = project.answer(&format!(r#"{{"ask":"{asked}"}}"#));
        has(&said, &["retry", words, "step.js:"]);
        assert!(!said.contains("[object"), "{said}");
    }
    // Granted, and still refused: these words come from the host.
    std::fs::write(project.0.path().join("shop.gifts.wrap.toml"), "grants = [\"keyvalue\", \"events\"]\n")
        .expect("writing");
    has(&project.answer(r#"{"ask":"shared"}"#), &["retry", "NoSuchBucket: there is no shared bucket rates"]);
    let said = project.answer(r#"{"ask":"emit"}"#);
    has(&said, &["retry", "TopicRefused: the topic is refused: "]);
    assert!(!said.contains("[object"), "{said}");
}

#[test]
fn what_a_call_prints_is_logged() {
    let step = "import { unchanged } from 'saga-step';\nconsole.log('read', { a: 1 });\n\
                export function handle() { console.warn('low on', 2); return unchanged(); }\n";
    let project = Project::with(&[("step.js", &format!("{step}{UNDO}"))]);
    has(&project.answer("{}"), &["low on 2"]);
}

#[test]
fn builds_at_the_same_time_and_damaged_caches_do_no_harm() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let build = |project: &Project| {
        let mut command = Command::new(saga());
        command.arg("build").arg(project.0.path()).env("SAGA_CACHE_DIR", cache.path());
        command
    };
    let step = format!("import {{ unchanged }} from 'saga-step';\nexport const handle = () => unchanged();\n{UNDO}");
    let projects: Vec<Project> = (0..2).map(|_| Project::with(&[("step.js", &step)])).collect();
    let running: Vec<_> = projects.iter().map(|it| build(it).spawn().expect("the program can be started")).collect();
    for mut child in running {
        assert!(child.wait().expect("it ends").success());
    }
    let kept: Vec<_> = files(&cache.path().join("javascript"));
    assert_eq!(kept.len(), 2, "code and its sum, and nothing that is half done: {kept:?}");
    for file in kept {
        std::fs::write(file, "damaged").expect("writing");
    }
    assert!(build(&projects[0]).status().expect("it ends").success());
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
