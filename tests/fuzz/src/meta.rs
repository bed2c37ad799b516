//! The second opinion about a message: what `serde_json` makes of the same bytes.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Members of `meta` that the host reads, and so may write anew.
const KNOWN: [&str; 10] = [
    "global-id",
    "steps",
    "position",
    "use-case",
    "use-case-version",
    "message-id",
    "compensation-log",
    "compensation-failed",
    "failure",
    "deadline",
];

/// Whether these bytes are one JSON value. Any depth.
pub(crate) fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(bytes).is_ok()
}

/// The value, if it is not nested deeper than `serde_json` goes.
pub(crate) fn value(bytes: &[u8]) -> Option<Value> {
    serde_json::from_slice(bytes).ok()
}

/// What the host does not know of a message: its members beside `meta` and `body`, and those of `meta`.
pub(crate) fn foreign(message: &Value) -> (Map<String, Value>, Map<String, Value>) {
    let mut beside = message.as_object().cloned().unwrap_or_default();
    let mut within = beside.remove("meta").and_then(|meta| meta.as_object().cloned()).unwrap_or_default();
    beside.remove("body");
    within.retain(|name, _| !KNOWN.contains(&name.as_str()));
    (beside, within)
}
