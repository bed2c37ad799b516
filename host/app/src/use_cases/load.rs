//! From the files of the folder to what is in force: the rules about names, versions and schemas.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Component, Path};
use std::sync::Arc;

use host_core::files::FileError;
use host_core::use_case::{self, UseCase};

use super::archive::Archive;
use super::{Definition, Snapshot};

/// Bytes of one file of the folder: a definition is a screenful, a schema a few.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Files of the folder that are read.
const FILES_MAX: usize = 10_000;

/// The folder's files by name: definitions and schemas.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files(BTreeMap<String, Result<String, String>>);

impl Files {
    /// Read all of them. A file that cannot be read is a fact to report, not an error.
    pub fn read(dir: &Path) -> std::io::Result<Self> {
        let root = dir.canonicalize()?;
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(&root)?.take(FILES_MAX) {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = name.ends_with(".toml") || name.ends_with(".json");
            if is_ours && !name.starts_with('.') {
                files.insert(name, read_bounded(&root, &entry.path()));
            }
        }
        Ok(Self(files))
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(name, text)| ((*name).to_owned(), Ok((*text).to_owned()))).collect())
    }

    fn text(&self, name: &str) -> Option<&Result<String, String>> {
        self.0.get(name)
    }
}

/// The text of a file, or what keeps it from being read. A link may lead to another file of the folder, not out of it:
/// who may write into this folder shall not make the host show what lies elsewhere. Never waits: what is no file, like
/// a pipe, is not opened for reading.
fn read_bounded(root: &Path, path: &Path) -> Result<String, String> {
    let target = path.canonicalize().map_err(|error| format!("{error}; is it a link that leads nowhere?"))?;
    if !target.starts_with(root) {
        return Err("it is a link out of the use-cases folder".to_owned());
    }
    let nonblocking = nix::fcntl::OFlag::O_NONBLOCK.bits();
    let file = File::options().read(true).custom_flags(nonblocking).open(&target).map_err(|error| error.to_string())?;
    if !file.metadata().map_err(|error| error.to_string())?.is_file() {
        return Err("it is no file but a folder, a pipe or a device".to_owned());
    }
    let mut text = String::new();
    // One byte more than allowed shows a file that is too large.
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok(text)
}

/// What is in force after `before`, once these files are taken.
pub fn next(before: &Snapshot, files: &Files, archive: &Archive) -> Snapshot {
    let mut next = Snapshot { versions: before.versions.clone(), ..Snapshot::default() };
    for (file, text) in files.0.iter().filter(|(file, _)| file.ends_with(".toml")) {
        let accepted = read_definition(file, text, files)
            .and_then(|(definition, text)| accept(file, definition, text, &mut next, archive));
        if let Err(problems) = accepted {
            next.problems.extend(problems.iter().map(FileError::to_string));
            keep_earlier(before, file, &mut next);
        }
    }
    next
}

/// A refused file leaves what was in force under its name.
fn keep_earlier(before: &Snapshot, file: &str, next: &mut Snapshot) {
    let stem = file.trim_end_matches(".toml");
    if let Some((name, definition)) = before.current.iter().find(|(name, _)| name.as_str() == stem) {
        next.current.insert(name.clone(), definition.clone());
    }
}

fn read_definition<'a>(
    file: &str,
    text: &'a Result<String, String>,
    files: &Files,
) -> Result<(Definition, &'a str), Vec<FileError>> {
    let text = text.as_ref().map_err(|cause| {
        vec![mistake(file, None, format!("it cannot be read: {cause}"), "put a file of UTF-8 text in its place")]
    })?;
    let use_case = use_case::parse(file, text)?;
    check_trigger(file, &use_case)?;
    let schema = match &use_case.body_schema {
        Some(name) => Some(read_schema(file, name, files)?),
        None => None,
    };
    Ok((Definition { use_case: Arc::new(use_case), schema }, text))
}

/// A trigger topic that steps work on, or that the host itself uses, would make messages mean two things.
fn check_trigger(file: &str, use_case: &UseCase) -> Result<(), Vec<FileError>> {
    let Some(topic) = &use_case.trigger_topic else { return Ok(()) };
    let is_reserved = topic.step().is_some() || topic.as_str().starts_with("saga.");
    if !is_reserved {
        return Ok(());
    }
    let problem = format!("{topic} is a topic of a step or of the host itself");
    Err(vec![mistake(file, Some("trigger-topic"), problem, "name a topic of your own, like \"orders.placed\"")])
}

fn read_schema(file: &str, name: &str, files: &Files) -> Result<jsonschema::Validator, Vec<FileError>> {
    let refuse = |problem: String, cure: &str| vec![mistake(file, Some("body-schema"), problem, cure)];
    let is_plain = Path::new(name).components().eq([Component::Normal(name.as_ref())]) && name.ends_with(".json");
    if !is_plain {
        let problem = format!("{name:?} is not the name of a .json file beside the definition");
        return Err(refuse(problem, "put the schema into the use-cases folder and write its file name"));
    }
    let text = match files.text(name) {
        Some(Ok(text)) => text,
        Some(Err(cause)) => return Err(refuse(format!("{name} cannot be read: {cause}"), "repair the file")),
        None => return Err(refuse(format!("{name} does not exist"), "write the schema or remove the line")),
    };
    let schema: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| refuse(format!("{name} is not JSON: {error}"), "write a JSON Schema"))?;
    jsonschema::validator_for(&schema).map_err(|error| {
        refuse(format!("{name} is not a JSON Schema: {error}"), "write a JSON Schema without remote references")
    })
}

/// The rule of versions: a version that is known must mean the same, one that is not known must be the highest.
fn accept(
    file: &str,
    definition: Definition,
    text: &str,
    next: &mut Snapshot,
    archive: &Archive,
) -> Result<(), Vec<FileError>> {
    let use_case = &definition.use_case;
    let key = (use_case.name.clone(), use_case.version);
    let of_name = next.versions.range((use_case.name.clone(), 0)..=(use_case.name.clone(), u32::MAX));
    let highest = of_name.map(|((_, version), _)| *version).max();
    match next.versions.get(&key) {
        Some(known) if !means_the_same(known, use_case) => {
            let problem = format!("version {} was accepted before and meant something else", use_case.version);
            let cure = format!("raise it to {}; sagas that run go on by the old one", highest.unwrap_or(0) + 1);
            return Err(vec![mistake(file, Some("version"), problem, &cure)]);
        }
        Some(_) => {}
        None => {
            if let Some(highest) = highest.filter(|highest| *highest > use_case.version) {
                let problem =
                    format!("version {} is lower than {highest}, which was accepted before", use_case.version);
                let cure = format!("raise it to {}", highest + 1);
                return Err(vec![mistake(file, Some("version"), problem, &cure)]);
            }
            archive.keep(use_case, text).map_err(|error| {
                let problem = format!("it cannot be kept in the data folder: {error}");
                vec![mistake(
                    file,
                    None,
                    problem,
                    "make the data folder writable; the file is tried again when it changes",
                )]
            })?;
        }
    }
    next.versions.insert(key, use_case.clone());
    next.current.insert(use_case.name.clone(), Arc::new(definition));
    Ok(())
}

/// Owner and description may be put right without a new version: no saga depends on them.
fn means_the_same(left: &UseCase, right: &UseCase) -> bool {
    let words = |use_case: &UseCase| UseCase { owner: String::new(), description: String::new(), ..use_case.clone() };
    words(left) == words(right)
}

fn mistake(file: &str, field: Option<&str>, problem: String, cure: &str) -> FileError {
    FileError { file: file.to_owned(), line: None, field: field.map(str::to_owned), problem, cure: cure.to_owned() }
}
