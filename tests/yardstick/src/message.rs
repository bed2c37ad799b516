//! A message as this program carries it: JSON of the envelope's shape, its body passed through as text.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

const STEPS: [&str; 3] = ["bench.steps.s1", "bench.steps.s2", "bench.steps.s3"];
const BODY: &str = r#"{"order-id":"bench","amount":12.50}"#;

#[derive(Serialize, Deserialize)]
pub struct Envelope<'a> {
    #[serde(borrow)]
    pub meta: Meta<'a>,
    #[serde(borrow)]
    pub body: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Meta<'a> {
    pub global_id: &'a str,
    pub steps: Vec<&'a str>,
    pub position: u16,
    pub use_case: &'a str,
    pub message_id: String,
}

/// The first message of a saga. Ids count up, so that keys of the journal append.
pub fn first(saga_number: u64) -> anyhow::Result<Vec<u8>> {
    let global_id = format!("{saga_number:036x}");
    let meta = Meta {
        global_id: &global_id,
        steps: STEPS.to_vec(),
        position: 0,
        use_case: "bench",
        message_id: format!("{global_id}/handle/0"),
    };
    Ok(serde_json::to_vec(&Envelope { meta, body: serde_json::from_str(BODY)? })?)
}

/// The message to the next step; none after the last.
pub fn next(envelope: &Envelope<'_>, body: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let position = envelope.meta.position + 1;
    if usize::from(position) >= envelope.meta.steps.len() {
        return Ok(None);
    }
    let meta = Meta {
        global_id: envelope.meta.global_id,
        steps: envelope.meta.steps.clone(),
        position,
        use_case: envelope.meta.use_case,
        message_id: format!("{}/handle/{position}", envelope.meta.global_id),
    };
    Ok(Some(serde_json::to_vec(&Envelope { meta, body: serde_json::from_str(body)? })?))
}
