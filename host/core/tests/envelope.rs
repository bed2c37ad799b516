//! The envelope's text form: golden vectors under tests/fixtures/envelope, hostile input, and properties.

use std::path::PathBuf;

use bytes::Bytes;
use host_core::envelope::{DecodeError, DecodeReason, Envelope, Start, UseCaseRef, decode, encode, meta_bytes};
use host_core::failure::{Failure, FailureKind};
use host_core::id::{Digest, Direction, GlobalId, Position, StepAddress, UseCaseName};
use host_core::json::Json;
use host_core::limits::Limits;
use host_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

fn address(text: &str) -> StepAddress {
    StepAddress::try_new(text).expect("an address")
}

fn read(text: &str, direction: Direction, to: &str) -> Result<Envelope, DecodeError> {
    decode(&Bytes::copy_from_slice(text.as_bytes()), direction, &address(to), &Limits::default())
}

/// One file of tests/fixtures/envelope.
struct Vector {
    name: String,
    value: Value,
}

impl Vector {
    fn all() -> Vec<Vector> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/envelope");
        let files = std::fs::read_dir(folder).expect("the folder of vectors");
        let mut vectors: Vec<_> = files
            .map(|file| {
                let path = file.expect("a file").path();
                let text = std::fs::read_to_string(&path).expect("a text file");
                Vector { name: path.display().to_string(), value: serde_json::from_str(&text).expect("a vector") }
            })
            .collect();
        vectors.sort_by(|a, b| a.name.cmp(&b.name));
        vectors
    }

    fn text(&self, field: &str) -> Option<&str> {
        self.value[field].as_str()
    }

    fn direction(&self) -> Direction {
        serde_json::from_value(self.value["arrives"]["direction"].clone()).expect("a direction")
    }

    fn decoded(&self) -> Result<Envelope, DecodeError> {
        let to = self.value["arrives"]["address"].as_str().expect("an address");
        read(self.text("input").expect("an input"), self.direction(), to)
    }
}

/// What a vector says about a decoded message.
fn fields_of(envelope: &Envelope) -> Value {
    let meta = &envelope.meta;
    let steps: Vec<_> = meta.steps().iter().map(StepAddress::as_str).collect();
    let headers: Vec<_> = meta.other_fields().map(|(key, value)| [key.as_str(), value.as_str()]).collect();
    let log: Vec<_> = meta
        .compensation_log
        .iter()
        .map(|entry| {
            let digest = entry.digest.map(|digest| digest.to_string());
            serde_json::json!([entry.position.0, digest, entry.log.as_ref().map(Json::as_str)])
        })
        .collect();
    let mut fields = serde_json::json!({
        "global-id": meta.global_id.as_str(), "steps": steps, "index": meta.index(), "position": meta.position().0,
        "message-id": meta.message_id().to_string(), "body": envelope.body.as_str(), "headers": headers,
    });
    let mut put = |name: &str, value: Value| {
        let empty = value.is_null() || value == Value::Bool(false) || value == Value::Array(Vec::new());
        if !empty {
            fields[name] = value;
        }
    };
    put("use-case", meta.use_case.as_ref().map(|use_case| use_case.name.as_str()).into());
    put("use-case-version", meta.use_case.as_ref().map(|use_case| use_case.version).into());
    put("compensation-log", log.into());
    put("compensation-failed", meta.given_up.iter().map(|position| position.0).collect());
    put("failure", serde_json::to_value(&meta.failure).expect("a failure"));
    put("deadline", meta.deadline.map(|deadline| deadline.to_string()).into());
    put("traceparent", meta.traceparent().into());
    put("tracestate", meta.tracestate().into());
    fields
}

#[test]
fn golden_vectors_are_read_and_written_to_the_byte() {
    let mut seen = 0;
    for vector in Vector::all().iter().filter(|vector| vector.text("encoded").is_some()) {
        let envelope = vector.decoded().unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        assert_eq!(fields_of(&envelope), vector.value["fields"], "{}", vector.name);
        let text = encode(&envelope);
        assert_eq!(
            std::str::from_utf8(&text).expect("UTF-8"),
            vector.text("encoded").unwrap_or_default(),
            "{}",
            vector.name
        );
        seen += 1;
    }
    assert!(seen >= 11, "the vectors were not found");
}

#[test]
fn golden_refusals_say_what_is_wrong_and_whose_message_it_was() {
    let mut seen = 0;
    for vector in Vector::all().iter().filter(|vector| vector.text("encoded").is_none()) {
        let error = vector.decoded().err().unwrap_or_else(|| panic!("{} was accepted", vector.name));
        let expected = vector.text("refused").unwrap_or_else(|| panic!("{} expects nothing", vector.name));
        assert!(error.to_string().contains(expected), "{}: {error}", vector.name);
        assert!(error.to_string().contains("; "), "{} names no cure: {error}", vector.name);
        let global_id = error.global_id().map(|id| Value::from(id.as_str())).unwrap_or_default();
        assert_eq!(global_id, vector.value["global-id"], "{}", vector.name);
        seen += 1;
    }
    assert!(seen >= 40, "the vectors were not found");
}

#[test]
fn a_written_message_is_read_back_as_itself() {
    for vector in Vector::all().iter().filter(|vector| vector.text("encoded").is_some()) {
        let envelope = vector.decoded().expect("accepted above");
        let text = encode(&envelope);
        let again = decode(&text, envelope.meta.direction, envelope.meta.address(), &Limits::default()).expect("ours");
        assert_eq!(fields_of(&again), fields_of(&envelope), "{}", vector.name);
        assert_eq!(encode(&again), text, "{}", vector.name);
    }
}

#[test]
fn the_body_is_a_slice_of_the_message_and_not_a_copy() {
    let text = Bytes::from_static(br#"{"meta":{"global-id":"x","steps":["d.s.one"]},"body":{"a":1}}"#);
    let envelope = decode(&text, Direction::Handle, &address("d.s.one"), &Limits::default()).expect("minimal");
    assert!(text.as_ptr_range().contains(&envelope.body.as_bytes().as_ptr()));
}

const SMALL: Limits = Limits { body_bytes_max: 20, meta_bytes_max: 100, step_count_max: 3 };

fn read_small(text: &str) -> Result<Envelope, DecodeError> {
    decode(&Bytes::copy_from_slice(text.as_bytes()), Direction::Handle, &address("d.s.one"), &SMALL)
}

fn too_large(text: &str) -> Option<&'static str> {
    match read_small(text).map_err(|error| error.reason) {
        Err(DecodeReason::TooLarge { what, .. }) => Some(what),
        Err(_) | Ok(_) => None,
    }
}

#[test]
fn limits_hold_to_the_byte() {
    let of_body = |bytes: usize| {
        format!(r#"{{"meta":{{"global-id":"x","steps":["d.s.one"]}},"body":"{}"}}"#, "b".repeat(bytes - 2))
    };
    assert!(read_small(&of_body(20)).is_ok());
    assert_eq!(too_large(&of_body(21)), Some("body"));
    assert_eq!(too_large(&of_body(20_000)), Some("message"));
    let of_meta = |bytes: usize| {
        let empty = r#"{"global-id":"x","steps":["d.s.one"],"a":""}"#.len();
        let padding = "m".repeat(bytes - empty);
        format!(r#"{{"meta":{{"global-id":"x","steps":["d.s.one"],"a":"{padding}"}},"body":1}}"#)
    };
    assert!(read_small(&of_meta(100)).is_ok());
    assert_eq!(too_large(&of_meta(101)), Some("meta"));
    // What stands beside meta and is carried along counts with it.
    let beside = format!(r#"{{"meta":{{"global-id":"x","steps":["d.s.one"]}},"body":1,"a":"{}"}}"#, "m".repeat(80));
    assert_eq!(too_large(&beside), Some("meta"));
    let many = format!(r#"{{{}"meta":{{"global-id":"x","steps":["d.s.one"]}}}}"#, r#""a":1,"#.repeat(60));
    assert_eq!(too_large(&many), Some("meta"));
    let of_steps = |count: usize| {
        let others = r#","a.b.c""#.repeat(count - 1);
        format!(r#"{{"meta":{{"global-id":"x","steps":["d.s.one"{others}]}},"body":1}}"#)
    };
    assert!(read_small(&of_steps(3)).is_ok());
    assert!(matches!(read_small(&of_steps(4)).map_err(|error| error.reason), Err(DecodeReason::TooManySteps { .. })));
}

#[test]
fn an_oversize_message_still_tells_whose_it_is() {
    let text = format!(r#"{{"meta":{{"global-id":"x","steps":["d.s.one"]}},"body":"{}"}}"#, "b".repeat(20_000));
    assert_eq!(read_small(&text).expect_err("too large").global_id(), GlobalId::try_new("x").ok());
}

#[test]
fn ten_thousand_steps_are_refused_whatever_the_limits() {
    let steps = r#","a.b.c""#.repeat(9_999);
    let text = Bytes::from(format!(r#"{{"meta":{{"global-id":"x","steps":["d.s.one"{steps}]}},"body":1}}"#));
    let limits = Limits { meta_bytes_max: usize::MAX, step_count_max: usize::MAX, ..Limits::default() };
    let error = decode(&text, Direction::Handle, &address("d.s.one"), &limits).expect_err("too many");
    assert!(matches!(error.reason, DecodeReason::TooManySteps { step_count_max: 1024 }), "{error}");
}

#[test]
fn nesting_of_any_depth_is_walked_without_recursion() {
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let text =
        |meta: &str, body: &str| format!(r#"{{"meta":{{"global-id":"x","steps":["d.s.one"]{meta}}},"body":{body}}}"#);
    let body = read(&text("", &deep), Direction::Handle, "d.s.one").expect("deep, but JSON");
    assert_eq!(body.body.as_str(), deep);
    let limits = Limits { meta_bytes_max: 1 << 20, ..Limits::default() };
    for member in ["other", "position", "message-id", "compensation-log", "failure", "deadline"] {
        let text = Bytes::from(text(&format!(r#","{member}":{deep}"#), "1"));
        let decoded = decode(&text, Direction::Handle, &address("d.s.one"), &limits);
        assert_eq!(decoded.is_ok(), matches!(member, "other" | "message-id"), "{member}");
    }
    let opened = text("", &"{\"a\":[".repeat(100_000));
    assert!(read(&opened, Direction::Handle, "d.s.one").is_err());
}

#[test]
fn what_is_not_utf_8_is_refused_with_its_place() {
    let text = Bytes::from_static(b"{\"meta\":{\"global-id\":\"x\",\"steps\":[\"d.s.one\"]},\"body\":\"\xff\"}");
    let error = decode(&text, Direction::Handle, &address("d.s.one"), &Limits::default()).expect_err("not UTF-8");
    assert_eq!(error.reason, DecodeReason::NotUtf8 { at: 54 });
    assert_eq!(error.global_id(), GlobalId::try_new("x").ok(), "what came before it could be read");
}

fn failure() -> Failure {
    Failure {
        position: Position(1),
        address: address("d.s.two"),
        direction: Direction::Handle,
        kind: FailureKind::Rejected,
        code: "no".to_owned(),
        reason: "a \"reason\"\n".to_owned(),
        at: Timestamp::from_ms(1_795_000_000_000),
    }
}

fn start(use_case: Option<UseCaseRef>, trace: Option<(String, Option<String>)>) -> Envelope {
    Envelope::try_start(Start {
        global_id: GlobalId::try_new("x").expect("an id"),
        steps: [address("d.s.one"), address("d.s.two")].into(),
        body: Json::try_from_text("{}").expect("JSON"),
        use_case,
        deadline: Some(Timestamp::from_ms(1_795_000_000_000)),
        trace,
    })
    .expect("two steps")
}

#[test]
fn a_start_is_written_in_the_hosts_own_order() {
    let use_case = UseCaseRef { name: UseCaseName::try_new("shop").expect("a name"), version: 2 };
    let trace = ("00-ab-cd-01".to_owned(), Some("a=1".to_owned()));
    let text = encode(&start(Some(use_case), Some(trace)));
    assert_eq!(
        std::str::from_utf8(&text).expect("UTF-8"),
        "{\"meta\":{\"global-id\":\"x\",\"steps\":[\"d.s.one\",\"d.s.two\"],\"position\":0,\"use-case\":\"shop\",\
         \"use-case-version\":2,\"message-id\":\"x/handle/0\",\"deadline\":\"2026-11-18T11:06:40.000Z\",\
         \"traceparent\":\"00-ab-cd-01\",\"tracestate\":\"a=1\"},\"body\":{}}"
    );
}

#[test]
fn a_broken_trace_context_is_left_out() {
    for parent in ["", "a\"b", "a\\b", "é", "a\nb"] {
        let envelope = start(None, Some((parent.to_owned(), Some("a=1".to_owned()))));
        assert_eq!((envelope.meta.traceparent(), envelope.meta.tracestate()), (None, None), "{parent:?}");
        assert_eq!(encode(&envelope), encode(&start(None, None)));
    }
    let envelope = start(None, Some(("p".to_owned(), None)));
    let replaced = envelope.meta.with_trace("q", Some("s"));
    assert_eq!(
        (replaced.traceparent(), replaced.tracestate(), replaced.other_fields().count()),
        (Some("q"), Some("s"), 2)
    );
}

#[test]
fn turned_round_a_message_keeps_its_foreign_members() {
    let text = r#"{"meta":{"tenant":7,"steps":["d.s.one","d.s.two"],"global-id":"x"},"body":{},"via":"b"}"#;
    let envelope = read(text, Direction::Handle, "d.s.two").expect("readable");
    let meta = envelope.meta.turned_round(failure()).expect("a step before it");
    let text = encode(&Envelope { meta, body: envelope.body });
    let text = std::str::from_utf8(&text).expect("UTF-8");
    let head = r#"{"meta":{"tenant":7,"steps":["d.s.two","d.s.one"],"global-id":"x","position":1,"#;
    let rest = text.strip_prefix(head).unwrap_or_else(|| panic!("{text}"));
    assert!(rest.starts_with(r#""message-id":"x/compensate/0","failure":{"position":1,"#), "{text}");
    assert!(text.ends_with(r#""at":"2026-11-18T11:06:40.000Z"}},"body":{},"via":"b"}"#), "{text}");
    assert!(read(text, Direction::Compensate, "d.s.one").is_ok());
}

/// A JSON text with white space and forms that a rewriting parser would lose.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1.10".to_owned()),
        Just("-0e5".to_owned()),
        Just("9007199254740993".to_owned()),
        Just(r#""\u0041\/é""#.to_owned()),
        Just(r#""{\"meta\":1}""#.to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|list| format!("[{}]", list.join(" , "))),
            prop::collection::vec(inner, 0..3).prop_map(|list| {
                let members: Vec<_> = list.iter().map(|value| format!("\"k\" : {value}")).collect();
                format!("{{ {}}}", members.join(","))
            }),
        ]
    })
}

fn any_log_entry() -> impl Strategy<Value = (u16, Option<[u8; 32]>, Option<String>)> {
    (0u16..4, any::<Option<[u8; 32]>>(), prop::option::of(any_json()))
}

prop_compose! {
    /// A message of the host's own, with foreign members now and then.
    fn any_envelope()(
        id in "[ -~é]{1,40}",
        occurrences in prop::collection::vec(0u8..3, 4),
        index in 0u16..4,
        backwards in any::<bool>(),
        use_case in prop::option::of(("[a-z][a-z0-9-]{0,9}", 1u32..)),
        log in prop::collection::vec(any_log_entry(), 0..4),
        given_up in prop::sample::subsequence(vec![0u16, 1, 2, 3], 0..4),
        has_failure in any::<bool>(),
        deadline in prop::option::of(0u64..4_000_000_000_000),
        others in prop::collection::vec(("[a-z]{1,3}", any_json()), 0..3),
        body in any_json(),
    ) -> (String, Direction, StepAddress) {
        let steps: Vec<_> = occurrences.iter().map(|step| format!("d.s.step-{step}")).collect();
        let mut meta = serde_json::json!({
            "global-id": format!("i{}i", id), "steps": steps, "position": index, "compensation-failed": given_up,
        });
        if let Some((name, version)) = use_case {
            meta["use-case"] = name.into();
            meta["use-case-version"] = version.into();
        }
        if has_failure {
            meta["failure"] = serde_json::to_value(failure()).expect("a failure");
        }
        if let Some(ms) = deadline {
            meta["deadline"] = Timestamp::from_ms(ms).to_string().into();
        }
        let mut text = meta.to_string();
        text.pop();
        let mut logged: Vec<u16> = Vec::new();
        let mut entries = Vec::new();
        for (position, digest, log) in log {
            if !logged.contains(&position) {
                logged.push(position);
                let digest = digest.map(|bytes| format!("\"digest\":\"{}\"", Digest(bytes)));
                let log = log.map(|log| format!("\"log\" : {log}"));
                let members: Vec<_> = digest.into_iter().chain(log).collect();
                entries.push(format!("\"{position}\":{{{}}}", members.join(",")));
            }
        }
        text.push_str(&format!(",\"compensation-log\":{{{}}}", entries.join(",")));
        for (key, value) in &others {
            text.push_str(&format!(",\"x-{key}\" : {value}"));
        }
        let direction = if backwards { Direction::Compensate } else { Direction::Handle };
        let to = address(&steps[usize::from(index)]);
        (format!("{{\"meta\":{text}}},\"body\": {body} ,\"y\":{body}}}"), direction, to)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_survives_being_read_and_written((text, direction, to) in any_envelope()) {
        let first = decode(&Bytes::from(text), direction, &to, &Limits::default()).expect("a message of ours");
        let written = encode(&first);
        let second = decode(&written, direction, &to, &Limits::default()).expect("our own writing");
        prop_assert_eq!(fields_of(&second), fields_of(&first));
        prop_assert_eq!(encode(&second), written.clone());
        prop_assert!(serde_json::from_slice::<Value>(&written).is_ok());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&Bytes::from(bytes), Direction::Handle, &address("d.s.one"), &Limits::default());
    }

    #[test]
    fn a_message_damaged_anywhere_is_read_or_refused_and_never_panics(
        (text, direction, to) in any_envelope(),
        at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>(),
    ) {
        let mut bytes = text.into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(envelope) = decode(&Bytes::from(bytes), direction, &to, &Limits::default()) {
            prop_assert!(decode(&encode(&envelope), direction, &to, &Limits::default()).is_ok());
        }
    }

    #[test]
    fn the_size_of_a_head_is_what_its_text_has((text, direction, to) in any_envelope()) {
        let envelope = decode(&Bytes::from(text), direction, &to, &Limits::default()).expect("a message of ours");
        let bytes = meta_bytes(&envelope.meta);
        let limits = |meta_bytes_max| Limits { meta_bytes_max, ..Limits::default() };
        let written = encode(&envelope);
        prop_assert!(decode(&written, direction, &to, &limits(bytes)).is_ok());
        prop_assert!(decode(&written, direction, &to, &limits(bytes - 1)).is_err());
    }
}
