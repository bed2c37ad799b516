//! Which characters of a text become spaces, and the few that something else is put in the place of.

use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Blanks {
    /// Start and end, in bytes.
    spans: BTreeMap<u32, u32>,
    /// What stands at a byte instead of a space.
    put: BTreeMap<u32, char>,
}

impl Blanks {
    pub(super) fn add(&mut self, start: u32, end: u32) {
        if start < end {
            let known = self.spans.entry(start).or_insert(end);
            *known = end.max(*known);
        }
    }

    pub(super) fn put(&mut self, at: u32, char: char) {
        self.put.insert(at, char);
    }

    /// Put a character at the end of what is blanked up to this place; nothing if nothing is.
    pub(super) fn end(&mut self, end: u32, char: char) {
        if self.spans.values().any(|known| *known == end) && !self.put.contains_key(&(end - 1)) {
            self.put(end - 1, char);
        }
    }

    /// The text with spaces in it. A line stays a line, and a column of the language (a unit of UTF-16) a column.
    pub(super) fn over(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut spans = self.spans.iter().peekable();
        let mut blank_end = 0;
        for (at, char) in text.char_indices() {
            let at = u32::try_from(at).expect("a module is shorter than 4 GiB");
            while let Some((_, end)) = spans.next_if(|(start, _)| **start <= at) {
                blank_end = blank_end.max(*end);
            }
            match self.put.get(&at) {
                Some(other) => out.push(*other),
                None if at < blank_end && !matches!(char, '\n' | '\r' | '\u{2028}' | '\u{2029}') => {
                    (0..char.len_utf16()).for_each(|_| out.push(' '));
                }
                None => out.push(char),
            }
        }
        out
    }
}
