//! Owns the promise "what a step did not touch goes on as it came": writes what a step changed into the text that
//! arrived and leaves every other byte alone. Knows JSON texts only, nothing of steps.
//! Invariant: all three texts have been read or written by `serde_json`, so they are valid JSON.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// The body that goes on. `raw` is the text that arrived, `before` what the step's type made of it (written back
/// at once), `after` what the step hands on. Where `before` and `after` agree, the step changed nothing, and the
/// bytes of `raw` stay: digits, key order, unknown members, spaces.
pub(crate) fn splice(raw: &str, before: &str, after: &str) -> String {
    let mut out = String::with_capacity(raw.len() + after.len() / 4);
    merge(&mut out, raw, before, after);
    out
}

fn merge(out: &mut String, raw: &str, before: &str, after: &str) {
    if before == after {
        out.push_str(raw);
        return;
    }
    let value = value_at(raw, 0);
    out.push_str(&raw[..value.start]);
    match (kind(&raw[value.clone()]), kind(before), kind(after)) {
        (Kind::Object, Kind::Object, Kind::Object) => merge_objects(out, &raw[value.clone()], before, after),
        (Kind::Array, Kind::Array, Kind::Array) => merge_arrays(out, &raw[value.clone()], before, after),
        (Kind::Object | Kind::Array | Kind::Scalar, _, _) => out.push_str(after),
    }
    out.push_str(&raw[value.end..]);
}

/// Members keep their place. Gone is what the type knew and no longer writes; new members follow at the end.
fn merge_objects(out: &mut String, raw: &str, before: &str, after: &str) {
    let raw_members = members(raw);
    let before_members = members(before);
    let after_members = members(after);
    let (old, new, last) = (places(&before_members), places(&after_members), places(&raw_members));
    let old = |key: &str| old.get(key).map(|place| before_members[*place].value(before));
    let new = |key: &str| new.get(key).map(|place| after_members[*place].value(after));

    let mut is_first = true;
    out.push_str(&raw[..raw_members.first().map_or(1, |m| m.start)]);
    for (index, member) in raw_members.iter().enumerate() {
        let key = member.key.as_ref();
        let (was, is) = (old(key), new(key));
        if was.is_some() && is.is_none() {
            continue;
        }
        if !is_first {
            out.push_str(&raw[raw_members[index - 1].value.end..member.start]);
        }
        is_first = false;
        out.push_str(&raw[member.start..member.value.start]);
        match (was, is) {
            _ if last.get(key) != Some(&index) => out.push_str(member.value(raw)),
            (Some(was), Some(is)) => merge(out, member.value(raw), was, is),
            (None, Some(is)) => out.push_str(is),
            (_, None) => out.push_str(member.value(raw)),
        }
    }
    for member in &after_members {
        let key = member.key.as_ref();
        // What the type filled in by itself (a default) is no change of the step's.
        if last.contains_key(key) || old(key) == new(key) {
            continue;
        }
        if !is_first {
            out.push(',');
        }
        is_first = false;
        out.push_str(&after[member.start..member.value.end]);
    }
    out.push_str(&raw[raw_members.last().map_or(raw.len() - 1, |m| m.value.end)..]);
}

/// Where each text stands. A sorted map: std's hashed ones would call the host for a seed. One kind for every use, and
/// filled one by one: each more is code that every step carries and every host compiles.
type Places<'a> = BTreeMap<&'a str, usize>;

/// A key that stands twice: the last one counts, as it does for every reader that accepts it at all.
fn places<'a>(members: &'a [Member<'_>]) -> Places<'a> {
    let mut places = Places::new();
    for (place, member) in members.iter().enumerate() {
        places.insert(&member.key, place);
    }
    places
}

/// Elements have no names, so each new one is paired with the old one it most likely is: the same text at the same
/// place, then the same text elsewhere, then (as many as before) the one at the same place. Unpaired ones are written
/// as the type has them.
fn merge_arrays(out: &mut String, raw: &str, before: &str, after: &str) {
    let (raws, olds, news) = (elements(raw), elements(before), elements(after));
    if raws.len() != olds.len() {
        out.push_str(after);
        return;
    }
    let partners = pair(&texts(before, &olds), &texts(after, &news));
    let keeps_layout = raws.len() == news.len() && !raws.is_empty();
    out.push_str(if keeps_layout { &raw[..raws[0].start] } else { "[" });
    for (index, new) in news.iter().enumerate() {
        if index > 0 {
            out.push_str(if keeps_layout { &raw[raws[index - 1].end..raws[index].start] } else { "," });
        }
        match partners[index] {
            Some(old) => merge(out, &raw[raws[old].clone()], &before[olds[old].clone()], &after[new.clone()]),
            None => out.push_str(&after[new.clone()]),
        }
    }
    out.push_str(if keeps_layout { &raw[raws[raws.len() - 1].end..] } else { "]" });
}

/// For each new element the index of the old one it stands for.
fn pair(olds: &[&str], news: &[&str]) -> Vec<Option<usize>> {
    let mut partners: Vec<Option<usize>> = vec![None; news.len()];
    let mut taken = vec![false; olds.len()];
    for index in 0..olds.len().min(news.len()) {
        if olds[index] == news[index] {
            partners[index] = Some(index);
            taken[index] = true;
        }
    }
    // The first free one of each text, and after each free one the next of the same text.
    let mut free = Places::new();
    let mut next: Vec<Option<usize>> = vec![None; olds.len()];
    for (index, old) in olds.iter().enumerate().rev().filter(|(index, _)| !taken[*index]) {
        next[index] = free.insert(old, index);
    }
    for (index, new) in news.iter().enumerate() {
        if partners[index].is_none()
            && let Some(first) = free.get_mut(new).filter(|first| !taken[**first])
        {
            partners[index] = Some(*first);
            taken[*first] = true;
            *first = next[*first].unwrap_or(*first);
        }
    }
    if olds.len() == news.len() {
        for index in 0..news.len() {
            if partners[index].is_none() && !taken[index] {
                partners[index] = Some(index);
            }
        }
    }
    partners
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    Array,
    Scalar,
}

fn kind(value: &str) -> Kind {
    match value.as_bytes().first() {
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(_) | None => Kind::Scalar,
    }
}

/// One `"key": value`; `start` is where the key's quote stands.
struct Member<'a> {
    start: usize,
    key: Cow<'a, str>,
    value: Range<usize>,
}

impl Member<'_> {
    fn value<'t>(&self, text: &'t str) -> &'t str {
        &text[self.value.clone()]
    }
}

fn members(object: &str) -> Vec<Member<'_>> {
    let mut found = Vec::new();
    let mut at = skip_spaces(object, 1);
    while object.as_bytes().get(at) == Some(&b'"') {
        let key_end = string_end(object, at);
        let colon = skip_spaces(object, key_end);
        let value = value_at(object, colon + 1);
        let comma = skip_spaces(object, value.end);
        found.push(Member { start: at, key: unquote(&object[at..key_end]), value });
        at = skip_spaces(object, comma + 1);
    }
    found
}

fn elements(array: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = skip_spaces(array, 1);
    while at < array.len() && array.as_bytes()[at] != b']' {
        let value = value_at(array, at);
        let comma = skip_spaces(array, value.end);
        found.push(value);
        at = skip_spaces(array, comma + 1);
    }
    found
}

fn texts<'t>(text: &'t str, ranges: &[Range<usize>]) -> Vec<&'t str> {
    ranges.iter().map(|range| &text[range.clone()]).collect()
}

fn unquote(quoted: &str) -> Cow<'_, str> {
    let inner = &quoted[1..quoted.len() - 1];
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    Cow::Owned(serde_json::from_str(quoted).unwrap_or_else(|_| inner.to_owned()))
}

fn skip_spaces(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from;
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// The end of the string whose opening quote stands at `from`.
fn string_end(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The first value at or after `from`, without the spaces around it.
fn value_at(text: &str, from: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let start = skip_spaces(text, from);
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = string_end(text, at);
                if depth == 0 {
                    return start..at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => break,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return start..at + 1;
                }
            }
            b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => break,
            _ => {}
        }
        at += 1;
    }
    start..at
}

#[cfg(test)]
mod tests;
