//! Where plugins are compiled: in a process of its own, or in this one. Knows nothing of the cache.

mod apart;
mod child;

use std::path::Path;
use std::thread;

use host_core::id::Digest;
use tempfile::NamedTempFile;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::Engine;
use wasmtime::component::Component;

pub use apart::Apart;
pub use child::compile_apart;

use crate::error::Rejection;
use crate::limits;

/// Added to the niceness of the compiling threads: a step that has work gets some nine times their share.
const NICENESS: i32 = 10;

/// Who compiles the plugins of a registry.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// This process. What compiling took of the heap stays with it, and a compiler that dies takes the host along.
    Here,
    /// A process for each plugin, which ends with the work.
    Apart(Apart),
}

/// Compiled code.
pub(super) enum Code {
    InMemory(Component),
    /// Whole and not yet under its name, with its checksum.
    InFile(NamedTempFile, Digest),
}

/// A compiler and the queue before it: no more compilations run at once than `limits::COMPILES_AT_ONCE`.
pub(super) struct Compilers {
    compiler: Compiler,
    turns: Semaphore,
}

impl Compilers {
    pub(super) fn new(compiler: Compiler) -> Self {
        Self { compiler, turns: Semaphore::new(limits::COMPILES_AT_ONCE) }
    }

    /// Wait for a place among those that compile. Blocks.
    pub(super) fn turn(&self) -> SemaphorePermit<'_> {
        Handle::current().block_on(self.turns.acquire()).expect("this semaphore is never closed")
    }

    /// Compile; whoever calls holds a turn. Blocks for some 100 ms for a small Rust step, for seconds for a language
    /// that brings its interpreter along; `dir` takes what is not finished yet.
    pub(super) fn compile(&self, dir: &Path, engine: &Engine, wasm: &[u8]) -> Result<Code, Rejection> {
        match &self.compiler {
            Compiler::Here => compile(engine, wasm).map(Code::InMemory),
            Compiler::Apart(apart) => match apart.compile(dir, wasm) {
                Ok((file, sum)) => Ok(Code::InFile(file, sum)),
                Err(apart::Failure::Refused(rejection)) => Err(rejection),
                Err(apart::Failure::NotStarted(error)) => {
                    // A machine that lets no process start is no reason to serve nothing.
                    tracing::warn!(error, "no process could be started to compile a plugin, compiling it in the host");
                    compile(engine, wasm).map(Code::InMemory)
                }
            },
        }
    }
}

/// Compile in this process.
pub(crate) fn compile(engine: &Engine, wasm: &[u8]) -> Result<Component, Rejection> {
    let compiled = on_threads(|| Component::from_binary(engine, wasm))?;
    compiled.map_err(|error| Rejection::Compile(format!("{error:#}")))
}

/// Run on all processors without taking them from the steps that run meanwhile.
fn on_threads<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Rejection> {
    let count = thread::available_parallelism().map_or(1, usize::from).min(limits::COMPILE_THREADS_MAX);
    // Made for this one compilation: it is rare, and threads cost nothing beside it.
    let threads = rayon::ThreadPoolBuilder::new()
        .num_threads(count)
        .thread_name(|number| format!("plugin-compiler-{number}"))
        .start_handler(|_| give_way())
        .build()
        .map_err(|error| Rejection::Compile(format!("no threads to compile on: {error}")))?;
    Ok(threads.install(work))
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
