//! The pure room: what a saga is, what a message is, and the one function that decides what happens next.
//! It must not know tokio, clocks, files, networks or logs: time and ids come in as arguments, effects go out as data.
#![forbid(unsafe_code)]

pub mod call;
pub mod decide;
pub mod envelope;
pub mod failure;
pub mod files;
pub mod id;
pub mod json;
pub mod limits;
pub mod manifest;
pub mod outcome;
pub mod record;
pub mod retry;
pub mod saga;
pub mod table;
pub mod time;
pub mod unit;
pub mod use_case;
