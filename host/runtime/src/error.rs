//! Errors of this room. What a plugin does wrong is no error here: it is a `Rejection` at load, a `Fault` in a call.

use std::path::PathBuf;

/// Why the runtime could not be opened. The operator must act; nothing passes by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("wasm engine cannot start: {0}")]
    Engine(String),
    #[error("{doing} {path:?}: {cause}")]
    Folder {
        doing: &'static str,
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("plugins folder {path:?} cannot be watched: {cause}")]
    Watch { path: PathBuf, cause: String },
}

/// Why a plugin file is not served. Shown wherever plugins are shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("file is {bytes} bytes, more than the {bytes_max} allowed; make it smaller or raise the limit")]
    TooLarge { bytes: u64, bytes_max: u64 },
    #[error("not a wasm file: {0}; build the step for the target wasm32-wasip2")]
    NotWasm(String),
    #[error(
        "a core wasm module, not a component; build it for the target wasm32-wasip2, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    #[error("not a valid component: {0}; copy the whole file, or build it again against the wit of this host")]
    Invalid(String),
    #[error("exports no saga:step/step@{wanted}; export `handle` and `compensate` of that interface{}", exported_hint(.exports))]
    MissingExport { wanted: &'static str, exports: Vec<String> },
    #[error(
        "made for saga:step@{found}, this host serves saga:step@{wanted}; build it against the version \
         the host serves"
    )]
    OtherVersion { found: String, wanted: &'static str },
    #[error("{}", ungranted(.0))]
    NotGranted(Vec<(String, host_core::manifest::Grant)>),
    #[error("is granted {} by its manifest, and {reason}", .grant.as_str())]
    Withheld { grant: host_core::manifest::Grant, reason: &'static str },
    #[error("imports what no host serves: {}; a step may import saga:step, wasi:logging, wasi:config, wasi:keyvalue and \
         wasi 0.2 itself", .0.join(", "))]
    UnknownImports(Vec<String>),
    #[error("{0}")]
    Manifest(String),
    #[error("{0}")]
    File(String),
    #[error("cannot be compiled: {0}; build it with a current compiler, and smaller if it is over a limit")]
    Compile(String),
    #[error(
        "takes longer to compile than the {} allowed; make it smaller, or raise limits.compile-time in saga.toml",
        host_core::time::format_span(*.0)
    )]
    CompileTime(std::time::Duration),
    #[error(
        "takes more memory to compile than the {} MiB allowed; make it smaller, or raise limits.compile-memory in \
         saga.toml", .0 >> 20
    )]
    CompileMemory(u64),
    #[error(
        "cannot be compiled: the compiler {0}; build it with another version or other settings of its own compiler, and \
         please report it with the file"
    )]
    CompilerDied(String),
    #[error("does not come to life: {0}; mend what the step does before its first call")]
    Smoke(String),
}

impl Rejection {
    /// Whether it is certain that more bytes would not mend it: what was read was whole, and looking again costs as
    /// much as the first time.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::CompileTime(_) | Self::CompileMemory(_) | Self::CompilerDied(_))
    }
}

fn exported_hint(exports: &[String]) -> String {
    if exports.is_empty() { "; it exports nothing".to_owned() } else { format!("; it exports {}", exports.join(", ")) }
}

fn ungranted(imports: &[(String, host_core::manifest::Grant)]) -> String {
    let names: Vec<_> = imports.iter().map(|(name, _)| name.as_str()).collect();
    let mut grants: Vec<_> = imports.iter().map(|(_, grant)| format!("\"{}\"", grant.as_str())).collect();
    grants.dedup();
    format!("imports {} but the manifest does not grant it: add grants = [{}]", names.join(" and "), grants.join(", "))
}
