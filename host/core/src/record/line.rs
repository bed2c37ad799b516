//! A record as other programs read it: one JSON object, over `/v1/events` and, on brokers that have one, on
//! `saga.journal`.

use serde::{Serialize, Serializer};

use super::Record;
use crate::id::{Digest, GlobalId, MessageId, StepAddress};
use crate::time::Timestamp;

/// One record. `code` and `reason` are there where the event has them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Line<'a> {
    pub global_id: &'a GlobalId,
    #[serde(serialize_with = "as_text")]
    pub message_id: MessageId,
    pub position: u16,
    pub address: &'a StepAddress,
    pub direction: &'static str,
    pub event: &'static str,
    pub at: Timestamp,
    pub digest: Option<Digest>,
    pub attempt: u32,
    pub code: Option<&'a str>,
    pub reason: Option<&'a str>,
    pub use_case: Option<&'a str>,
}

impl<'a> From<&'a Record> for Line<'a> {
    fn from(record: &'a Record) -> Self {
        let (code, reason) = record.event.cause();
        Self {
            global_id: &record.global_id,
            message_id: record.message_id(),
            position: record.position.0,
            address: &record.address,
            direction: record.direction.as_str(),
            event: record.event.as_str(),
            at: record.at,
            digest: record.digest,
            attempt: record.attempt,
            code,
            reason,
            use_case: record.use_case.as_ref().map(|reference| reference.name.as_str()),
        }
    }
}

impl Line<'_> {
    /// Append the JSON text.
    pub fn write_into(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("texts and numbers are always written to memory");
    }
}

fn as_text<S: Serializer>(id: &MessageId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}
