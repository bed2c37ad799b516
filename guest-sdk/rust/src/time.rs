//! The time. Needs no grant. In a component it is `std::time` (wasi:clocks), so
//! [`Instant`](std::time::Instant) works too.

use std::time::SystemTime;

/// The time now; in a test the time the test has set.
///
/// A message can be delivered again at another time: a step that decides by the clock can decide otherwise the
/// second time. Its results are still applied once, but what it told an outside system may differ.
pub fn now() -> SystemTime {
    crate::host::now()
}
