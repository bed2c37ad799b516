//! The walk over `saga.toml`: every key is set or refused with its line.

use std::collections::BTreeMap;

use host_core::files::FileError;
use toml::de::{DeTable, DeValue};

use super::Config;
use super::keys::{self, KEYS};
use super::value::Wrong;
use crate::near;

/// Set what the text says. `lines` gets the line of each key that was set.
pub fn apply(
    config: &mut Config,
    file: &str,
    text: &str,
    lines: &mut BTreeMap<&'static str, u32>,
    mistakes: &mut Vec<FileError>,
) {
    let (table, syntax) = DeTable::parse_recoverable(text);
    if !syntax.is_empty() {
        mistakes.extend(syntax.iter().map(|error| FileError {
            file: file.to_owned(),
            line: error.span().map(|span| line_at(text, span.start)),
            field: None,
            problem: error.message().trim().replace('\n', ", "),
            cure: "write it as TOML: `key = value`, texts in double quotes, tables as [name]".to_owned(),
        }));
        return;
    }
    let mut walk = Walk { config, file, text, lines, mistakes };
    walk.table("", table.get_ref());
}

struct Walk<'a> {
    config: &'a mut Config,
    file: &'a str,
    text: &'a str,
    lines: &'a mut BTreeMap<&'static str, u32>,
    mistakes: &'a mut Vec<FileError>,
}

impl Walk<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let path = format!("{prefix}{}", key.get_ref());
            let line = line_at(self.text, key.span().start);
            if let Err(wrong) = self.entry(&path, line, value.get_ref()) {
                self.mistakes.push(FileError {
                    file: self.file.to_owned(),
                    line: Some(line),
                    field: Some(path),
                    problem: wrong.problem,
                    cure: wrong.cure,
                });
            }
        }
    }

    fn entry(&mut self, path: &str, line: u32, value: &DeValue<'_>) -> Result<(), Wrong> {
        let prefix = format!("{path}.");
        let is_section = KEYS.iter().any(|key| key.path.starts_with(&prefix));
        match (value, is_section, keys::find(path)) {
            (DeValue::Table(table), true, _) => {
                self.table(&prefix, table);
                Ok(())
            }
            (_, true, _) => Err(Wrong {
                problem: "this is a table of keys, not a value".to_owned(),
                cure: format!("write [{path}] on a line of its own and its keys below"),
            }),
            (DeValue::Table(table), false, Some(key)) if key.path == "broker.client" => {
                for (name, value) in table {
                    self.config.broker.client.add(name.get_ref(), &scalar(value.get_ref())?)?;
                }
                self.lines.insert(key.path, line);
                Ok(())
            }
            (value, false, Some(key)) => {
                (key.set)(self.config, &scalar(value)?)?;
                self.lines.insert(key.path, line);
                Ok(())
            }
            (_, false, None) => Err(unknown(path)),
        }
    }
}

/// The text of a value that is one.
fn scalar(value: &DeValue<'_>) -> Result<String, Wrong> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().replace('_', "")),
        DeValue::Integer(number) => Err(Wrong {
            problem: format!("{} is not a decimal number", number.as_str()),
            cure: "write it in digits".to_owned(),
        }),
        DeValue::Boolean(yes) => Ok(yes.to_string()),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => Err(Wrong {
            problem: "one text or number is expected here".to_owned(),
            cure: "see docs/configuration.md for the form of each key".to_owned(),
        }),
    }
}

fn unknown(path: &str) -> Wrong {
    let sections = KEYS.iter().filter_map(|key| key.path.split_once('.')).map(|(section, _)| section);
    let meant = near::nearest(path, KEYS.iter().map(|key| key.path).chain(sections));
    // A key that stands in the wrong table is as common as a misspelt one.
    let last = path.rsplit('.').next().unwrap_or(path);
    let elsewhere = KEYS.iter().map(|key| key.path).find(|known| known.rsplit('.').next() == Some(last));
    let cure = match meant.or(elsewhere) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "remove it; `saga doctor` lists every key".to_owned(),
    };
    Wrong { problem: "there is no such key".to_owned(), cure }
}

/// The line, from 1, of a byte of the text.
fn line_at(text: &str, byte: usize) -> u32 {
    let before = &text.as_bytes()[..byte.min(text.len())];
    let breaks = before.iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(breaks).unwrap_or(u32::MAX - 1) + 1
}
