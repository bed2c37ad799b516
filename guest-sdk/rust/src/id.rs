//! Identifiers as they come in the wild: one producer writes `"42"`, another `42`. Knows nothing of steps.
//! Invariant: `raw` is the JSON text of a string or of a whole number, and `text` what it says.

use std::fmt::{self, Display};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// An identifier: a JSON text that is not empty, or a whole number of any length. Read as its text, and written back
/// as it came.
///
/// Like [`Decimal`](crate::Decimal) it reads the number's own characters, so it does not work below
/// `#[serde(flatten)]`.
///
/// ```
/// # use saga_step::Id;
/// let number: Id = saga_step::serde_json::from_str("9007199254740993")?;
/// assert_eq!(format!("customer/{number}"), "customer/9007199254740993");
/// assert_eq!(number, saga_step::serde_json::from_str(r#""9007199254740993""#)?);
/// # Ok::<(), saga_step::serde_json::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Id {
    raw: Box<RawValue>,
    text: String,
}

impl Id {
    /// What it says, without quotes.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Id {}

impl Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = raw.get();
        let digits = text.strip_prefix('-').unwrap_or(text);
        let text = if text.starts_with('"') {
            serde_json::from_str(text).map_err(D::Error::custom)?
        } else if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            text.to_owned()
        } else {
            return Err(D::Error::custom(format!("an identifier is a text or a whole number, not {text:.40}")));
        };
        if text.is_empty() {
            return Err(D::Error::custom("an identifier must not be empty"));
        }
        Ok(Self { raw, text })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn texts_and_whole_numbers_go_out_as_they_came_in() {
        for (json, text) in [
            ("\"o-1\"", "o-1"),
            ("42", "42"),
            ("-7", "-7"),
            ("18446744073709551616", "18446744073709551616"),
            (r#""caf\u00e9""#, "café"),
        ] {
            let id: Id = serde_json::from_str(json).unwrap();
            assert_eq!(id.as_str(), text);
            assert_eq!(serde_json::to_string(&id).unwrap(), json);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for json in ["1.5", "1e3", "true", "null", "\"\"", "[1]", "{}"] {
            assert!(serde_json::from_str::<Id>(json).is_err(), "{json}");
        }
    }
}
