//! Random numbers from the host (wasi:random). Needs no grant. Each fresh instance gets its own.

use std::fmt::{self, Display};

/// A random number, good enough for keys; in a test the next of a sequence that the test's seed begins.
///
/// A message that is delivered again draws another number. Derive ids that leave the step from
/// [`Context::idempotency_key`](crate::Context::idempotency_key) instead.
pub fn u64() -> Result<u64, Error> {
    crate::host::random_u64()
}

/// As many random bytes as `buffer` holds.
pub fn fill(buffer: &mut [u8]) -> Result<(), Error> {
    for chunk in buffer.chunks_mut(8) {
        let bytes = u64()?.to_le_bytes();
        chunk.copy_from_slice(&bytes[..chunk.len()]);
    }
    Ok(())
}

/// There is no random source; its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub(crate) String);

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no random number: {}", self.0)
    }
}

impl std::error::Error for Error {}
