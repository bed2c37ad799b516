//! The one door to the outside: in a component the host's imports, natively the world of a test.
//! Must not decide anything: the modules above it only give its functions names and types.

#[cfg(target_family = "wasm")]
mod component;
#[cfg(not(target_family = "wasm"))]
mod native;

#[cfg(target_family = "wasm")]
pub(crate) use component::*;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;
