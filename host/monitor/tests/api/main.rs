//! The API over real HTTP: a monitor on a free port, the embedded store over tables in memory, and a door and a broker
//! that do what a test tells them. Each answer that has a schema in openapi.json is checked against it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acts;
mod ask;
mod bounds;
mod client;
mod events;
mod every_path;
mod fakes;
mod host;
mod hostile;
mod lifecycle;
mod publish;
mod records;
mod start;
mod token;
