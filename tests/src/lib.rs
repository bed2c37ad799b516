//! The whole-system tests: a harness that starts the real binary, asks it over HTTP and kills it, and the rules of
//! the source tree. It must not know the host's rooms: what it cannot see from outside, users cannot see either. Only
//! `conformance` does, which calls steps without a host.
#![forbid(unsafe_code)]

pub mod api;
pub mod artefacts;
pub mod check;
pub mod conformance;
pub mod crowd;
pub mod go_layout;
pub mod guests;
pub mod host;
pub mod installation;
pub mod interpose;
pub mod kafka;
pub mod measure;
pub mod postgres;
pub mod tidy;

/// The examples of the pages are compiled like those of the code.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../docs/writing-steps-rust.md")]
    struct WritingSteps;
}
