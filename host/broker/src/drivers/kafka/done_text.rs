//! The text beside a group's position: which offsets from the position on are done. Runs where few, a bit an offset
//! where many; the shorter of the two.

use std::collections::BTreeSet;

/// The text begins with this, the version, and the letter of what follows.
const RUNS: &str = "saga1:r";
const BITS: &str = "saga1:b";

/// The base in which runs are written.
const BASE: u32 = 36;

/// Six bits a character.
const ALPHABET: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
const BITS_A_CHARACTER: usize = 6;

/// Runs are only tried up to here: beyond it bits are shorter or the text would be too long for a broker.
const RUNS_BYTES_MAX: usize = 1024;

/// More than any host writes: what claims more is no text of ours.
const OFFSETS_MAX: u64 = 1 << 24;

/// Write which offsets are done, from the position on, which itself is not. Nothing if none is.
pub(super) fn write(done: impl Iterator<Item = bool> + Clone) -> String {
    if !done.clone().any(|is_done| is_done) {
        return String::new();
    }
    runs(done.clone()).unwrap_or_else(|| bits(done))
}

/// Lengths of runs, the first of what is not done, the last of what is; none if there are too many.
fn runs(done: impl Iterator<Item = bool>) -> Option<String> {
    let mut text = RUNS.to_owned();
    let (mut length, mut of_done) = (0u64, false);
    for is_done in done {
        if is_done != of_done {
            push_number(&mut text, length);
            text.push(',');
            if text.len() > RUNS_BYTES_MAX {
                return None;
            }
            (length, of_done) = (0, is_done);
        }
        length += 1;
    }
    if of_done {
        push_number(&mut text, length);
    } else {
        // The comma behind the last run of what is done.
        text.pop();
    }
    Some(text)
}

fn push_number(text: &mut String, number: u64) {
    let mut digits = Vec::with_capacity(13);
    let mut rest = number;
    loop {
        let digit = u32::try_from(rest % u64::from(BASE)).expect("a digit is below the base");
        digits.push(char::from_digit(digit, BASE).expect("a digit is below the base"));
        rest /= u64::from(BASE);
        if rest == 0 {
            break;
        }
    }
    text.extend(digits.iter().rev());
}

fn bits(done: impl Iterator<Item = bool>) -> String {
    let mut text = BITS.to_owned();
    let (mut group, mut count) = (0usize, 0);
    for is_done in done {
        group |= usize::from(is_done) << count;
        count += 1;
        if count == BITS_A_CHARACTER {
            text.push(char::from(ALPHABET[group]));
            (group, count) = (0, 0);
        }
    }
    if count > 0 {
        text.push(char::from(ALPHABET[group]));
    }
    text.truncate(text.trim_end_matches('0').len());
    text
}

/// The offsets that a text says are done. None if it is not ours.
pub(super) fn read(position: u64, text: &str) -> Option<BTreeSet<u64>> {
    if text.is_empty() {
        return Some(BTreeSet::new());
    }
    let done = match (text.strip_prefix(RUNS), text.strip_prefix(BITS)) {
        (Some(runs), _) => read_runs(position, runs)?,
        (None, Some(bits)) => read_bits(position, bits)?,
        (None, None) => return None,
    };
    // The position itself is the first that is not done, and a text is written only where something is.
    (!done.is_empty() && !done.contains(&position)).then_some(done)
}

fn read_runs(position: u64, text: &str) -> Option<BTreeSet<u64>> {
    let mut done = BTreeSet::new();
    let (mut at, mut of_done) = (position, false);
    for number in text.split(',') {
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let length = u64::from_str_radix(number, BASE).ok().filter(|&length| is_number && length > 0)?;
        let end = at.checked_add(length).filter(|end| end - position <= OFFSETS_MAX)?;
        if of_done {
            done.extend(at..end);
        }
        (at, of_done) = (end, !of_done);
    }
    Some(done)
}

fn read_bits(position: u64, text: &str) -> Option<BTreeSet<u64>> {
    let mut done = BTreeSet::new();
    for (index, byte) in text.bytes().enumerate() {
        let group = ALPHABET.iter().position(|&other| other == byte)?;
        let base = position.checked_add(u64::try_from(index * BITS_A_CHARACTER).ok()?)?;
        for bit in 0..BITS_A_CHARACTER as u64 {
            if group >> bit & 1 == 1 {
                done.insert(base.checked_add(bit)?);
            }
        }
    }
    Some(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(done: &[u64], length: u64) -> String {
        write((0..length).map(|offset| done.contains(&offset)))
    }

    #[test]
    fn few_runs_are_written_as_numbers() {
        assert_eq!(text(&[], 10), "");
        assert_eq!(text(&[1], 10), "saga1:r1,1");
        assert_eq!(text(&[1, 2, 5], 6), "saga1:r1,2,2,1");
        let long: Vec<u64> = (40..100).collect();
        assert_eq!(text(&long, 200), "saga1:r14,1o");
    }

    #[test]
    fn what_is_written_is_read() {
        let mut random = fastrand::Rng::with_seed(3);
        for length in [1, 5, 6, 7, 100, 5000, 16_384] {
            for density in [1, 2, 50] {
                let done: BTreeSet<u64> = (1..length).filter(|_| random.u8(0..=density) == 0).collect();
                let text = write((0..length).map(|offset| done.contains(&offset)));
                assert!(text.len() < 3000, "{length} {density}: {}", text.len());
                let back = read(1000, &text).expect("it was just written");
                assert_eq!(back, done.iter().map(|offset| offset + 1000).collect(), "{text}");
            }
        }
    }

    #[test]
    fn a_text_that_is_not_ours_is_refused() {
        let wrong = ["x", "saga2:r1,1", "saga1:", "saga1:r", "saga1:r0,1", "saga1:r1,", "saga1:r1,0", "saga1:r-1,1"];
        for text in
            wrong.into_iter().chain(["saga1:rü", "saga1:r1", "saga1:b", "saga1:b1", "saga1:b ", "saga1:r1,zzzzzz"])
        {
            assert_eq!(read(10, text), None, "{text}");
        }
        assert_eq!(read(u64::MAX, "saga1:r1,1"), None);
        assert_eq!(read(u64::MAX, "saga1:b2"), None);
    }
}
