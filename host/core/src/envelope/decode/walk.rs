//! A walk over one JSON object or list that hands out the texts of its members and builds nothing. What lies deeper is
//! only checked, without recursion.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Why a walk ended early.
pub(super) enum Stopped<E> {
    /// The text is not what was to be walked over.
    Syntax(serde_json::Error),
    /// The visitor refused.
    Refused(E),
}

impl<E> Stopped<E> {
    pub(super) fn into_reason(self, syntax: impl FnOnce(String) -> E) -> E {
        match self {
            Stopped::Syntax(error) => syntax(error.to_string()),
            Stopped::Refused(reason) => reason,
        }
    }
}

/// Visit each member of an object: the key as it is written, in its quotes, and the text of the value.
pub(super) fn each_member<'a, E>(
    text: &'a str,
    visit: impl FnMut(&'a str, &'a str) -> Result<(), E>,
) -> Result<(), Stopped<E>> {
    let mut refused = None;
    let mut reader = serde_json::Deserializer::from_str(text);
    let walked = reader.deserialize_map(Members { visit, refused: &mut refused }).and_then(|()| reader.end());
    walked.map_err(|error| refused.map_or(Stopped::Syntax(error), Stopped::Refused))
}

/// Visit the text of each element of a list.
pub(super) fn each_element<'a, E>(
    text: &'a str,
    visit: impl FnMut(&'a str) -> Result<(), E>,
) -> Result<(), Stopped<E>> {
    let mut refused = None;
    let mut reader = serde_json::Deserializer::from_str(text);
    let walked = reader.deserialize_seq(Elements { visit, refused: &mut refused }).and_then(|()| reader.end());
    walked.map_err(|error| refused.map_or(Stopped::Syntax(error), Stopped::Refused))
}

/// The content of a JSON text that is a string, without a copy unless it has escapes.
pub(super) fn text_of(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(value).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// The visitor's refusal travels beside serde's error, which could only carry its text.
struct Members<'r, F, E> {
    visit: F,
    refused: &'r mut Option<E>,
}

impl<'de, F, E> Visitor<'de> for Members<'_, F, E>
where
    F: FnMut(&'de str, &'de str) -> Result<(), E>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            if let Err(refusal) = (self.visit)(key.get(), value.get()) {
                *self.refused = Some(refusal);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}

/// Like `Members`, for a list.
struct Elements<'r, F, E> {
    visit: F,
    refused: &'r mut Option<E>,
}

impl<'de, F, E> Visitor<'de> for Elements<'_, F, E>
where
    F: FnMut(&'de str) -> Result<(), E>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element::<&'de RawValue>()? {
            if let Err(refusal) = (self.visit)(element.get()) {
                *self.refused = Some(refusal);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }
}
