//! Each driver of a message system in a folder of its own; a client crate is named nowhere else.
//! A driver knows nothing of its siblings, except that `memory` is `embedded` over tables that live in this process.
//! They share `window`: what of a topic is at hand, and in which order of keys it goes out; and `off_thread`.

pub mod embedded;
pub mod kafka;
pub mod memory;
mod off_thread;
mod window;
