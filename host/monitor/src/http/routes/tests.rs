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
            let parameters = parameters.iter().map(|one| resolved(&described, one));
            let named: BTreeSet<_> =
                parameters.filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
            assert_eq!(named, variable, "{method} {path}");
            let other = operations.insert(operation["operationId"].as_str().expect("an id"), path);
            assert_eq!(other, None, "{method} {path}");
        }
    }
}

/// What a `$ref` points to; anything else is itself.
fn resolved<'a>(described: &'a Value, value: &'a Value) -> &'a Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    described.pointer(reference.strip_prefix('#').expect("a place in this document")).expect("it points to something")
}

#[test]
fn openapi_refers_only_to_what_it_holds_and_holds_only_what_it_refers_to() {
    let described = described();
    for kind in ["schemas", "parameters", "headers", "responses"] {
        let held: BTreeSet<_> = described["components"][kind].as_object().expect(kind).keys().cloned().collect();
        let referred: BTreeSet<_> = OPENAPI
            .split(&format!("\"#/components/{kind}/"))
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(held, referred, "{kind}");
    }
}

#[test]
fn openapi_tells_every_status_with_its_headers_and_the_codes_behind_it() {
    let described = described();
    let always: BTreeSet<_> = ["400", "408", "431", "503"].into();
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let answers = operation["responses"].as_object().expect("responses");
            let statuses: BTreeSet<_> = answers.keys().map(String::as_str).collect();
            assert!(statuses.is_superset(&always), "{method} {path}: {statuses:?}");
            let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(statuses.contains("401") && statuses.contains("403"), !is_open, "{method} {path}");
            assert_eq!(statuses.contains("413"), method == "post", "{method} {path}");
            assert!(statuses.iter().any(|status| status.starts_with('2')), "{method} {path}");
            assert!(!statuses.contains("default"), "{method} {path}: name each status");
        }
    }
    let mut told = BTreeSet::new();
    for (name, response) in described["components"]["responses"].as_object().expect("responses") {
        let examples = response["content"]["application/problem+json"]["examples"].as_object().expect(name);
        for (code, example) in examples {
            let known = Code::ALL.iter().find(|known| known.as_str() == code).expect(code);
            assert_eq!(example["value"]["status"], known.status().as_u16(), "{name}: {code}");
            assert_eq!(example["value"]["title"], known.title(), "{name}: {code}");
            assert_eq!(example["value"]["type"], format!("/docs/errors/{code}"), "{name}");
            told.insert(code.as_str());
        }
    }
    // No operation answers it: it is what the methods get that a path does not know.
    told.insert(Code::MethodNotAllowed.as_str());
    assert_eq!(told, Code::ALL.iter().map(|code| code.as_str()).collect());
}

/// Every example beside a schema, with the place of both.
fn examples<'a>(value: &'a Value, place: &str, found: &mut Vec<(String, &'a Value, &'a Value)>) {
    if let Value::Object(members) = value {
        if let Some(schema) = members.get("schema") {
            found.extend(members.get("example").map(|example| (place.to_owned(), schema, example)));
            let named = members.get("examples").and_then(Value::as_object).into_iter().flatten();
            found.extend(named.map(|(name, example)| (format!("{place}/{name}"), schema, &example["value"])));
        }
        for (name, member) in members.iter().filter(|(name, _)| !name.starts_with("example")) {
            examples(member, &format!("{place}/{name}"), found);
        }
    } else if let Value::Array(items) = value {
        items.iter().enumerate().for_each(|(index, item)| examples(item, &format!("{place}/{index}"), found));
    }
}

#[test]
fn every_body_and_parameter_has_an_example_that_meets_its_schema() {
    let described = described();
    let mut found = Vec::new();
    examples(&described, "", &mut found);
    assert!(found.len() > 60, "only {} examples", found.len());
    for (place, schema, example) in &found {
        let schema = serde_json::json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "allOf": [schema],
            "components": described["components"],
        });
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema");
        if let Err(error) = validator.validate(example) {
            panic!("the example at {place}: {error}");
        }
    }
    for (path, methods) in described["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let answers = operation["responses"].as_object().expect("responses").values();
            let contents =
                answers.chain([&operation["requestBody"]]).filter_map(|answer| answer["content"].as_object());
            for (kind, content) in contents.flatten().filter(|(kind, _)| *kind != "application/octet-stream") {
                assert!(content["example"] != Value::Null, "{method} {path} has no example of {kind}");
            }
        }
    }
}

#[test]
fn openapi_lists_every_word_of_our_enums() {
    let described = described();
    let schemas = &described["components"]["schemas"];
    assert_eq!(words(&schemas["status"]), Status::ALL.iter().map(|status| status.as_str()).collect());
    assert_eq!(words(&schemas["code"]), Code::ALL.iter().map(|code| code.as_str()).collect());
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
