//! Fuzz targets: one function per kind of bytes that the host takes from outside or reads back from its disk. A
//! target takes any bytes and panics if a promise is broken; what the promise is stands at its head. The same
//! functions are run by `cargo test` over the corpus with a bounded number of mutations, and by libFuzzer for as
//! long as one likes (`scripts/fuzz`).
#![forbid(unsafe_code)]

pub mod corpus;
mod envelope;
mod files;
mod http;
mod json;
mod meta;
pub mod mutate;
mod record;
mod rows;

/// A target and what it is given.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
    /// What the inputs are grown from, beside the files of the corpus.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Mutations that a test run makes: a second's worth on a slow machine.
    pub mutation_count: usize,
}

pub const TARGETS: &[Target] = &[
    Target { name: "envelope", run: envelope::run, seeds: envelope::seeds, mutation_count: 60_000 },
    Target { name: "json", run: json::run, seeds: json::seeds, mutation_count: 100_000 },
    Target { name: "use-case", run: files::use_case, seeds: files::use_cases, mutation_count: 20_000 },
    Target { name: "manifest", run: files::manifest, seeds: files::manifests, mutation_count: 20_000 },
    Target { name: "record", run: record::run, seeds: record::seeds, mutation_count: 60_000 },
    Target { name: "store-rows", run: rows::store::run, seeds: rows::store::seeds, mutation_count: 4_000 },
    Target { name: "broker-rows", run: rows::broker::run, seeds: rows::broker::seeds, mutation_count: 4_000 },
    Target { name: "http", run: http::run, seeds: http::seeds, mutation_count: 3_000 },
];

/// The target of this name.
pub fn target(name: &str) -> &'static Target {
    let known = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    TARGETS
        .iter()
        .find(|target| target.name == name)
        .unwrap_or_else(|| panic!("no target {name}; there are {}", known()))
}
