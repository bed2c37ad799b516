//! Compiling a plugin on all processors without taking them from the steps that run meanwhile.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::Rejection;

/// Added to the niceness of the compiling threads: a step that has work gets some nine times their share.
const NICENESS: i32 = 10;

/// Compile. Blocks for 50 ms for a small Rust step, for seconds for a language that brings its interpreter along.
pub(crate) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Component, Rejection> {
    // Made for this one compilation: it is rare, and threads cost nothing beside it.
    let threads = rayon::ThreadPoolBuilder::new()
        .thread_name(|number| format!("plugin-compiler-{number}"))
        .start_handler(|_| give_way())
        .build()
        .map_err(|error| Rejection::Compile(format!("no threads to compile on: {error}")))?;
    let compiled = threads.install(|| Component::from_binary(engine, wasm));
    compiled.map_err(|error| Rejection::Compile(format!("{error:#}")))
}

/// On Linux niceness belongs to a thread; elsewhere it would slow the whole host down.
#[cfg(target_os = "linux")]
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "compiling threads keep the priority of the host");
    }
}

#[cfg(not(target_os = "linux"))]
fn give_way() {
    let _ = NICENESS;
}
