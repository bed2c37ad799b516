//! The table of routes against openapi.json and docs/errors: what is served is described, and the reverse.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use host_core::failure::FailureKind;
use host_core::outcome::FaultKind;
use host_core::saga::{CallState, Status};
use serde_json::Value;

use super::super::pages::OPENAPI;
use super::super::problem::Code;
use super::*;

fn described() -> Value {
    serde_json::from_str(OPENAPI).expect("openapi.json is JSON")
}

fn words(schema: &Value) -> BTreeSet<&str> {
    schema["enum"].as_array().expect("an enum").iter().filter_map(Value::as_str).collect()
}

#[test]
fn openapi_describes_exactly_the_routes() {
    let described = described();
    let paths = described["paths"].as_object().expect("paths");
    let in_text: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().expect("methods").keys().map(move |m| (m.as_str(), path.as_str()))
        })
        .collect();
    let in_code: BTreeSet<_> = ROUTES.iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(in_text, in_code);
    assert_eq!(in_code.len(), ROUTES.len(), "a route stands twice");
    assert_eq!(described["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn openapi_describes_every_variable_part_of_a_path_and_names_each_operation_once() {
    let described = described();
    let mut operations = BTreeMap::new();
    for (path, methods) in described["paths"].as_object().expect("paths") {
        let variable: BTreeSet<_> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        for (method, operation) in methods.as_object().expect("methods") {
            let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
            let in_path = parameters.iter().filter(|one| one["in"] == "path");
            let named: BTreeSet<_> = in_path.filter_map(|one| one["name"].as_str()).collect();
            assert_eq!(named, variable, "{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{method} {path} can be refused");
            let other = operations.insert(operation["operationId"].as_str().expect("an id"), path);
            assert_eq!(other, None, "{method} {path}");
        }
    }
}

#[test]
fn openapi_refers_only_to_what_it_holds_and_holds_only_what_it_refers_to() {
    let described = described();
    let held: BTreeSet<_> = described["components"]["schemas"].as_object().expect("schemas").keys().cloned().collect();
    let referred: BTreeSet<_> = OPENAPI
        .split("\"#/components/schemas/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(held, referred);
}

#[test]
fn openapi_lists_every_word_of_our_enums() {
    let described = described();
    let schemas = &described["components"]["schemas"];
    assert_eq!(words(&schemas["status"]), Status::ALL.iter().map(|status| status.as_str()).collect());
    assert_eq!(words(&schemas["problem"]["properties"]["code"]), Code::ALL.iter().map(|code| code.as_str()).collect());
    let states = [
        CallState::NotReached,
        CallState::Pending,
        CallState::Retrying,
        CallState::Waiting,
        CallState::Done,
        CallState::Rejected,
        CallState::Failed,
        CallState::Skipped,
    ];
    assert_eq!(words(&schemas["call"]["properties"]["state"]), states.iter().map(|state| state.as_str()).collect());
    assert_eq!(words(&schemas["failure"]["properties"]["kind"]), failure_kinds().collect());
}

fn failure_kinds() -> impl Iterator<Item = &'static str> {
    let faults = [
        FaultKind::Trap,
        FaultKind::TimeLimit,
        FaultKind::MemoryLimit,
        FaultKind::OutputLimit,
        FaultKind::InvalidOutput,
        FaultKind::Unavailable,
    ];
    let others = [
        FailureKind::Rejected,
        FailureKind::RetryExhausted,
        FailureKind::WaitTimeout,
        FailureKind::Deadline,
        FailureKind::Undecodable,
        FailureKind::Operator,
    ];
    faults.into_iter().map(FailureKind::from).chain(others).map(FailureKind::as_str)
}

#[test]
fn every_code_and_every_kind_of_failure_has_its_page_and_no_page_is_about_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    let pages = std::fs::read_dir(folder).expect("docs/errors").map(|entry| entry.expect("an entry").path());
    let pages: BTreeMap<_, _> = pages
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).expect("a page"))
        })
        .collect();
    let known: BTreeSet<_> =
        Code::ALL.iter().map(|code| code.as_str()).chain(failure_kinds()).chain(["retrying"]).collect();
    for code in &known {
        let page = pages.get(*code).unwrap_or_else(|| panic!("docs/errors/{code}.md is missing"));
        assert!(page.starts_with(&format!("# {code}\n")), "{code}");
        assert!(page.contains("## What to do\n"), "{code}");
        assert!(pages["README"].contains(&format!("[{code}]({code}.md)")), "{code} is not in the list");
    }
    for code in Code::ALL {
        assert!(code.page().contains(&format!("HTTP status {}.", code.status().as_u16())), "{}", code.as_str());
    }
    for name in pages.keys().filter(|name| *name != "README") {
        assert!(known.contains(name.as_str()), "docs/errors/{name}.md is about no code");
    }
}
