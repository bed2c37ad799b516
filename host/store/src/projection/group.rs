//! Which sagas stand for the same cause: a stable id made of where, what, and the reason without what differs from saga
//! to saga.

use std::fmt;

use host_core::envelope::UseCaseRef;
use host_core::id::{Direction, StepAddress, UseCaseName};
use host_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::summary::{Summary, Trouble};

/// Identity of an error group: 16 hexadecimal digits, the same for the same cause on every host and after a restart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(String);

/// Characters of a reason that tell groups apart: two causes that agree so far are one for an operator.
const REASON_CHARACTERS_MAX: usize = 256;

impl GroupId {
    /// A text that may be a group id; asking for one that never was finds nothing.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn of(number: u64) -> Self {
        Self(format!("{number:016x}"))
    }

    pub(super) fn number(&self) -> Option<u64> {
        let is_hex = self.0.len() == 16 && self.0.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then(|| u64::from_str_radix(&self.0, 16).ok()).flatten()
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Summary {
    /// The error group this saga is in now.
    pub fn group(&self) -> Option<GroupId> {
        self.error().map(|trouble| GroupId::of(number(self.use_case.as_ref(), trouble)))
    }
}

pub(super) fn number(use_case: Option<&UseCaseRef>, trouble: &Trouble) -> u64 {
    let mut hash = Fnv::default();
    hash.part(use_case.map_or("", |use_case| use_case.name.as_str()).as_bytes());
    hash.part(trouble.address.as_str().as_bytes());
    hash.part(trouble.direction.as_str().as_bytes());
    hash.part(trouble.kind.as_bytes());
    hash.part(trouble.code.as_bytes());
    hash.part(normalised(&trouble.reason).as_bytes());
    hash.finish()
}

/// A reason without quoted words and without words that hold a digit: ids, amounts, times, addresses.
fn normalised(reason: &str) -> String {
    let mut out = String::new();
    let mut rest = reason.chars().take(REASON_CHARACTERS_MAX).peekable();
    let mut word = String::new();
    let mut before = ' ';
    while let Some(character) = rest.next() {
        let in_word = character.is_alphanumeric() || matches!(character, '-' | '_');
        if in_word {
            word.push(character);
        } else {
            push_word(&mut out, &mut word);
            // An apostrophe inside a word opens nothing.
            if matches!(character, '"' | '\'' | '`') && !before.is_alphanumeric() {
                out.push('?');
                while rest.next_if(|next| *next != character).is_some() {}
                rest.next();
            } else {
                out.push(character);
            }
        }
        before = character;
    }
    push_word(&mut out, &mut word);
    out
}

fn push_word(out: &mut String, word: &mut String) {
    if word.chars().any(|character| character.is_ascii_digit()) {
        out.push('#');
    } else {
        out.push_str(word);
    }
    word.clear();
}

/// What is stored of a group; its members are rows of the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) use_case: Option<UseCaseName>,
    pub(super) step: StepAddress,
    pub(super) direction: Direction,
    pub(super) kind: String,
    pub(super) code: String,
    pub(super) reason: String,
    pub(super) count: u64,
    pub(super) last_at: Timestamp,
}

impl Group {
    pub(super) fn new(use_case: Option<&UseCaseRef>, trouble: &Trouble) -> Self {
        Self {
            use_case: use_case.map(|use_case| use_case.name.clone()),
            step: trouble.address.clone(),
            direction: trouble.direction,
            kind: trouble.kind.clone(),
            code: trouble.code.clone(),
            reason: trouble.reason.clone(),
            count: 0,
            last_at: trouble.at,
        }
    }
}

/// FNV-1a over parts: stable on every machine and in every version, which the standard hasher does not promise.
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Take in one part; the end of a part counts, so that parts cannot run into each other.
    pub(super) fn part(&mut self, bytes: &[u8]) {
        for &byte in bytes.iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(super) fn finish(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_ids_numbers_and_quoted_words_are_one() {
        for (left, right) in [
            ("order 17 is gone", "order 18 is gone"),
            ("customer 'ann' unknown", "customer 'bob' unknown"),
            ("no answer from 10.0.0.1:80 after 3s", "no answer from 10.0.0.2:80 after 5s"),
            ("saga 0198c7e2-aa11-7bcd-9f00-1234567890ab", "saga 0198c7e2-bb22-7bcd-9f00-abcdefabcdef"),
        ] {
            assert_eq!(normalised(left), normalised(right));
        }
        for (left, right) in
            [("stock is gone", "stock is reserved"), ("can't write", "can't read"), ("", "x"), ("a b", "ab")]
        {
            assert_ne!(normalised(left), normalised(right));
        }
        assert_eq!(normalised("it can't open \"x\" of y"), "it can't open ? of y");
        assert_eq!(normalised("an open 'quote"), "an open ?");
    }

    #[test]
    fn a_group_id_reads_what_it_writes_and_refuses_the_rest() {
        assert_eq!(GroupId::of(77).number(), Some(77));
        assert_eq!(GroupId::new("+00000000000004d").number(), None);
        for bad in ["", "zz", "00000000000000000", "é000000000000000"] {
            assert_eq!(GroupId::new(bad).number(), None, "{bad}");
        }
    }
}
