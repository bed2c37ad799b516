//! Points in time and spans as people and files write them. Reads no clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01 UTC. Written as RFC 3339 with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// The last millisecond that RFC 3339 can write: the end of the year 9999.
const TIMESTAMP_MS_MAX: u64 = 253_402_300_799_999;

impl Timestamp {
    pub const MIN: Timestamp = Timestamp(0);
    pub const MAX: Timestamp = Timestamp(TIMESTAMP_MS_MAX);

    /// Anything past the year 9999 is held at its end.
    pub fn from_ms(ms: u64) -> Self {
        Self(ms.min(TIMESTAMP_MS_MAX))
    }

    pub fn from_system_time(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_ms(u64::try_from(since.as_millis()).unwrap_or(TIMESTAMP_MS_MAX))
    }

    pub fn as_ms(self) -> u64 {
        self.0
    }

    pub fn plus(self, span: Duration) -> Self {
        Self::from_ms(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(TIMESTAMP_MS_MAX)))
    }

    /// The span from `earlier` to this; zero if this is not later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    pub fn parse(text: &str) -> Result<Self, Error> {
        humantime::parse_rfc3339(&utc(text)?).map(Self::from_system_time).map_err(|_| Error::timestamp(text))
    }
}

/// RFC 3339 allows an offset; bring it to UTC so that foreign producers may write their own zone.
fn utc(text: &str) -> Result<String, Error> {
    let bytes = text.as_bytes();
    if bytes.last().is_some_and(|b| matches!(b, b'Z' | b'z')) {
        return Ok(text.to_ascii_uppercase());
    }
    let refuse = || Error::timestamp(text);
    if !text.is_ascii() || text.len() < 25 {
        return Err(refuse());
    }
    let (local, offset) = text.split_at(text.len() - 6);
    let sign = match offset.as_bytes()[0] {
        b'+' => 1i64,
        b'-' => -1,
        _ => return Err(refuse()),
    };
    let number = |two: &str| match two.parse::<u8>() {
        Ok(number) if two.bytes().all(|digit| digit.is_ascii_digit()) => Ok(i64::from(number)),
        Ok(_) | Err(_) => Err(refuse()),
    };
    let (hours, minutes) = (number(&offset[1..3])?, number(&offset[4..6])?);
    if offset.as_bytes()[3] != b':' || hours > 23 || minutes > 59 {
        return Err(refuse());
    }
    let at = humantime::parse_rfc3339(&format!("{}Z", local.to_ascii_uppercase())).map_err(|_| refuse())?;
    let ms = i64::try_from(Timestamp::from_system_time(at).0).map_err(|_| refuse())?
        - sign * (hours * 60 + minutes) * 60_000;
    Ok(Timestamp::from_ms(u64::try_from(ms).map_err(|_| refuse())?).to_string())
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(self.0)).fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_u64(self.0) }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            Self::parse(&text).map_err(serde::de::Error::custom)
        } else {
            u64::deserialize(deserializer).map(Self::from_ms)
        }
    }
}

/// A span as files write it: `"250ms"`, `"5s"`, `"2h"`, `"1m 30s"`.
pub fn parse_span(text: &str) -> Result<Duration, Error> {
    humantime::parse_duration(text).map_err(|_| Error {
        what: "duration",
        text: crate::limits::cut(text, 80),
        example: "write it like \"250ms\", \"5s\" or \"2h\"",
    })
}

/// The same form back.
pub fn format_span(span: Duration) -> String {
    humantime::format_duration(span).to_string().replace(' ', "")
}

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}; {example}")]
pub struct Error {
    what: &'static str,
    text: String,
    example: &'static str,
}

impl Error {
    fn timestamp(text: &str) -> Self {
        Self {
            what: "time",
            text: crate::limits::cut(text, 80),
            example: "write it as RFC 3339, like \"2026-11-22T18:00:00.000Z\"",
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

    use super::*;

    #[test]
    fn timestamps_read_what_they_write_and_offsets() {
        let at = Timestamp::from_ms(1_795_000_000_123);
        assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
        assert_eq!(
            Timestamp::parse("2026-11-22T20:00:00+02:00").unwrap(),
            Timestamp::parse("2026-11-22T18:00:00.000Z").unwrap()
        );
        for bad in [
            "",
            "yesterday",
            "2026-11-22",
            "2026-11-22T20:00:00+2:00",
            "2026-11-22T20:00:00++2:00",
            "2026-13-22T20:00:00Z",
        ] {
            assert!(Timestamp::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn arithmetic_stays_inside_the_calendar() {
        assert_eq!(Timestamp::MAX.plus(Duration::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::MIN.since(Timestamp::MAX), Duration::ZERO);
        assert!(Timestamp::MAX.to_string().starts_with("9999-12-31"));
    }

    #[test]
    fn spans_read_what_they_write() {
        for text in ["250ms", "5s", "2h"] {
            assert_eq!(format_span(parse_span(text).unwrap()), text);
        }
        assert!(parse_span("5").is_err());
    }
}
