//! A walk over a JSON text that hands out the texts of its members and builds nothing. What nobody looks into is only
//! checked, without recursion. Written by hand because every message of every saga goes through it: serde_json's
//! raw values cost four times as much here. A property test holds the two to the same verdict.

use std::borrow::Cow;

use super::DecodeReason;

/// Why a walk ended early.
pub(super) enum Stopped<E> {
    /// The text is not what was to be walked over.
    Syntax(Syntax),
    /// The visitor refused.
    Refused(E),
}

/// Where a text stops being JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{expected} expected at byte {at}")]
pub(super) struct Syntax {
    at: usize,
    expected: &'static str,
}

impl<E> Stopped<E> {
    pub(super) fn into_reason(self, syntax: impl FnOnce(String) -> E) -> E {
        match self {
            Stopped::Syntax(error) => syntax(error.to_string()),
            Stopped::Refused(reason) => reason,
        }
    }
}

impl From<DecodeReason> for Stopped<DecodeReason> {
    fn from(reason: DecodeReason) -> Self {
        Stopped::Refused(reason)
    }
}

impl<E> From<Syntax> for Stopped<E> {
    fn from(syntax: Syntax) -> Self {
        Stopped::Syntax(syntax)
    }
}

/// The content of a JSON text that is a string, without a copy unless it has escapes.
#[inline]
pub(super) fn text_of(value: &str) -> Option<Cow<'_, str>> {
    let inner = value.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(value).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// A place in a text. Every step moves it on or fails.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn starting_at(text: &'a str, at: usize) -> Self {
        Self { text, at }
    }

    /// How far it has come, in bytes.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn skip_space(&mut self) {
        self.peek_solid();
    }

    /// Walk over an object. `visit` gets each key as it is written, in its quotes, and must move over the value.
    pub(super) fn members<E>(
        &mut self,
        mut visit: impl FnMut(&mut Self, &'a str) -> Result<(), Stopped<E>>,
    ) -> Result<(), Stopped<E>> {
        self.open(b'{', "an object")?;
        let mut more = self.has_first(b'}');
        while more {
            let key = self.string()?;
            self.colon()?;
            visit(self, key)?;
            more = self.has_next(b'}')?;
        }
        Ok(())
    }

    /// Walk over a list. `visit` gets the text of each element.
    pub(super) fn elements<E>(&mut self, mut visit: impl FnMut(&'a str) -> Result<(), E>) -> Result<(), Stopped<E>> {
        self.open(b'[', "a list")?;
        let mut more = self.has_first(b']');
        while more {
            let value = self.value()?;
            visit(value).map_err(Stopped::Refused)?;
            more = self.has_next(b']')?;
        }
        Ok(())
    }

    /// Move over a value if it is `null`.
    pub(super) fn null(&mut self) -> Result<bool, Syntax> {
        let found = self.peek_solid() == Some(b'n');
        if found {
            self.word("null")?;
        }
        Ok(found)
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, Syntax> {
        Err(Syntax { at: self.at, expected })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek_solid(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other,
            }
        }
    }

    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek_solid() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn open(&mut self, byte: u8, expected: &'static str) -> Result<(), Syntax> {
        if self.take(byte) { Ok(()) } else { self.fail(expected) }
    }

    /// Whether a first member follows the opening, rather than the closing.
    #[inline]
    fn has_first(&mut self, close: u8) -> bool {
        !self.take(close)
    }

    /// Whether another member follows this one, rather than the closing.
    #[inline]
    fn has_next(&mut self, close: u8) -> Result<bool, Syntax> {
        if self.take(b',') {
            Ok(true)
        } else if self.take(close) {
            Ok(false)
        } else {
            self.fail("a comma or the end of this object or list")
        }
    }

    #[inline]
    fn colon(&mut self) -> Result<(), Syntax> {
        if self.take(b':') { Ok(()) } else { self.fail("a colon") }
    }

    /// Nothing but white space may follow.
    pub(super) fn end(&mut self) -> Result<(), Syntax> {
        if self.peek_solid().is_none() { Ok(()) } else { self.fail("the end") }
    }

    /// One string, in its quotes.
    fn string(&mut self) -> Result<&'a str, Syntax> {
        if self.peek_solid() != Some(b'"') {
            return self.fail("a text in quotes");
        }
        let start = self.at;
        self.at += 1;
        loop {
            self.at += plain_bytes(&self.text.as_bytes()[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return self.fail("an escape in the place of a control character"),
                None => return self.fail("the end of a text"),
            }
        }
        self.at += 1;
        Ok(&self.text[start..self.at])
    }

    fn escape(&mut self) -> Result<(), Syntax> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
                if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    self.at += 5;
                    Ok(())
                } else {
                    self.fail("four hexadecimal digits")
                }
            }
            Some(_) | None => self.fail("an escape"),
        }
    }

    /// One value of any kind.
    pub(super) fn value(&mut self) -> Result<&'a str, Syntax> {
        self.peek_solid();
        let start = self.at;
        let mut open = Nesting::default();
        loop {
            // A value begins here. An object or list that is not empty begins with another one.
            match self.peek_solid() {
                Some(b'"') => _ = self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                Some(b'{') => {
                    self.at += 1;
                    if self.has_first(b'}') {
                        open.push(Kind::Object);
                        self.string()?;
                        self.colon()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    if self.has_first(b']') {
                        open.push(Kind::List);
                        continue;
                    }
                }
                Some(_) | None => return self.fail("a value"),
            }
            // A value ended here: close what it was the last of.
            loop {
                let Some(kind) = open.last() else { return Ok(&self.text[start..self.at]) };
                match kind {
                    Kind::Object if self.has_next(b'}')? => {
                        self.string()?;
                        self.colon()?;
                        break;
                    }
                    Kind::List if self.has_next(b']')? => break,
                    Kind::Object | Kind::List => open.pop(),
                }
            }
        }
    }

    fn number(&mut self) -> Result<(), Syntax> {
        self.at += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            Some(_) | None => return self.fail("a digit"),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Syntax> {
        let count = self.text.as_bytes()[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { self.fail("a digit") }
    }

    fn word(&mut self, word: &'static str) -> Result<(), Syntax> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            self.fail(word)
        }
    }
}

/// Bytes up to the first that ends a run of plain text: a quote, a backslash, a control character. Eight at a time.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut plain = 0;
    for chunk in bytes.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        let quote = is_zero(word ^ (ONES * u64::from(b'"')));
        let backslash = is_zero(word ^ (ONES * u64::from(b'\\')));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        // A false mark can only stand above a true one, so the lowest is true.
        let marks = quote | backslash | control;
        if marks != 0 {
            return plain + (marks.trailing_zeros() / 8) as usize;
        }
        plain += 8;
    }
    let rest = bytes[plain..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    plain + rest
}

/// What is open around a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Object,
}

/// A stack of kinds, one bit each: deep nesting is cheap to hold and costs nothing where there is none.
#[derive(Default)]
struct Nesting {
    /// The newest up to 64, the last pushed lowest.
    top: u64,
    /// How many of them count.
    top_count: u32,
    below: Vec<u64>,
}

impl Nesting {
    fn push(&mut self, kind: Kind) {
        if self.top_count == u64::BITS {
            self.below.push(self.top);
            self.top_count = 0;
        }
        self.top = self.top << 1 | u64::from(kind == Kind::Object);
        self.top_count += 1;
    }

    fn last(&self) -> Option<Kind> {
        let kind = if self.top & 1 == 1 { Kind::Object } else { Kind::List };
        (self.top_count > 0).then_some(kind)
    }

    fn pop(&mut self) {
        self.top >>= 1;
        self.top_count -= 1;
        if self.top_count == 0
            && let Some(top) = self.below.pop()
        {
            self.top = top;
            self.top_count = u64::BITS;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn ours(text: &str) -> Option<&str> {
        let mut scanner = Scanner::new(text);
        let value = scanner.value().ok()?;
        scanner.end().ok().map(|()| value)
    }

    /// Pieces that JSON is made of, and some that it is not, so that many rows of them are nearly JSON.
    fn any_piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\n",
            "\"k\"",
            "\"\"",
            "\"a\\n\\u00e9\\\"\"",
            "\"\\u12\"",
            "\"\\x\"",
            "\"é…\"",
            "0",
            "-0",
            "01",
            "1.5",
            "1.",
            "-",
            "1e5",
            "1E+",
            "1e-7",
            "true",
            "false",
            "null",
            "tru",
            "nul",
            "\"\t\"",
            "\"open",
            "\u{feff}",
        ])
    }

    /// Rows in which brackets match, so that JSON is not rare.
    fn any_nearly() -> impl Strategy<Value = String> {
        let leaf = any_piece().prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
                prop::collection::vec((any_piece(), inner), 0..4).prop_map(|list| {
                    let members: Vec<_> = list.iter().map(|(key, value)| format!("{key}:{value}")).collect();
                    format!("{{{}}}", members.join(" ,"))
                }),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_verdict_is_that_of_serde_json(
            pieces in prop::collection::vec(any_piece(), 0..8),
            nearly in any_nearly(),
            wild in "[\\[\\]{},:\"0-9eE+.\\\\ tn-]{0,12}",
        ) {
            for text in [pieces.concat(), nearly, wild] {
                let theirs = serde_json::from_str::<&RawValue>(&text).ok().map(RawValue::get);
                prop_assert_eq!(ours(&text), theirs, "{:?}", text);
            }
        }

        #[test]
        fn a_run_of_plain_text_ends_where_a_plain_look_says(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let plain = bytes.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            prop_assert_eq!(plain_bytes(&bytes), plain);
        }

        #[test]
        fn nesting_is_a_stack(kinds in prop::collection::vec(any::<bool>(), 0..300)) {
            let kind = |object: bool| if object { Kind::Object } else { Kind::List };
            let mut nesting = Nesting::default();
            kinds.iter().for_each(|object| nesting.push(kind(*object)));
            for object in kinds.iter().rev() {
                prop_assert_eq!(nesting.last(), Some(kind(*object)));
                nesting.pop();
            }
            prop_assert_eq!(nesting.last(), None);
        }
    }

    #[test]
    fn near_json_is_told_from_json() {
        for good in ["0", " null ", "[[],{}]", "{\"a\":{\"b\":[1,2]}}", "\"\\ud800\"", "-0.0e+00"] {
            assert!(ours(good).is_some(), "{good}");
        }
        for bad in [
            "",
            " ",
            "[1,]",
            "{\"a\":1,}",
            "[1 2]",
            "{1:2}",
            "{\"a\" 1}",
            "[}",
            "{]",
            "+1",
            ".5",
            "00",
            "[",
            "\"",
            "\\u0022",
        ] {
            assert!(ours(bad).is_none(), "{bad}");
        }
    }
}
