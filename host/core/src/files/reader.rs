//! Typed reading of the TOML files that people write. Collects every mistake of a file, so that a person mends them in
//! one go; a key that nobody asked for is a mistake too. Knows no file system: text comes in.

mod near;

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::FileError;
use crate::limits::cut;
use crate::time::{format_span, parse_span};

/// Bytes of a text that one key may hold, unless the key says otherwise.
pub const TEXT_BYTES_MAX: usize = 4096;

/// Read a whole file: `visit` asks for its keys and gives none when one that it cannot do without is not there. The
/// result is the value, or all mistakes in the order of the file.
pub fn read<T>(file: &str, text: &str, visit: impl FnOnce(&mut Table<'_>) -> Option<T>) -> Result<T, Vec<FileError>> {
    let mistakes = Mistakes { file, text, found: RefCell::new(Vec::new()) };
    let (root, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        // What a broken text leaves out would only be reported as missing.
        for error in errors {
            let place = Place { field: None, span: error.span() };
            mistakes.add(&place, error.message().replace('\n', ", "), "write it as TOML: key = value".to_owned());
        }
        return Err(mistakes.sorted());
    }
    let mut table = Table { mistakes: &mistakes, path: String::new(), entries: root.into_inner(), asked: Vec::new() };
    let value = visit(&mut table);
    table.refuse_unasked();
    match value {
        Some(value) if mistakes.found.borrow().is_empty() => Ok(value),
        Some(_) | None => Err(mistakes.sorted()),
    }
}

/// A value and where it stands, for checks that come later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    pub value: T,
    place: Place,
}

/// Where a mistake is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    field: Option<String>,
    span: Option<Range<usize>>,
}

/// What is wrong so far.
struct Mistakes<'a> {
    file: &'a str,
    text: &'a str,
    found: RefCell<Vec<FileError>>,
}

impl Mistakes<'_> {
    fn add(&self, place: &Place, problem: String, cure: String) {
        let line = place.span.as_ref().map(|span| self.line(span.start));
        self.found.borrow_mut().push(FileError {
            file: self.file.to_owned(),
            line,
            field: place.field.clone(),
            problem,
            cure,
        });
    }

    fn line(&self, offset: usize) -> u32 {
        let before = self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count();
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// In the order of the file; what has no line comes first.
    fn sorted(self) -> Vec<FileError> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|mistake| mistake.line);
        if found.is_empty() {
            found.push(FileError {
                file: self.file.to_owned(),
                line: None,
                field: None,
                problem: "it is not complete".to_owned(),
                cure: "compare it with the description of this kind of file".to_owned(),
            });
        }
        found
    }
}

/// One table of the file. Each question takes its key out; what is left at the end is unknown.
pub struct Table<'a> {
    mistakes: &'a Mistakes<'a>,
    path: String,
    entries: DeTable<'a>,
    asked: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// Whether the file has this key. Asks for nothing.
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Report a key that must be there and is not.
    pub fn demand(&mut self, key: &'static str, cure: &str) {
        if !self.has(key) {
            self.asked.push(key);
            let place = Place { field: Some(self.field(key)), span: None };
            self.mistakes.add(&place, "it is missing".to_owned(), cure.to_owned());
        }
    }

    /// Report that a value is wrong.
    pub fn refuse<T>(&self, placed: &Placed<T>, problem: impl Into<String>, cure: impl Into<String>) {
        self.mistakes.add(&placed.place, problem.into(), cure.into());
    }

    /// A text.
    pub fn text(&mut self, key: &'static str) -> Option<Placed<String>> {
        let placed = self.take(key)?;
        self.as_text(placed, TEXT_BYTES_MAX)
    }

    /// A text that `parse` understands.
    pub fn parsed<T, E: Display>(
        &mut self,
        key: &'static str,
        cure: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Placed<T>> {
        let text = self.text(key)?;
        self.parse(text, cure, parse)
    }

    /// One of these words.
    pub fn word<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.refuse(
                &text,
                format!("{:?} is none of its words", cut(&text.value, 80)),
                format!("write {}", known.join(" or ")),
            );
        }
        found
    }

    /// A whole number within bounds.
    pub fn whole(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<Placed<u64>> {
        let placed = self.take(key)?;
        self.as_whole(placed, range)
    }

    /// A whole number within bounds, or one word that stands for a value of its own.
    pub fn whole_or<T>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<u64>,
        number: impl FnOnce(u64) -> T,
        (word, value): (&str, T),
    ) -> Option<T> {
        let placed = self.take(key)?;
        if let DeValue::String(text) = &placed.value {
            if text == word {
                return Some(value);
            }
            let cure = format!("write a whole number from {} to {}, or {word:?}", range.start(), range.end());
            self.refuse(&placed, format!("{:?} is not one", cut(text, 80)), cure);
            return None;
        }
        self.as_whole(placed, range).map(|placed| number(placed.value))
    }

    /// True or false.
    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        let placed = self.take(key)?;
        match placed.value {
            DeValue::Boolean(value) => Some(value),
            _ => {
                self.wrong_type(&placed, "true or false");
                None
            }
        }
    }

    /// A span of time within bounds, as `"250ms"`, `"5s"` or `"2h"`.
    pub fn span(&mut self, key: &'static str, range: RangeInclusive<Duration>) -> Option<Placed<Duration>> {
        let span = self.parsed(key, "use the units ms, s, m, h and d", parse_span)?;
        if range.contains(&span.value) {
            return Some(span);
        }
        let bounds = format!("write a time from {} to {}", format_span(*range.start()), format_span(*range.end()));
        self.refuse(&span, format!("{} is out of bounds", format_span(span.value)), bounds);
        None
    }

    /// A size within bounds, as `"64KiB"`, `"1MiB"` or as a number of bytes.
    pub fn bytes(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<Placed<u64>> {
        let placed = self.take(key)?;
        let size = match &placed.value {
            DeValue::String(text) => parse_bytes(text),
            DeValue::Integer(_) => {
                return self.as_whole(placed, range);
            }
            _ => None,
        };
        let Some(size) = size else {
            self.refuse(&placed, "it is not a size", "write it like \"64KiB\", \"1MiB\" or as a number of bytes");
            return None;
        };
        let placed = Placed { value: size, place: placed.place };
        if range.contains(&size) {
            return Some(placed);
        }
        let bounds = format!("write a size from {} to {} bytes", range.start(), range.end());
        self.refuse(&placed, format!("{size} bytes is out of bounds"), bounds);
        None
    }

    /// A list of texts that `parse` understands, at most `count_max` of them, none of them twice if `once` says so.
    pub fn list<T: Clone + PartialEq, E: Display>(
        &mut self,
        key: &'static str,
        count_max: usize,
        repeats: Repeats,
        cure: &str,
        mut parse: impl FnMut(&str) -> Result<T, E>,
    ) -> Option<Placed<Vec<T>>> {
        let placed = self.take(key)?;
        let Placed { value: DeValue::Array(elements), place } = placed else {
            self.wrong_type(&placed, "a list of texts");
            return None;
        };
        if elements.len() > count_max {
            let here = Placed { value: (), place };
            self.refuse(&here, format!("it has {} entries", elements.len()), format!("write at most {count_max}"));
            return None;
        }
        let mut values: Vec<T> = Vec::with_capacity(elements.len());
        for element in elements {
            let span = Some(element.span());
            let element = Placed { value: element.into_inner(), place: Place { field: place.field.clone(), span } };
            let Some(text) = self.as_text(element, TEXT_BYTES_MAX) else { continue };
            let Some(value) = self.parse(text, cure, &mut parse) else { continue };
            match repeats {
                Repeats::Refused if values.contains(&value.value) => {
                    self.refuse(&value, "it stands in the list twice", "name it once");
                }
                Repeats::Refused | Repeats::Allowed => values.push(value.value),
            }
        }
        Some(Placed { value: values, place })
    }

    /// All keys of this table that were not asked for, with their texts, in the order of the file.
    pub fn texts(&mut self, count_max: usize, bytes_max: usize) -> Vec<(String, String)> {
        let entries = std::mem::take(&mut self.entries);
        if entries.len() > count_max {
            let place = Place { field: Some(self.path.clone()), span: None };
            self.mistakes.add(&place, format!("it has {} keys", entries.len()), format!("write at most {count_max}"));
            return Vec::new();
        }
        let mut texts = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let place = Place { field: Some(self.field(key.get_ref())), span: Some(key.span()) };
            let value = Placed { value: value.into_inner(), place };
            texts.extend(self.as_text(value, bytes_max).map(|text| (key.into_inner().into_owned(), text.value)));
        }
        texts
    }

    /// A table in this one. A file without it is read as if it were there and empty.
    pub fn within<T>(&mut self, key: &'static str, visit: impl FnOnce(&mut Table<'a>) -> T) -> T {
        let entries = match self.take(key) {
            None => DeTable::new(),
            Some(Placed { value: DeValue::Table(entries), .. }) => entries,
            Some(other) => {
                self.wrong_type(
                    &other,
                    &format!("a table: [{}] on a line of its own, its keys below", self.field(key)),
                );
                DeTable::new()
            }
        };
        let mut table = Table { mistakes: self.mistakes, path: self.field(key), entries, asked: Vec::new() };
        let value = visit(&mut table);
        table.refuse_unasked();
        value
    }

    fn field(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn take(&mut self, key: &'static str) -> Option<Placed<DeValue<'a>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        let (name, value) = self.entries.remove_entry(key)?;
        let place = Place { field: Some(self.field(key)), span: Some(name.span()) };
        Some(Placed { value: value.into_inner(), place })
    }

    fn as_text(&self, placed: Placed<DeValue<'_>>, bytes_max: usize) -> Option<Placed<String>> {
        let Placed { value: DeValue::String(text), place } = placed else {
            self.wrong_type(&placed, "a text in quotes");
            return None;
        };
        let placed = Placed { value: text.into_owned(), place };
        if placed.value.len() > bytes_max {
            self.refuse(&placed, format!("it has {} bytes", placed.value.len()), format!("write at most {bytes_max}"));
            return None;
        }
        Some(placed)
    }

    fn parse<T, E: Display>(
        &self,
        text: Placed<String>,
        cure: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Placed<T>> {
        match parse(&text.value) {
            Ok(value) => Some(Placed { value, place: text.place }),
            Err(error) => {
                self.refuse(&text, error.to_string(), cure);
                None
            }
        }
    }

    fn as_whole(&self, placed: Placed<DeValue<'_>>, range: RangeInclusive<u64>) -> Option<Placed<u64>> {
        let DeValue::Integer(number) = &placed.value else {
            self.wrong_type(&placed, "a whole number");
            return None;
        };
        let value = u64::from_str_radix(number.as_str(), number.radix()).ok().filter(|value| range.contains(value));
        if value.is_none() {
            let bounds = format!("write a whole number from {} to {}", range.start(), range.end());
            self.refuse(&placed, format!("{} is out of bounds", cut(&number.to_string(), 40)), bounds);
        }
        value.map(|value| Placed { value, place: placed.place })
    }

    fn wrong_type(&self, placed: &Placed<DeValue<'_>>, wanted: &str) {
        let found = match &placed.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(placed, format!("it is {found}"), format!("write {wanted}"));
    }

    fn refuse_unasked(&mut self) {
        for (key, _) in std::mem::take(&mut self.entries) {
            let place = Place { field: Some(self.field(key.get_ref())), span: Some(key.span()) };
            let cure = match near::nearest(key.get_ref(), &self.asked) {
                Some(meant) => format!("did you mean {}?", self.field(meant)),
                None if self.asked.is_empty() => "leave it out".to_owned(),
                None => format!("the keys here are {}", self.asked.join(", ")),
            };
            self.mistakes.add(&place, "there is no such key".to_owned(), cure);
        }
    }
}

/// Whether a list may name the same thing twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    Allowed,
    Refused,
}

/// A size as people write it: a number with B, KiB, MiB or GiB.
fn parse_bytes(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim_start() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests;
