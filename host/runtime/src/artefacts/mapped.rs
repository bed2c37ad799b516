//! The one place of the host where code that was compiled earlier is taken back into memory without being checked
//! again. Nothing else may stand in this file.
//!
//! Contract. `Component::deserialize_file` trusts the file: whoever can forge it can run anything as the host. So the
//! caller guarantees that
//! - the file lies in the host's own data folder, which nobody but the host may write, or in the cache folder of who
//!   builds a step, which nobody else may write, and was written there by `Artefacts::put_file` or `freeze::code::keep`
//!   of this project, from what wasmtime made of a component in this program: in this process, or in one that this
//!   process started to compile it;
//! - its checksum was found right just before, or it was written just before, so that a torn or rotten file never gets
//!   here;
//! - it is never changed in place while it is mapped: a new one replaces it by rename, which leaves the mapping alone.
//!
//! wasmtime itself refuses code of another version of it or of an engine with other settings.

use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Engine, Result};

#[expect(unsafe_code, reason = "code compiled earlier is mapped back; the contract stands above")]
pub(super) fn component(engine: &Engine, path: &Path) -> Result<Component> {
    // SAFETY: the file is one that this host wrote and that is whole, as the contract of this file demands.
    unsafe { Component::deserialize_file(engine, path) }
}
