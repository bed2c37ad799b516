//! Every version that was ever accepted, as text in the data folder: `<name>.<version>.toml`. A running saga goes on by
//! the definition it was started with, also after a restart under a newer one.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use host_core::id::UseCaseName;
use host_core::use_case::{self, UseCase};

/// The folder of kept versions; none keeps nothing.
pub struct Archive {
    dir: Option<PathBuf>,
}

impl Archive {
    pub fn open(dir: Option<PathBuf>) -> anyhow::Result<Self> {
        if let Some(dir) = &dir {
            std::fs::create_dir_all(dir).with_context(|| format!("making the folder {}", dir.display()))?;
        }
        Ok(Self { dir })
    }

    /// Everything that is kept. A file that cannot be read any more is passed over with a warning: the sagas that need
    /// it go on by the default policies, which are the strictest.
    pub fn read(&self) -> anyhow::Result<BTreeMap<(UseCaseName, u32), Arc<UseCase>>> {
        let mut versions = BTreeMap::new();
        let Some(dir) = &self.dir else { return Ok(versions) };
        for entry in std::fs::read_dir(dir).with_context(|| format!("reading the folder {}", dir.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.ends_with(".toml") {
                continue;
            }
            let text = std::fs::read_to_string(entry.path()).with_context(|| format!("reading {name}"))?;
            // The parser wants the file to bear the name of its use case; here the version stands behind it.
            let named = name.split('.').next().map(|name| format!("{name}.toml")).unwrap_or_default();
            match use_case::parse(&named, &text) {
                Ok(use_case) => {
                    versions.insert((use_case.name.clone(), use_case.version), Arc::new(use_case));
                }
                Err(_) => tracing::warn!(file = %name, "a kept version of a use case cannot be read any more"),
            }
        }
        Ok(versions)
    }

    /// Keep a version: on disk when this returns.
    pub fn keep(&self, use_case: &UseCase, text: &str) -> std::io::Result<()> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(dir.join(format!("{}.{}.toml", use_case.name, use_case.version)))?;
        std::fs::File::open(dir)?.sync_all()
    }
}
