//! A JSON text that was checked once and is then passed through as it is: never parsed again, never rewritten.
//! Invariant: the bytes are UTF-8 and exactly one JSON value, with no white space around it.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Cheap to clone; a slice of the message it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct Json(Bytes);

/// Why bytes are no JSON text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON value: {0}")]
pub struct Error(String);

impl Json {
    /// Check and keep. The check walks the text once and builds nothing.
    pub fn try_new(bytes: Bytes) -> Result<Self, Error> {
        let place = place_in(&bytes, serde_json::from_slice(&bytes))?;
        Ok(Self(bytes.slice(place)))
    }

    /// The same for a text of one's own, whose bytes are not copied and not looked at once more for being UTF-8.
    pub fn try_from_string(text: String) -> Result<Self, (Error, String)> {
        match place_in(text.as_bytes(), serde_json::from_str(&text)) {
            Ok(place) => Ok(Self(Bytes::from(text).slice(place))),
            Err(error) => Err((error, text)),
        }
    }

    pub fn try_from_text(text: &str) -> Result<Self, Error> {
        Self::try_new(Bytes::copy_from_slice(text.as_bytes()))
    }

    /// A slice that a parser of this room has just found to be one JSON value inside checked bytes.
    pub(crate) fn from_checked(bytes: Bytes) -> Self {
        debug_assert!(serde_json::from_slice::<&RawValue>(&bytes).is_ok(), "the caller must have checked the text");
        Self(bytes)
    }

    pub fn null() -> Self {
        Self(Bytes::from_static(b"null"))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("a Json was checked to be UTF-8 when it was made")
    }

    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        false
    }
}

/// Where the value stands that was read from these bytes: without the white space around it.
fn place_in(bytes: &[u8], read: serde_json::Result<&RawValue>) -> Result<Range<usize>, Error> {
    let text = read.map_err(|error| Error(error.to_string()))?.get();
    let start = text.as_ptr() as usize - bytes.as_ptr() as usize;
    Ok(start..start + text.len())
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::limits::cut(self.as_str(), 200))
    }
}

impl Serialize for Json {
    /// In JSON as itself; in other formats as its text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let raw: &RawValue = serde_json::from_str(self.as_str()).map_err(serde::ser::Error::custom)?;
            raw.serialize(serializer)
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let raw = Box::<RawValue>::deserialize(deserializer)?;
            Ok(Self(Bytes::from(String::from(Box::<str>::from(raw)))))
        } else {
            // Stored by this host, but a disk may have changed it: what is no JSON must be refused here, where the row
            // is known, and not where it is written into a message. A stored text has no white space around it.
            let bytes = <&[u8]>::deserialize(deserializer)?;
            let json = Self::try_new(Bytes::copy_from_slice(bytes)).map_err(serde::de::Error::custom)?;
            if json.len() == bytes.len() { Ok(json) } else { Err(serde::de::Error::custom("white space around it")) }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn text_is_kept_to_the_byte() {
        let text = r#"{"b":1.10,"a":9007199254740993,"é":[ 1 , 2]}"#;
        assert_eq!(Json::try_from_text(&format!("  {text}\n")).unwrap().as_str(), text);
        assert_eq!(Json::try_from_string(format!("  {text}\n")).unwrap().as_str(), text);
    }

    #[test]
    fn what_is_not_one_value_is_refused() {
        for bad in ["", "{", "1 2", "{'a':1}", "nul", "\u{feff}1"] {
            assert!(Json::try_from_text(bad).is_err(), "{bad:?}");
            assert_eq!(Json::try_from_string(bad.to_owned()).unwrap_err().1, bad, "it is handed back");
        }
        assert!(Json::try_new(Bytes::from_static(b"\"\xff\"")).is_err());
    }

    /// Damaged rows were once read as JSON texts and written into messages.
    #[test]
    fn a_stored_text_that_is_no_json_is_refused() {
        let stored = |text: &str| postcard::to_extend(&text, Vec::new()).unwrap();
        assert_eq!(postcard::from_bytes::<Json>(&stored("{\"a\":1}")).unwrap().as_str(), "{\"a\":1}");
        for bad in ["", "{\"a\":1", "1 2", " 1", "nul"] {
            assert!(postcard::from_bytes::<Json>(&stored(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn nesting_of_any_depth_is_walked_without_recursion() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(Json::try_from_text(&deep).is_ok());
    }
}
