//! State that a step keeps between calls. Grant: `keyvalue`.
//! Writes are applied once, together with the answer, if that is done; after any other answer they never were.

use std::fmt::{self, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host;

/// The step's own bucket: no other step sees it.
///
/// ```no_run
/// # use saga_step::prelude::*;
/// # fn f() -> Result<(), Stop> {
/// let counts = keyvalue::own()?;
/// let count: u64 = counts.get_json("orders")?.unwrap_or(0);
/// counts.set_json("orders", &(count + 1))?;
/// # Ok(()) }
/// ```
pub fn own() -> Result<Bucket, Error> {
    open("")
}

/// A bucket that steps of one domain share. Each of them names it in its manifest: `[keyvalue] shared = ["…"]`.
pub fn shared(name: &str) -> Result<Bucket, Error> {
    open(name)
}

fn open(name: &str) -> Result<Bucket, Error> {
    host::Bucket::open(name).map(Bucket)
}

/// A set of keys with their values.
///
/// A call sees its own writes, and otherwise one consistent state: if another call changes what this one has read
/// before this one is committed, the host discards this call and runs it again. So read, compute and write without
/// a thought for locks, and keep what many sagas touch at once in many keys rather than in one.
pub struct Bucket(host::Bucket);

impl Bucket {
    /// The bytes under `key`.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.0.get(key)
    }

    /// The value under `key`, read as JSON.
    pub fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let Some(bytes) = self.0.get(key)? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(Error::Unreadable { key: key.to_owned(), reason: error.to_string() }),
        }
    }

    /// Put bytes under `key`.
    pub fn set(&self, key: &str, value: &[u8]) -> Result<(), Error> {
        self.0.set(key, value)
    }

    /// Put a value under `key`, written as JSON.
    pub fn set_json<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<(), Error> {
        match serde_json::to_vec(value) {
            Ok(bytes) => self.0.set(key, &bytes),
            Err(error) => Err(Error::Unwritable { key: key.to_owned(), reason: error.to_string() }),
        }
    }

    /// Take `key` away; nothing happens if it is not there.
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.0.delete(key)
    }

    /// Whether `key` has a value.
    pub fn exists(&self, key: &str) -> Result<bool, Error> {
        self.0.exists(key)
    }

    /// All keys, in byte order. Reads page after page: for buckets that stay small.
    pub fn keys(&self) -> Result<Vec<String>, Error> {
        let (mut keys, mut cursor) = self.0.keys_page(None)?;
        while let Some(at) = cursor {
            let (more, next) = self.0.keys_page(Some(&at))?;
            keys.extend(more);
            cursor = next;
        }
        Ok(keys)
    }

    /// One page of keys in byte order, and the cursor of the next page; none after the last.
    pub fn keys_page(&self, cursor: Option<&str>) -> Result<(Vec<String>, Option<String>), Error> {
        self.0.keys_page(cursor)
    }
}

/// Why a bucket did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The manifest names no such bucket under `[keyvalue] shared`.
    NoSuchBucket {
        /// What was asked for.
        name: String,
    },
    /// The manifest does not grant it.
    AccessDenied,
    /// A limit, or a fault of the store; its own words.
    Host(String),
    /// There is a value, and it is not what the step reads.
    Unreadable {
        /// Where it stands.
        key: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// The value cannot be written as JSON.
    Unwritable {
        /// Where it was to stand.
        key: String,
        /// Why not.
        reason: String,
    },
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoSuchBucket { name } => {
                write!(f, "there is no bucket \"{name}\"; name it in the step's manifest, [keyvalue] shared")
            }
            Error::AccessDenied => {
                f.write_str("access to the bucket is denied; grant `keyvalue` in the step's manifest")
            }
            Error::Host(text) => write!(f, "key-value store: {text}"),
            Error::Unreadable { key, reason } => write!(f, "the value under key {key} cannot be read: {reason}"),
            Error::Unwritable { key, reason } => write!(f, "the value for key {key} cannot be written: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
