//! Nanoseconds per call of a step that does nothing, fresh and reused.
fn main() {}
