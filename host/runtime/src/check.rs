//! What a plugin file says about itself, read before anything of it is compiled or run: is it a step, for this host,
//! and what does it ask for. Shared by the registry and by `saga check`.

use host_core::manifest::{Grant, Manifest};
use wasmparser::{Parser, Payload};

use crate::error::Rejection;

/// The version of `saga:step` that this host serves.
pub const STEP_VERSION: &str = "0.1.0";

const STEP_PACKAGE: &str = "saga:step/";
const STEP_EXPORT: &str = "saga:step/step";

/// What a step file imports and exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    pub exports: Vec<String>,
    pub imports: Vec<String>,
    /// Grants without which it cannot be loaded, each with an import that asks for it.
    pub needs: Vec<(String, Grant)>,
    pub wasm_bytes: u64,
}

impl Inspection {
    /// The grants that the manifest must hold.
    pub fn grants(&self) -> Vec<Grant> {
        Grant::ALL.into_iter().filter(|grant| self.needs.iter().any(|(_, need)| need == grant)).collect()
    }

    /// Refuse what the manifest does not grant.
    pub fn check_grants(&self, manifest: &Manifest) -> Result<(), Rejection> {
        let missing: Vec<_> = self.needs.iter().filter(|(_, grant)| !manifest.grants(*grant)).cloned().collect();
        if missing.is_empty() { Ok(()) } else { Err(Rejection::NotGranted(missing)) }
    }
}

/// Read a plugin file. Refuses what is no step for this host.
pub fn inspect(wasm: &[u8]) -> Result<Inspection, Rejection> {
    if !wasm.starts_with(b"\0asm") {
        return Err(Rejection::NotWasm("it does not begin with the wasm magic number".to_owned()));
    }
    if Parser::is_core_wasm(wasm) {
        return Err(Rejection::CoreModule);
    }
    let (imports, exports) = outline(wasm)?;
    for name in exports.iter().chain(&imports) {
        refuse_other_version(name)?;
    }
    if !exports.iter().any(|name| without_version(name) == STEP_EXPORT) {
        return Err(Rejection::MissingExport { wanted: STEP_VERSION, exports });
    }
    let (mut needs, mut unknown) = (Vec::new(), Vec::new());
    for name in &imports {
        match meaning(name) {
            Import::Free => {}
            Import::Granted(grant) => needs.push((name.clone(), grant)),
            Import::Unknown => unknown.push(name.clone()),
        }
    }
    if !unknown.is_empty() {
        return Err(Rejection::UnknownImports(unknown));
    }
    Ok(Inspection { exports, imports, needs, wasm_bytes: wasm.len() as u64 })
}

/// What the host makes of an import.
enum Import {
    Free,
    Granted(Grant),
    Unknown,
}

fn meaning(name: &str) -> Import {
    match name {
        "wasi:logging/logging@0.1.0-draft" => Import::Free,
        "wasi:config/store@0.2.0-rc.1" => Import::Granted(Grant::Config),
        "wasi:keyvalue/store@0.2.0-draft2" => Import::Granted(Grant::KeyValue),
        other => match without_version(other) {
            "saga:step/types" => Import::Free,
            "saga:step/events" => Import::Granted(Grant::Events),
            _ if is_wasi_itself(other) => Import::Free,
            _ => Import::Unknown,
        },
    }
}

/// The parts of WASI 0.2 that every language's standard library asks for. They are served from a locked-down context:
/// clocks and random are real, everything else is empty or refuses.
fn is_wasi_itself(name: &str) -> bool {
    const PACKAGES: [&str; 6] =
        ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];
    let served = name.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."));
    served && PACKAGES.iter().any(|package| name.starts_with(package))
}

fn without_version(name: &str) -> &str {
    name.split_once('@').map_or(name, |(name, _)| name)
}

fn refuse_other_version(name: &str) -> Result<(), Rejection> {
    if !name.starts_with(STEP_PACKAGE) {
        return Ok(());
    }
    let found = name.split_once('@').map_or("(none)", |(_, version)| version);
    // Patch versions differ in words only.
    let served = STEP_VERSION.rsplit_once('.').map_or(STEP_VERSION, |(minor, _)| minor);
    if found.rsplit_once('.').is_some_and(|(minor, _)| minor == served) {
        Ok(())
    } else {
        Err(Rejection::OtherVersion { found: found.to_owned(), wanted: STEP_VERSION })
    }
}

/// Names of what the outermost component imports and exports. Walks the whole file, so that one cut short is found.
fn outline(wasm: &[u8]) -> Result<(Vec<String>, Vec<String>), Rejection> {
    let refuse = |error: wasmparser::BinaryReaderError| Rejection::Invalid(error.to_string());
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(refuse)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(refuse)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(refuse)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}
