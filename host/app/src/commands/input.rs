//! What several verbs read from their arguments: JSON bodies, durations, names.

use std::io::Read as _;
use std::time::Duration;

use host_core::json::Json;

use crate::exit::Stop;

/// Bytes of a body that are read from a file or standard input: above any limit a host may have.
const BODY_BYTES_MAX: u64 = 256 << 20;

/// A body as an argument gives it: JSON text, `@file`, or `-` for standard input. Checked, and otherwise untouched.
pub fn body(argument: &str) -> anyhow::Result<Json> {
    let (text, origin) = match argument.strip_prefix('@') {
        Some(path) => {
            let file = std::fs::File::open(path);
            let file = file.map_err(|error| Stop::usage(format!("the body file {path} cannot be read: {error}")))?;
            (bounded(file, path)?, path)
        }
        None if argument == "-" => (bounded(std::io::stdin().lock(), "standard input")?, "standard input"),
        None => (argument.to_owned(), "--body"),
    };
    Json::try_from_text(&text).map_err(|error| {
        let hint = "write it like '{\"order-id\":\"1\"}' in single quotes, @file, or - for standard input";
        Stop::usage(format!("the body from {origin} is {error}; {hint}")).into()
    })
}

fn bounded(source: impl std::io::Read, origin: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = source.take(BODY_BYTES_MAX + 1).read_to_string(&mut text);
    read.map_err(|error| Stop::usage(format!("the body from {origin} cannot be read as UTF-8: {error}")))?;
    if text.len() as u64 > BODY_BYTES_MAX {
        return Err(Stop::usage(format!("the body from {origin} is larger than {BODY_BYTES_MAX} bytes")).into());
    }
    Ok(text)
}

/// A duration argument: `5s`, `250ms`, `2h`.
pub fn span(text: &str) -> Result<Duration, String> {
    host_core::time::parse_span(text).map_err(|error| error.to_string())
}

/// A `name=value` argument.
pub fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    if name.is_empty() {
        return Err("write it as name=value".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Who acts: the name in front of the screen.
pub fn who() -> String {
    let name = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    if name.trim().is_empty() { "cli".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_text_or_a_file() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "{\"a\": 1.10}\n").expect("writing it");
        let from_file = body(&format!("@{}", file.path().display())).expect("JSON");
        assert_eq!(from_file.as_str(), "{\"a\": 1.10}");
        assert_eq!(body("[1]").expect("JSON").as_str(), "[1]");
    }

    #[test]
    fn a_body_that_is_not_json_is_a_usage_error_with_the_cure() {
        for bad in ["{a:1}", "", "@/nowhere/file"] {
            let error = body(bad).expect_err(bad);
            assert_eq!(crate::exit::of_error(&error).code(), 2, "{bad}");
        }
        assert!(body("{a:1}").expect_err("no JSON").to_string().contains("single quotes"));
    }
}
