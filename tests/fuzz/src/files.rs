//! Use cases and manifests, which people write. Promised: every mistake names the file, a line that is there and a
//! cure; what is accepted can be written out in full and is then read as the same.

use host_core::files::FileError;
use host_core::id::StepAddress;
use host_core::manifest::{self, CallsPerInstance, Manifest};
use host_core::retry::RetryPolicy;
use host_core::time::format_span;
use host_core::unit::OnTimeout;
use host_core::use_case::{self, OnCompensationFailure, OnExhausted, UseCase};
use toml::{Table, Value};

use crate::corpus;

/// Mistakes of one file at most: one for a key, a few for the file.
const MISTAKES_PER_BYTE_MAX: usize = 8;

pub(crate) fn use_cases() -> Vec<Vec<u8>> {
    let folder = corpus::root().join("plugins/use-cases");
    let examples = corpus::files(&folder).into_iter().chain(corpus::fixtures("use-case"));
    examples.filter(|(name, _)| name.ends_with(".toml")).map(|(_, text)| text).collect()
}

pub(crate) fn manifests() -> Vec<Vec<u8>> {
    let root = corpus::root();
    let plugins = std::fs::read_dir(root.join("plugins")).expect("the plugins").filter_map(|entry| entry.ok());
    let mut folders: Vec<_> = plugins.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    let examples = folders.iter().flat_map(|folder| corpus::files(folder)).filter(|(name, _)| name != "Cargo.toml");
    let fixtures = corpus::fixtures("manifest");
    examples.chain(fixtures).filter(|(name, _)| name.ends_with(".toml")).map(|(_, text)| text).collect()
}

fn refused(mistakes: &[FileError], file: &str, text: &str) {
    assert!(!mistakes.is_empty(), "refused without a word");
    assert!(mistakes.len() <= 64 + text.len() * MISTAKES_PER_BYTE_MAX, "more mistakes than text");
    let line_count = text.split('\n').count();
    for mistake in mistakes {
        assert_eq!(mistake.file, file);
        assert!(!mistake.problem.is_empty() && !mistake.cure.is_empty(), "{mistake}");
        assert!(mistake.line.is_none_or(|line| line >= 1 && line as usize <= line_count), "line of {mistake}");
    }
}

fn texts<T: ToString>(items: impl IntoIterator<Item = T>) -> Value {
    Value::Array(items.into_iter().map(|item| Value::String(item.to_string())).collect())
}

pub(crate) fn use_case(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // The file's name is the use case's.
    let named = text.parse::<Table>().ok().and_then(|table| Some(table.get("name")?.as_str()?.to_owned()));
    let file = format!("{}.toml", named.as_deref().unwrap_or("fuzz"));
    match use_case::parse(&file, text) {
        Ok(definition) => {
            let written = use_case_text(&definition);
            let again = use_case::parse(&file, &written).unwrap_or_else(|mistakes| panic!("{mistakes:?} in {written}"));
            assert_eq!(again, definition, "written out it reads otherwise: {written}");
            assert!(!definition.steps.is_empty());
            let pivot = definition.policy.pivot;
            assert!(pivot.is_none_or(|pivot| usize::from(pivot.0) < definition.steps.len()));
        }
        Err(mistakes) => refused(&mistakes, &file, text),
    }
}

fn use_case_text(definition: &UseCase) -> String {
    let mut table = Table::new();
    let mut put = |key: &str, value: Value| drop(table.insert(key.to_owned(), value));
    put("name", definition.name.to_string().into());
    put("version", i64::from(definition.version).into());
    put("owner", definition.owner.clone().into());
    put("description", definition.description.clone().into());
    put("steps", texts(definition.steps.iter()));
    if let Some(pivot) = definition.policy.pivot {
        put("pivot", definition.steps[usize::from(pivot.0)].to_string().into());
    }
    if let Some(deadline) = definition.deadline {
        put("deadline", format_span(deadline).into());
    }
    let on_exhausted = match definition.policy.on_exhausted {
        OnExhausted::Error => "error",
        OnExhausted::Compensate => "compensate",
    };
    put("on-exhausted", on_exhausted.into());
    let on_failure = match definition.policy.on_compensation_failure {
        OnCompensationFailure::Stop => "stop",
        OnCompensationFailure::Continue => "continue",
    };
    put("on-compensation-failure", on_failure.into());
    if let Some(topic) = &definition.trigger_topic {
        put("trigger-topic", topic.to_string().into());
    }
    if let Some(schema) = &definition.body_schema {
        put("body-schema", schema.clone().into());
    }
    table.to_string()
}

pub(crate) fn manifest(input: &[u8]) {
    const FILE: &str = "race.payments.pay.toml";
    let Ok(text) = std::str::from_utf8(input) else { return };
    let address = || StepAddress::try_new("race.payments.pay").expect("three words");
    match manifest::parse(address(), FILE, text) {
        Ok(read) => {
            let written = manifest_text(&read);
            let again = manifest::parse(address(), FILE, &written);
            let again = again.unwrap_or_else(|mistakes| panic!("{mistakes:?} in {written}"));
            assert_eq!(again, read, "written out it reads otherwise: {written}");
            for policy in [read.retry.handle, read.retry.compensate, read.retry.fault] {
                assert!(policy.attempt_count_max >= 1 && policy.initial <= policy.max, "{policy:?}");
            }
        }
        Err(mistakes) => refused(&mistakes, FILE, text),
    }
}

fn retry_table(policy: RetryPolicy) -> Table {
    Table::from_iter([
        ("max-attempts".to_owned(), i64::from(policy.attempt_count_max).into()),
        ("initial".to_owned(), format_span(policy.initial).into()),
        ("max".to_owned(), format_span(policy.max).into()),
    ])
}

fn manifest_text(manifest: &Manifest) -> String {
    let whole = |number: usize| Value::Integer(i64::try_from(number).expect("the bounds of sizes fit"));
    let section = |members: Vec<(&str, Value)>| {
        Value::Table(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    };
    let mut retry = retry_table(manifest.retry.handle);
    retry.insert("compensate".to_owned(), retry_table(manifest.retry.compensate).into());
    retry.insert("fault".to_owned(), retry_table(manifest.retry.fault).into());
    let on_timeout = match manifest.wait.on_timeout {
        OnTimeout::Reject => "reject",
        OnTimeout::Error => "error",
    };
    let config = manifest.config.iter().map(|(key, value)| (key.clone(), Value::String(value.clone())));
    let mut table = Table::from_iter([
        ("grants".to_owned(), texts(manifest.grants.iter().map(|grant| grant.as_str()))),
        ("concurrency".to_owned(), i64::from(manifest.concurrency).into()),
        ("config".to_owned(), Value::Table(config.collect())),
        ("keyvalue".to_owned(), section(vec![("shared", texts(&manifest.shared_buckets))])),
        ("events".to_owned(), section(vec![("topics", texts(&manifest.event_topics))])),
        ("retry".to_owned(), retry.into()),
        (
            "wait".to_owned(),
            section(vec![("timeout", format_span(manifest.wait.timeout).into()), ("on-timeout", on_timeout.into())]),
        ),
        (
            "limits".to_owned(),
            section(vec![
                ("memory", whole(manifest.limits.memory_bytes_max)),
                ("time", format_span(manifest.limits.time_max).into()),
                ("output", whole(manifest.limits.output_bytes_max)),
            ]),
        ),
    ]);
    let calls: Option<Value> = match manifest.calls_per_instance {
        CallsPerInstance::Count(count) => Some(i64::from(count).into()),
        CallsPerInstance::Unlimited => Some("unlimited".into()),
        // A file says it by saying nothing.
        CallsPerInstance::Measured => None,
    };
    table.extend(calls.map(|calls| ("calls-per-instance".to_owned(), calls)));
    table.extend(manifest.remote.map(|remote| {
        let hash: String = remote.token_sha256.iter().map(|byte| format!("{byte:02x}")).collect();
        let lease = format_span(remote.lease).into();
        ("remote".to_owned(), section(vec![("token-sha256", hash.into()), ("lease", lease)]))
    }));
    if let Some(pointer) = &manifest.ordering_key {
        table.insert("ordering-key".to_owned(), pointer.clone().into());
    }
    table.to_string()
}
