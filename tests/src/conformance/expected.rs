//! Holds what a call of the conformance step came to against what its case expects. Knows nothing of how it is called.

use host_core::manifest::Manifest;
use host_core::outcome::{Answer, FaultKind, Outcome};
use host_runtime::{LogLevel, LogLine, Report};
use serde_json::{Map, Value, json};

use super::full_bucket;

/// Where both differ, in words; nothing if the case holds. What a case does not name must not have happened, but log lines,
/// which are looked at only where it names them.
pub(super) fn differences(expect: &Value, report: &Report, logs: &[LogLine], manifest: &Manifest) -> Vec<String> {
    let expect = expect.as_object().expect("a case expects something");
    let mut wrong = Vec::new();
    let mut compare = |what: &str, wanted: &Value, found: &Value| {
        if wanted != found {
            wrong.push(format!("{what}: expected {wanted}, got {found}"));
        }
    };
    let found = found(&report.answer, expect);
    for kind in ["done", "rejected", "retry", "wait", "fault"] {
        let wanted = expect.get(kind).unwrap_or(&Value::Null);
        compare(kind, wanted, &narrowed(wanted, found.get(kind).unwrap_or(&Value::Null)));
    }
    compare("log", expect.get("log").unwrap_or(&Value::Null), found.get("log").unwrap_or(&Value::Null));
    for (what, found) in effects(report) {
        let wanted = expect.get(what).cloned().unwrap_or_else(|| json!([]));
        let wanted = if what == "writes" { with_full_names(&wanted, manifest) } else { wanted };
        compare(what, &wanted, &found);
    }
    if let Some(wanted) = expect.get("logs") {
        let lines = logs.iter().map(|line| json!([level(line.level), line.message]));
        compare("logs", wanted, &lines.collect());
    }
    wrong
}

/// What was answered, by its kind. Where a case expects a retry that tells where it happened, a trap that tells it counts as
/// one: a language whose panics end the instance has no other way.
fn found(answer: &Answer, expect: &Map<String, Value>) -> Map<String, Value> {
    let wants_place = expect.get("retry").is_some_and(|retry| retry.get("reason-has").is_some());
    let milliseconds = |span: std::time::Duration| json!(span.as_millis() as u64);
    let value = match answer {
        Answer::Outcome(Outcome::Done { body, compensation }) => {
            let log = compensation.as_ref().map(|log| log.as_str());
            json!({"done": body.as_str(), "log": log})
        }
        Answer::Outcome(Outcome::Rejected { code, reason, details }) => {
            json!({"rejected": {"code": code, "reason": reason, "details": details.as_ref().map(|json| json.as_str())}})
        }
        Answer::Outcome(Outcome::Retry { reason, after }) => {
            json!({"retry": {"reason": reason, "after-ms": after.map(milliseconds)}})
        }
        Answer::Outcome(Outcome::Wait { key, reason, timeout }) => {
            json!({"wait": {"key": key.as_str(), "reason": reason, "timeout-ms": timeout.map(milliseconds)}})
        }
        Answer::Fault(fault) if fault.kind == FaultKind::Trap && wants_place => {
            json!({"retry": {"reason": fault.reason, "after-ms": null}})
        }
        Answer::Fault(fault) => json!({"fault": format!("{:?}: {}", fault.kind, fault.reason)}),
    };
    value.as_object().cloned().unwrap_or_default()
}

/// What of an answer its case speaks of: members that it names, and of a reason only the words that it must have. A time is
/// always spoken of: a case that names none wants none.
fn narrowed(wanted: &Value, found: &Value) -> Value {
    let (Some(names), Some(all)) = (wanted.as_object(), found.as_object()) else {
        return found.clone();
    };
    let mut out = Map::new();
    for (name, value) in names {
        if name == "reason-has" {
            let reason = all.get("reason").and_then(Value::as_str).unwrap_or_default();
            let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            let has_all = words.into_iter().all(|word| reason.contains(word));
            out.insert(name.clone(), if has_all { value.clone() } else { json!(reason) });
        } else {
            out.insert(name.clone(), all.get(name).cloned().unwrap_or_default());
        }
    }
    for name in ["after-ms", "timeout-ms"] {
        if let Some(unasked) = all.get(name).filter(|value| !value.is_null() && !names.contains_key(name)) {
            out.insert(name.to_owned(), unasked.clone());
        }
    }
    Value::Object(out)
}

fn effects(report: &Report) -> [(&'static str, Value); 3] {
    let effects = &report.effects;
    let writes = effects.writes.iter().map(|(bucket, key, value)| {
        json!([bucket.as_str(), key, value.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned())])
    });
    let emits = effects.emits.iter().map(|(topic, body)| json!([topic.as_str(), body.as_str()]));
    let signals = effects.signals.iter().map(|key| json!(key.as_str()));
    [("writes", writes.collect()), ("emits", emits.collect()), ("signals", signals.collect())]
}

fn with_full_names(writes: &Value, manifest: &Manifest) -> Value {
    let rows = writes.as_array().into_iter().flatten();
    rows.map(|row| json!([full_bucket(manifest, row[0].as_str().unwrap_or_default()), row[1], row[2]])).collect()
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Trace => "trace",
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
        LogLevel::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_case_names_is_compared() {
        let found = json!({"code": "a", "reason": "no money left", "details": null});
        assert_eq!(narrowed(&json!({"code": "a"}), &found), json!({"code": "a"}));
        let wanted = json!({"reason-has": ["money", "left"]});
        assert_eq!(narrowed(&wanted, &found), wanted);
        assert_ne!(narrowed(&json!({"reason-has": ["paper"]}), &found), json!({"reason-has": ["paper"]}));
    }

    #[test]
    fn a_time_that_nobody_expects_is_a_difference() {
        let found = json!({"reason": "later", "after-ms": 5});
        assert_ne!(narrowed(&json!({"reason": "later"}), &found), json!({"reason": "later"}));
        let none = json!({"reason": "later", "after-ms": null});
        assert_eq!(narrowed(&json!({"reason": "later"}), &none), json!({"reason": "later"}));
    }
}
