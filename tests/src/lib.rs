//! The whole-system tests: a harness that starts the real binary, asks it over HTTP and kills it, and the rules of
//! the source tree. It must not know the host's rooms: what it cannot see from outside, users cannot see either.
#![forbid(unsafe_code)]

pub mod tidy;
