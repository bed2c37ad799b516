//! Tests of the reader: every type with its refusals, and that nothing hides behind the first mistake.

use super::*;

fn mistakes(text: &str, visit: impl FnOnce(&mut Table<'_>)) -> Vec<String> {
    let read = read("f.toml", text, |table| {
        visit(table);
        Some(())
    });
    read.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn every_mistake_of_a_file_is_reported_in_its_order() {
    let text = "b = 1\n\n[c]\nd = true\nf = \"1 parsec\"\n[typo]\n";
    let found = mistakes(text, |table| {
        table.demand("a", "write a");
        assert_eq!(table.text("a"), None);
        assert_eq!(table.text("b"), None);
        table.within("c", |table| {
            assert_eq!(table.whole("d", 1..=2), None);
            assert_eq!(table.span("f", Duration::ZERO..=Duration::MAX), None);
        });
        table.within("type", |table| assert_eq!(table.boolean("x"), None));
    });
    assert_eq!(
        found,
        [
            "f.toml: a: it is missing; write a",
            "f.toml:1: b: it is a whole number; write a text in quotes",
            "f.toml:4: c.d: it is true or false; write a whole number",
            "f.toml:5: c.f: \"1 parsec\" is not a duration; write it like \"250ms\", \"5s\" or \"2h\"; \
             use the units ms, s, m, h and d",
            "f.toml:6: typo: there is no such key; did you mean type?",
        ]
    );
}

#[test]
fn a_text_that_is_no_toml_is_refused_with_its_line() {
    for (text, line) in [("a = \n", 1), ("a = 1\na = 2\n", 2), ("x = 1\n[t\ny = 1\n", 2), ("a = \"\u{1}\"", 1)] {
        let found = read("f.toml", text, |_| Some(())).expect_err("no TOML");
        assert_eq!(found[0].line, Some(line), "{text:?}: {}", found[0]);
        assert_eq!(found[0].file, "f.toml");
    }
}

#[test]
fn values_are_read_with_their_types() {
    let text =
        "t = 'x'\nn = 0x10\nb = true\ns = '1m 30s'\nm = '3MiB'\nk = 77\nl = ['a', 'b']\nu = 'all'\nv = 3\nw = 'on'";
    let read = read("f.toml", text, |table| {
        let everything = 0..=u64::MAX;
        assert_eq!(table.text("t").expect("text").value, "x");
        assert_eq!(table.whole("n", everything.clone()).expect("number").value, 16);
        assert_eq!(table.boolean("b"), Some(true));
        assert_eq!(table.span("s", Duration::ZERO..=Duration::MAX).expect("span").value, Duration::from_secs(90));
        assert_eq!(table.bytes("m", everything.clone()).expect("size").value, 3 << 20);
        assert_eq!(table.bytes("k", everything.clone()).expect("size").value, 77);
        let words = table.list("l", 2, Repeats::Refused, "", |text| Ok::<_, FileError>(text.to_owned()));
        assert_eq!(words.expect("list").value, ["a", "b"]);
        assert_eq!(table.whole_or("u", everything.clone(), Some, ("all", None)), Some(None));
        assert_eq!(table.whole_or("v", everything, Some, ("all", None)), Some(Some(3)));
        assert_eq!(table.word("w", &[("off", 0), ("on", 1)]), Some(1));
        Some(())
    });
    assert_eq!(read, Ok(()));
}

#[test]
fn bounds_and_forms_are_kept() {
    let text = "n = 3\nneg = -1\ns = '2h'\nm = '9KiB'\nx = '9 bushels'\nl = ['a', 'a', 1]\n\
        long = ['a', 'b']\nw = 'maybe'\nu = 'none'";
    let found = mistakes(text, |table| {
        let hour = Duration::from_secs(3600);
        table.whole("n", 1..=2);
        table.whole("neg", 1..=2);
        table.span("s", Duration::ZERO..=hour);
        table.bytes("m", 1..=1024);
        table.bytes("x", 1..=1024);
        table.list("l", 9, Repeats::Refused, "", |text| Ok::<_, FileError>(text.to_owned()));
        table.list("long", 1, Repeats::Allowed, "", |text| Ok::<_, FileError>(text.to_owned()));
        table.word("w", &[("off", 0), ("on", 1)]);
        table.whole_or("u", 1..=2, Some, ("all", None));
    });
    assert_eq!(
        found,
        [
            "f.toml:1: n: 3 is out of bounds; write a whole number from 1 to 2",
            "f.toml:2: neg: -1 is out of bounds; write a whole number from 1 to 2",
            "f.toml:3: s: 2h is out of bounds; write a time from 0s to 1h",
            "f.toml:4: m: 9216 bytes is out of bounds; write a size from 1 to 1024 bytes",
            "f.toml:5: x: it is not a size; write it like \"64KiB\", \"1MiB\" or as a number of bytes",
            "f.toml:6: l: it stands in the list twice; name it once",
            "f.toml:6: l: it is a whole number; write a text in quotes",
            "f.toml:7: long: it has 2 entries; write at most 1",
            "f.toml:8: w: \"maybe\" is none of its words; write \"off\" or \"on\"",
            "f.toml:9: u: \"none\" is not one; write a whole number from 1 to 2, or \"all\"",
        ]
    );
}

#[test]
fn deep_nesting_is_refused_and_does_not_recurse() {
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read("f.toml", &deep, |_| Some(())).is_err());
}
