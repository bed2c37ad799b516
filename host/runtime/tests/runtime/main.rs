//! The runtime with real components: the programs of tests/guests, called the way the engine calls.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod answers;
mod capabilities;
mod checks;
mod compiling;
mod instances;
mod limits;
mod reload;
mod support;
