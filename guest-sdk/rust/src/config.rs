//! The texts under `[config]` in the step's manifest. Grant: `config`.
//! They are the same for the whole life of a plugin version; a changed manifest is a new version.

use std::fmt::{self, Display};
use std::str::FromStr;

/// The text under `key`; none if the manifest does not have it.
///
/// ```no_run
/// # fn f() -> Result<(), saga_step::Stop> {
/// let currency = saga_step::config::get("currency")?.unwrap_or_else(|| "BRL".into());
/// # let _ = currency; Ok(()) }
/// ```
pub fn get(key: &str) -> Result<Option<String>, Error> {
    crate::host::config_get(key)
}

/// The text under `key`, read as a number or whatever else [`FromStr`] reads.
///
/// ```no_run
/// # fn f() -> Result<(), saga_step::Stop> {
/// let limit: u64 = saga_step::config::parse("limit")?.unwrap_or(1000);
/// # let _ = limit; Ok(()) }
/// ```
pub fn parse<T>(key: &str) -> Result<Option<T>, Error>
where
    T: FromStr,
    T::Err: Display,
{
    let Some(text) = get(key)? else { return Ok(None) };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Error::Unreadable { key: key.to_owned(), text, reason: error.to_string() }),
    }
}

/// All keys and texts, in the order of the manifest.
pub fn get_all() -> Result<Vec<(String, String)>, Error> {
    crate::host::config_get_all()
}

/// Why a text could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The host could not serve it; its own words.
    Host(String),
    /// The text is there and is not what the step reads.
    Unreadable {
        /// Where it stands under `[config]`.
        key: String,
        /// What stands there.
        text: String,
        /// Why it cannot be read.
        reason: String,
    },
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Host(text) => write!(f, "reading the configuration: {text}"),
            Error::Unreadable { key, text, reason } => {
                write!(f, "`{text}` under [config] {key}: {reason}; correct the step's manifest")
            }
        }
    }
}

impl std::error::Error for Error {}
