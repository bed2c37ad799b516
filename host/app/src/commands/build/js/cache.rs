//! Where compiled runtimes are kept between builds.

use std::path::PathBuf;

/// `$SAGA_CACHE_DIR`, else `saga` in the user's folder for caches; none where there is no such folder.
pub(super) fn folder() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("SAGA_CACHE_DIR")
        .or_else(|| set("XDG_CACHE_HOME").filter(|dir| dir.is_absolute()).map(|dir| dir.join("saga")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/saga")))
        .map(|folder| folder.join("javascript"))
}
