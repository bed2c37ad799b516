//! Each driver of a message system in a folder of its own; a client crate is named nowhere else.
//! A driver knows nothing of its siblings, except that `memory` is `embedded` over tables that live in this process.
//! `window` is what they share: what of a topic is at hand, and in which order of keys it goes out.

pub mod embedded;
pub mod kafka;
pub mod memory;
mod window;
