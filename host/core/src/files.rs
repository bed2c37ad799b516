//! Errors of the files that people write: each names file, line, field and cure. Parsers of such files share it.

pub mod reader;

use std::fmt;

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// As the caller named it: a file name, never a path that only the host knows.
    pub file: String,
    /// From 1; none where the mistake has no place (a missing field).
    pub line: Option<u32>,
    /// Dotted path of the field: `retry.max-attempts`.
    pub field: Option<String>,
    /// What is wrong.
    pub problem: String,
    /// What to write instead.
    pub cure: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(": ")?;
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{}; {}", self.problem, self.cure)
    }
}

impl std::error::Error for FileError {}
