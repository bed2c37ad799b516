//! What a step may import: the bindings made from `wit/`, and the linker that holds exactly what a manifest grants.
//! One small file for each capability. None of them may reach beyond the call that it serves.

pub(crate) mod config;
pub(crate) mod events;
pub(crate) mod keyvalue;
pub(crate) mod logging;
pub(crate) mod wasi;

use host_core::manifest::{Grant, Manifest};
use wasmtime::component::{HasSelf, Linker};

use crate::engine::Engine;
use crate::sandbox::Sandbox;

pub(crate) mod bindings {
    //! Made by wasmtime from `wit/`, so that what the host serves cannot drift from what steps are built against.
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "step-plugin",
        ownership: Borrowing { duplicate_if_necessary: false },
        imports: {
            "wasi:keyvalue/store@0.2.0-draft2.[method]bucket.get": async,
            "wasi:keyvalue/store@0.2.0-draft2.[method]bucket.exists": async,
            "wasi:keyvalue/store@0.2.0-draft2.[method]bucket.list-keys": async,
        },
        exports: { default: async },
    });
}

/// A linker that knows what this manifest grants and nothing else.
pub(crate) fn linker(engine: &Engine, manifest: &Manifest) -> wasmtime::Result<Linker<Sandbox>> {
    use bindings::{saga, wasi as interfaces};
    let mut linker = Linker::new(&engine.wasmtime);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    saga::step::types::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    interfaces::logging::logging::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
    for grant in &manifest.grants {
        match grant {
            Grant::Config => interfaces::config::store::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?,
            Grant::KeyValue => {
                interfaces::keyvalue::store::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?;
            }
            Grant::Events => saga::step::events::add_to_linker::<_, HasSelf<_>>(&mut linker, |sandbox| sandbox)?,
        }
    }
    Ok(linker)
}
