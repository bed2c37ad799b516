//! The use-cases folder: definitions in force, old versions that running sagas still need, refused files with their
//! reason, and the watching of the folder.
//! Invariant: a version, once accepted, never changes what it means; its text is kept in the data folder for that.

mod archive;
mod cycles;
mod load;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use host_core::envelope::UseCaseRef;
use host_core::id::UseCaseName;
use host_core::json::Json;
use host_core::use_case::UseCase;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use cycles::trigger_cycles;

use archive::Archive;
use load::Files;

/// How often the folder is looked at. A look is one directory listing; a definition need not be live sooner.
const LOOK_INTERVAL: Duration = Duration::from_millis(300);

/// The folder and what it holds.
pub struct UseCases {
    dir: PathBuf,
    archive: Archive,
    snapshot: ArcSwap<Snapshot>,
    revision: watch::Sender<u64>,
}

/// What was in force at one moment.
#[derive(Default)]
struct Snapshot {
    current: BTreeMap<UseCaseName, Arc<Definition>>,
    /// Every version that was ever accepted.
    versions: BTreeMap<(UseCaseName, u32), Arc<UseCase>>,
    /// Told to operators, one a refused file or field.
    problems: Vec<String>,
}

/// A use case and the schema that the body of a start must meet.
pub struct Definition {
    pub use_case: Arc<UseCase>,
    schema: Option<jsonschema::Validator>,
}

impl Definition {
    /// What is wrong with the body of a start, for its sender.
    pub fn check_body(&self, body: &Json) -> Result<(), String> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let value: serde_json::Value = serde_json::from_str(body.as_str()).map_err(|error| error.to_string())?;
        let first = schema.iter_errors(&value).next();
        first.map_or(Ok(()), |error| {
            let place = error.instance_path().to_string();
            Err(if place.is_empty() { error.to_string() } else { format!("at {place}: {error}") })
        })
    }
}

impl UseCases {
    /// Read the folder, which is made if it is missing, and the kept versions. Without an archive folder (a store in
    /// memory) no version outlives the process.
    pub fn open(dir: PathBuf, archive_dir: Option<PathBuf>) -> anyhow::Result<Arc<Self>> {
        std::fs::create_dir_all(&dir).with_context(|| format!("making the use-cases folder {}", dir.display()))?;
        let archive = Archive::open(archive_dir)?;
        let versions = archive.read()?;
        let start = Snapshot { versions, ..Snapshot::default() };
        let (revision, _) = watch::channel(0);
        let use_cases = Self { dir, archive, snapshot: ArcSwap::from_pointee(start), revision };
        let files = Files::read(&use_cases.dir)?;
        use_cases.take(&files);
        Ok(Arc::new(use_cases))
    }

    /// Changes whenever what is in force does.
    pub fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    pub fn definition(&self, name: &UseCaseName) -> Option<Arc<Definition>> {
        self.snapshot.load().current.get(name).cloned()
    }

    pub fn problems(&self) -> Vec<String> {
        self.snapshot.load().problems.clone()
    }

    /// Follow the folder until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut taken = None;
        let mut seen_before = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
            let dir = self.dir.clone();
            let Ok(Ok(files)) = tokio::task::spawn_blocking(move || Files::read(&dir)).await else { continue };
            // Two looks that agree: nobody is in the middle of writing.
            let is_settled = seen_before.as_ref() == Some(&files);
            if is_settled && taken.as_ref() != Some(&files) {
                let use_cases = self.clone();
                let to_take = files.clone();
                let done = tokio::task::spawn_blocking(move || use_cases.take(&to_take)).await;
                if done.is_ok() {
                    taken = Some(files.clone());
                }
            }
            seen_before = Some(files);
        }
    }

    /// Put in force what the files say. What is refused leaves the earlier definition in force.
    fn take(&self, files: &Files) {
        let before = self.snapshot.load_full();
        let next = load::next(&before, files, &self.archive);
        for problem in next.problems.iter().filter(|problem| !before.problems.contains(problem)) {
            tracing::warn!(%problem, "a use case is refused");
        }
        for definition in next.current.values() {
            let use_case = &definition.use_case;
            let is_new = before.current.get(&use_case.name).is_none_or(|old| old.use_case != *use_case);
            if is_new {
                tracing::info!(use_case = %use_case.name, version = use_case.version, "a use case is in force");
            }
        }
        for name in before.current.keys().filter(|name| !next.current.contains_key(*name)) {
            tracing::info!(use_case = %name, "a use case is withdrawn");
        }
        self.snapshot.store(Arc::new(next));
        self.revision.send_modify(|revision| *revision += 1);
    }
}

/// What a host would make of a folder, without keeping anything.
pub struct Survey {
    pub good: Vec<Arc<UseCase>>,
    pub problems: Vec<String>,
}

/// Look at a folder of definitions from outside.
pub fn survey(dir: &std::path::Path) -> anyhow::Result<Survey> {
    let found = load::next(&Snapshot::default(), &Files::read(dir)?, &Archive::open(None)?);
    let good = found.current.into_values().map(|definition| definition.use_case.clone()).collect();
    Ok(Survey { good, problems: found.problems })
}

impl host_engine::UseCases for UseCases {
    fn current(&self, name: &UseCaseName) -> Option<Arc<UseCase>> {
        self.snapshot.load().current.get(name).map(|definition| definition.use_case.clone())
    }

    fn version(&self, reference: &UseCaseRef) -> Option<Arc<UseCase>> {
        let snapshot = self.snapshot.load();
        let current = snapshot.current.get(&reference.name).map(|definition| &definition.use_case);
        if let Some(current) = current.filter(|current| current.version == reference.version) {
            return Some(current.clone());
        }
        snapshot.versions.get(&(reference.name.clone(), reference.version)).cloned()
    }

    fn all(&self) -> Vec<Arc<UseCase>> {
        self.snapshot.load().current.values().map(|definition| definition.use_case.clone()).collect()
    }
}

#[cfg(test)]
mod tests;
