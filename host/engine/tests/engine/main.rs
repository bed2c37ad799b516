//! Whole-engine tests over memory tables with scripted steps and virtual time: each scenario file owns one property.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod batches;
mod clock;
mod compensation;
mod duplicates;
mod harness;
mod keyvalues;
mod operators;
mod retries;
mod waiting;
