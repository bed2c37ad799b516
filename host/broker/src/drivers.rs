//! Each driver of a message system in a folder of its own; a client crate is named nowhere else.
//! A driver knows nothing of its siblings, except that `memory` is `embedded` over tables that live in this process.

pub mod embedded;
pub mod memory;
