//! Path segments, query parameters and headers: checked here, so that handlers get values they can trust.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use host_core::time::{Timestamp, parse_span};

use super::problem::{Code, Problem};
use crate::limits::{PAGE_DEFAULT, PAGE_MAX};

/// The one variable segment of a path, decoded.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(invalid("path", "it is not UTF-8 after percent-decoding")),
        }
    }
}

/// The parameters of a question. One that nobody reads is refused: a misspelt filter must not answer everything.
pub(crate) struct Parameters {
    pairs: Vec<(String, String)>,
}

/// The query string as axum hands it over.
pub(crate) type Asked = Result<Query<Vec<(String, String)>>, QueryRejection>;

impl Parameters {
    pub(crate) fn try_new(asked: Asked, known: &[&str]) -> Result<Self, Problem> {
        let Query(pairs) = asked.map_err(|rejection| invalid("query", &rejection.body_text()))?;
        for (index, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                let name = host_core::limits::cut(name, 80);
                return Err(invalid(&name, &format!("it is not known here; known are: {known}")));
            }
            if pairs[..index].iter().any(|(other, _)| other == name) {
                return Err(invalid(name, "it is given twice"));
            }
        }
        Ok(Self { pairs })
    }

    /// The text of a parameter; an empty one counts as absent.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let found = self.pairs.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter in its own type.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Problem> {
        let parsed = self.text(name).map(parse).transpose();
        parsed.map_err(|error| invalid(name, &error.to_string()))
    }

    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        let parse = |text: &str| match text.parse() {
            Ok(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
            Ok(_) | Err(_) => Err(format!("write a number from 1 to {PAGE_MAX}")),
        };
        Ok(self.parsed("limit", parse)?.unwrap_or(PAGE_DEFAULT))
    }

    /// A point in time, or a span that reaches back from `now`.
    pub(crate) fn since(&self, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
        self.parsed("since", |text| {
            // A '+' that was not percent-encoded arrives as a space.
            let at = Timestamp::parse(&text.replace(' ', "+"));
            at.or_else(|_| parse_span(text).map(|span| before(now, span))).map_err(|_| {
                let text = host_core::limits::cut(text, 80);
                format!("{text:?} is neither a time like \"2026-11-22T18:00:00.000Z\" nor a span like \"15m\"")
            })
        })
    }
}

fn before(now: Timestamp, span: std::time::Duration) -> Timestamp {
    let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_ms(now.as_ms().saturating_sub(span_ms))
}

/// A value of a header that must not come twice.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid(name, "the header is given twice"));
    }
    let text = std::str::from_utf8(value.as_bytes()).map_err(|_| invalid(name, "the header is not UTF-8"))?;
    Ok(Some(text.trim()))
}

pub(crate) fn invalid(name: &str, why: &str) -> Problem {
    Problem::new(Code::InvalidParameter, format!("{name}: {why}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Parameters::try_new(Ok(Query(pairs)), &["since", "limit", "status"]).unwrap()
    }

    #[test]
    fn since_is_a_time_in_any_zone_or_a_span_back_from_now() {
        let now = Timestamp::parse("2026-11-22T18:00:00.000Z").unwrap();
        let since = |text: &str| parameters(&[("since", text)]).since(now);
        assert_eq!(since("2026-11-22T17:00:00Z").unwrap(), since("1h").unwrap());
        assert_eq!(since("2026-11-22T19:00:00+02:00").unwrap(), since("1h").unwrap());
        assert_eq!(since("2026-11-22T19:00:00 02:00").unwrap(), since("1h").unwrap(), "an unencoded plus");
        assert_eq!(since("10000y").unwrap(), Some(Timestamp::MIN));
        assert_eq!(since("").unwrap(), None);
        assert_eq!(since("yesterday").unwrap_err().code, Code::InvalidParameter);
    }

    #[test]
    fn a_page_has_a_size_within_bounds() {
        assert_eq!(parameters(&[]).limit().unwrap(), PAGE_DEFAULT);
        assert_eq!(parameters(&[("limit", "7")]).limit().unwrap(), 7);
        for bad in ["0", "1001", "-1", "many", "1.5"] {
            assert!(parameters(&[("limit", bad)]).limit().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_parameter_that_nobody_reads_or_that_comes_twice_is_refused() {
        let ask = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Parameters::try_new(Ok(Query(pairs)), &["status"]).map(|_| ()).map_err(|problem| problem.detail)
        };
        assert_eq!(ask(&[("status", "failed")]), Ok(()));
        assert_eq!(ask(&[("state", "failed")]).unwrap_err(), "state: it is not known here; known are: status");
        assert_eq!(ask(&[("status", "failed"), ("status", "running")]).unwrap_err(), "status: it is given twice");
    }
}
