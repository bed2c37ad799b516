//! Small changes to an input, in the manner of libFuzzer, for runs without it: a test that is to end in seconds on a
//! stable compiler cannot be led by coverage, but it can stay close to inputs that are nearly right.

use fastrand::Rng;

/// Inputs do not grow past this, so that a run stays quick.
const BYTES_MAX: usize = 16 << 10;
/// What often stands at the border of something.
const WORDS: [&[u8]; 26] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b",",
    b":",
    b"null",
    b"\\u0000",
    b"\\ud800",
    b"\\",
    b"\xff",
    b"\0",
    b"-1",
    b"1e400",
    b"18446744073709551616",
    b"global-id",
    b"steps",
    b"position",
    b"compensation-log",
    b"failure",
    b"\n[retry]\n",
    b"= ",
    b"\"2562047788015215h\"",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"2026-11-22T18:00:00.000Z",
];

/// One to four changes; now and then with a piece of another input.
pub fn mutated(rng: &mut Rng, input: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = input[..input.len().min(BYTES_MAX)].to_vec();
    for _ in 0..rng.usize(1..=4) {
        let at = rng.usize(0..=bytes.len());
        match rng.u8(0..9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(0..8),
            1 if at < bytes.len() => bytes[at] = rng.u8(..),
            2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(if rng.bool() { 1 } else { 255 }),
            3 => drop(bytes.drain(at..(at + rng.usize(0..16)).min(bytes.len()))),
            4 => bytes.truncate(at),
            5 => insert(&mut bytes, at, rng.choice(WORDS).unwrap_or_default()),
            6 => {
                let piece = piece(rng, &bytes).to_vec();
                insert(&mut bytes, at, &piece);
            }
            7 => {
                let piece = piece(rng, other).to_vec();
                insert(&mut bytes, at, &piece);
            }
            _ => insert(&mut bytes, at, &[rng.u8(..)]),
        }
    }
    bytes.truncate(BYTES_MAX);
    bytes
}

fn piece<'a>(rng: &mut Rng, bytes: &'a [u8]) -> &'a [u8] {
    let from = rng.usize(0..=bytes.len());
    let to = rng.usize(from..=bytes.len().min(from + 200));
    &bytes[from..to]
}

fn insert(bytes: &mut Vec<u8>, at: usize, piece: &[u8]) {
    bytes.splice(at..at, piece.iter().copied());
}
