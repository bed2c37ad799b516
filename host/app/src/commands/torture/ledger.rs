//! The witness: what was wished, what was accepted and what was told, line by line, in a file that no host touches. The
//! host is held to what is read back from it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::{End, Planned};

/// An open ledger.
pub struct Ledger {
    path: PathBuf,
    /// Guards the order of lines.
    file: Mutex<BufWriter<File>>,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
enum Line {
    /// Written before the host is asked.
    Wish { id: String, use_case: String, body: Value, expected: End },
    /// The host said that it has it.
    Accepted { id: String },
    /// The host said how it ended.
    Told { id: String, status: String },
    /// A live event said that it had ended then.
    Heard { id: String, at: String },
}

/// One saga, as the ledger tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    pub use_case: String,
    pub body: Value,
    pub expected: End,
    pub is_accepted: bool,
    /// Every end that the host told.
    pub told: Vec<String>,
    /// When it ended, by every live event that said so.
    pub heard: Vec<String>,
}

impl Ledger {
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("making the ledger {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(BufWriter::new(file)) })
    }

    pub fn wish(&self, planned: &Planned) -> anyhow::Result<()> {
        let Planned { id, use_case, body, expected } = planned;
        let use_case = (*use_case).to_owned();
        self.write(&Line::Wish { id: id.clone(), use_case, body: body.clone(), expected: *expected })
    }

    pub fn accepted(&self, id: &str) -> anyhow::Result<()> {
        self.write(&Line::Accepted { id: id.to_owned() })
    }

    pub fn told(&self, id: &str, status: &str) -> anyhow::Result<()> {
        self.write(&Line::Told { id: id.to_owned(), status: status.to_owned() })
    }

    pub fn heard(&self, id: &str, at: &str) -> anyhow::Result<()> {
        self.write(&Line::Heard { id: id.to_owned(), at: at.to_owned() })
    }

    fn write(&self, line: &Line) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.file.lock().write_all(&text).with_context(|| format!("writing the ledger {}", self.path.display()))
    }

    /// Everything that was written, by global-id.
    pub fn read_back(self) -> anyhow::Result<BTreeMap<String, Wish>> {
        self.file.lock().flush().with_context(|| format!("writing the ledger {}", self.path.display()))?;
        read(&self.path)
    }
}

fn read(path: &Path) -> anyhow::Result<BTreeMap<String, Wish>> {
    let file = File::open(path).with_context(|| format!("reading the ledger {}", path.display()))?;
    let mut wishes = BTreeMap::new();
    for (line, number) in BufReader::new(file).lines().zip(1..) {
        let place = || format!("{} line {number}", path.display());
        let line = serde_json::from_str(&line?).with_context(place)?;
        enter(&mut wishes, line).with_context(place)?;
    }
    Ok(wishes)
}

fn enter(wishes: &mut BTreeMap<String, Wish>, line: Line) -> anyhow::Result<()> {
    match line {
        Line::Accepted { id } => wish_of(wishes, &id)?.is_accepted = true,
        Line::Told { id, status } => {
            let wish = wish_of(wishes, &id)?;
            wish.is_accepted = true;
            wish.told.push(status);
        }
        Line::Heard { id, at } => wish_of(wishes, &id)?.heard.push(at),
        Line::Wish { id, use_case, body, expected } => {
            let wish = Wish { use_case, body, expected, is_accepted: false, told: Vec::new(), heard: Vec::new() };
            wishes.insert(id, wish);
        }
    }
    Ok(())
}

fn wish_of<'a>(wishes: &'a mut BTreeMap<String, Wish>, id: &str) -> anyhow::Result<&'a mut Wish> {
    wishes.get_mut(id).with_context(|| format!("nobody wished {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_tells_what_was_wished_accepted_and_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ledger = Ledger::create(&folder.path().join("ledger.jsonl")).expect("an empty folder");
        let planned = |id: &str| Planned {
            id: id.to_owned(),
            use_case: "shop",
            body: serde_json::json!({"quantity": 2}),
            expected: End::Completed,
        };
        for id in ["a", "b", "c"] {
            ledger.wish(&planned(id)).expect("a line");
        }
        ledger.accepted("a").expect("a line");
        ledger.told("b", "completed").expect("a line");
        ledger.heard("c", "2026-11-25T17:00:00.000Z").expect("a line");
        let wishes = ledger.read_back().expect("our own lines");
        let known = wishes.values().map(|wish| (wish.is_accepted, wish.told.len(), wish.heard.len()));
        assert_eq!(known.collect::<Vec<_>>(), [(true, 0, 0), (true, 1, 0), (false, 0, 1)]);
        assert_eq!(wishes["a"].body["quantity"], 2);
    }

    #[test]
    fn a_line_about_a_saga_that_nobody_wished_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ledger = Ledger::create(&folder.path().join("ledger.jsonl")).expect("an empty folder");
        ledger.accepted("nobody").expect("a line");
        let error = ledger.read_back().expect_err("it makes no sense");
        assert!(format!("{error:#}").contains("line 1: nobody wished nobody"), "{error:#}");
    }
}
