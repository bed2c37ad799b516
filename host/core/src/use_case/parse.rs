//! The text form of a use case.
use super::UseCase;
use crate::files::FileError;
pub fn parse(_file: &str, _text: &str) -> Result<UseCase, Vec<FileError>> {
    Err(Vec::new())
}
