//! Which of some names was meant by one that does not exist.

/// Longest name that is compared: longer ones are no slips of the finger.
const NAME_BYTES_MAX: usize = 64;

/// The nearest name, if it is near enough for a slip: at most a third of its letters differ.
pub(super) fn nearest<'n>(written: &str, names: &[&'n str]) -> Option<&'n str> {
    if written.len() > NAME_BYTES_MAX {
        return None;
    }
    let near = |name: &&&str| distance(written, name) <= name.len().max(written.len()).div_ceil(3);
    names.iter().filter(near).min_by_key(|name| distance(written, name)).copied()
}

/// Letters to change, add, leave out, or swap with the next one.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = usize::from(!a[i - 1].eq_ignore_ascii_case(&b[j - 1]));
            let mut least = (rows[i - 1][j] + 1).min(row[j - 1] + 1).min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
        let names = ["max-attempts", "initial", "max", "timeout"];
        for (written, meant) in [
            ("max_attempts", Some("max-attempts")),
            ("intial", Some("initial")),
            ("Timeout", Some("timeout")),
            ("timoeut", Some("timeout")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, &names), meant, "{written}");
        }
        assert_eq!(nearest(&"x".repeat(1000), &names), None);
    }
}
