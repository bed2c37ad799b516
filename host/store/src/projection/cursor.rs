//! Cursors: where a page ended, as a text that only this room can make and read. Invariant: a cursor is good for the
//! same question only; any other text is refused.

use super::group::Fnv;
use crate::Error;

/// The text for a place within a question.
pub(super) fn encode(question: u64, place: &[u8]) -> String {
    let check = check(question, place).to_be_bytes();
    check.iter().chain(place).map(|byte| format!("{byte:02x}")).collect()
}

/// The place back.
pub(super) fn decode(question: u64, text: &str) -> Result<Vec<u8>, Error> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    let bytes = bytes.filter(|_| rest.is_empty()).ok_or(Error::Cursor)?;
    let (stated, place) = bytes.split_first_chunk::<8>().ok_or(Error::Cursor)?;
    if u64::from_be_bytes(*stated) != check(question, place) {
        return Err(Error::Cursor);
    }
    Ok(place.to_vec())
}

/// A number for what was asked, without the cursor and the size of the page.
pub(super) fn question(parts: &[Option<&str>]) -> u64 {
    let mut hash = Fnv::default();
    for part in parts {
        hash.part(if part.is_some() { b"1" } else { b"0" });
        hash.part(part.unwrap_or_default().as_bytes());
    }
    hash.finish()
}

fn check(question: u64, place: &[u8]) -> u64 {
    let mut hash = Fnv::default();
    hash.part(&question.to_be_bytes());
    hash.part(place);
    hash.finish()
}

fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_question_only() {
        let asked = question(&[Some("running"), None]);
        let cursor = encode(asked, b"place");
        assert_eq!(decode(asked, &cursor).expect("our own cursor"), b"place");
        assert!(decode(question(&[None, Some("running")]), &cursor).is_err());
        let changed = cursor.replacen(&cursor[..1], if cursor.starts_with('0') { "1" } else { "0" }, 1);
        for bad in
            ["", "0", "zz", "é", &cursor[..16], &cursor[2..], &changed, &cursor.to_uppercase(), &format!("{cursor}00")]
        {
            assert!(decode(asked, bad).is_err(), "{bad}");
        }
    }
}
