//! A message as any program may publish it. Promised: nothing over a limit is accepted; what is accepted is JSON for
//! `serde_json` as well, with the same id, steps, body and foreign members; writing it and reading it again changes
//! nothing, to the byte; a refusal names the cure; and only what is no JSON object is called that.

use bytes::Bytes;
use host_core::envelope::{DecodeReason, Envelope, decode, encode, meta_bytes, meta_bytes_at_most};
use host_core::id::{Direction, StepAddress};
use host_core::limits::Limits;
use serde_json::Value;

use crate::{corpus, meta};

/// Small, so that inputs reach them.
const LIMITS: Limits = Limits { body_bytes_max: 1 << 10, meta_bytes_max: 2 << 10, step_count_max: 8 };

/// The first line says where the message arrives: a direction and an address.
fn arrival(input: &[u8]) -> (Direction, StepAddress, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, message) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let line = std::str::from_utf8(line).unwrap_or_default();
    let (direction, address) = line.split_once(' ').unwrap_or((line, "d.s.one"));
    let direction = if direction == "compensate" { Direction::Compensate } else { Direction::Handle };
    let fallback = || StepAddress::try_new("d.s.one").expect("three words");
    (direction, StepAddress::try_new(address).unwrap_or_else(|_| fallback()), message)
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let vectors = corpus::fixtures("envelope").into_iter().map(|(name, text)| {
        let vector: Value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let arrives = &vector["arrives"];
        format!("{} {}\n{}", word(&arrives["direction"]), word(&arrives["address"]), word(&vector["input"]))
            .into_bytes()
    });
    vectors.collect()
}

pub(crate) fn run(input: &[u8]) {
    let (direction, address, message) = arrival(input);
    let bytes = Bytes::copy_from_slice(message);
    match decode(&bytes, direction, &address, &LIMITS) {
        Ok(envelope) => accepted(&bytes, &envelope, &address),
        Err(error) => {
            assert!(error.to_string().contains("; "), "a refusal without a cure: {error}");
            if let DecodeReason::NotAnEnvelope { problem } = &error.reason {
                let is_object = bytes.trim_ascii_start().starts_with(b"{");
                assert!(!(is_object && meta::is_json(&bytes)), "JSON was called none: {problem}");
            }
        }
    }
}

fn accepted(bytes: &Bytes, envelope: &Envelope, address: &StepAddress) {
    let head = &envelope.meta;
    assert!(envelope.body.len() <= LIMITS.body_bytes_max, "a body over its limit");
    assert!(head.step_count() <= LIMITS.step_count_max, "steps over their limit");
    assert_eq!(head.address(), address, "it is for whom it came to");
    assert!(meta_bytes(head) <= meta_bytes_at_most(head), "the cheap bound is none");
    assert!(meta::is_json(bytes), "accepted, and no JSON");
    assert!(meta::is_json(envelope.body.as_bytes()), "the body is no JSON");

    let written = encode(envelope);
    assert!(meta::is_json(&written), "what was written is no JSON");
    // What the host adds to a foreign message may not fit any more; everything else about it must hold.
    let roomy = Limits { meta_bytes_max: 1 << 20, ..LIMITS };
    let again = decode(&written, head.direction, address, &roomy).expect("our own message");
    assert_eq!(again.body, envelope.body);
    assert_eq!(encode(&again), written, "writing it again changes it");
    assert_eq!(again.meta.message_id(), head.message_id());
    assert_eq!(meta_bytes(&again.meta), meta_bytes(head));
    assert_eq!((&again.meta.compensation_log, &again.meta.failure), (&head.compensation_log, &head.failure));
    assert_eq!((again.meta.deadline, &again.meta.use_case), (head.deadline, &head.use_case));

    if let (Some(theirs), Some(ours)) = (meta::value(bytes), meta::value(&written)) {
        assert_eq!(theirs["meta"]["global-id"], head.global_id.as_str());
        let steps: Vec<_> = head.steps().iter().map(|step| Value::from(step.as_str())).collect();
        assert_eq!(theirs["meta"]["steps"], Value::Array(steps));
        assert_eq!(theirs.get("body").cloned().unwrap_or_default(), ours["body"], "the body was changed");
        assert_eq!(meta::foreign(&theirs), meta::foreign(&ours), "a foreign member was lost or changed");
    }
}
