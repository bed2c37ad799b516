//! What a step did not touch, byte for byte.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::splice;

/// Reads `raw` as `T`, lets `change` work on it and says what goes on.
fn step<T: DeserializeOwned + Serialize>(raw: &str, change: impl FnOnce(&mut T)) -> String {
    let mut value: T = serde_json::from_str(raw).unwrap();
    let before = serde_json::to_string(&value).unwrap();
    change(&mut value);
    splice(raw, &before, &serde_json::to_string(&value).unwrap())
}

#[derive(Serialize, Deserialize)]
struct Order {
    amount: f64,
    #[serde(default)]
    status: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    note: Option<String>,
}

#[test]
fn a_body_that_is_not_touched_keeps_every_byte() {
    let raw = " {\"z\" : 9007199254740993,\n \"amount\":12.10 ,\"a\":[1.0, 1e2],\"amount2\":0.10000000000000000001}\n";
    assert_eq!(step::<Order>(raw, |_| ()), raw);
}

#[test]
fn a_change_leaves_digits_order_and_unknown_members_alone() {
    let raw = r#"{"z":18446744073709551616123, "amount":12.10, "b":{"y":1.50,"x":null}, "status":"new", "a":-0.0}"#;
    assert_eq!(
        step::<Order>(raw, |order| order.status = "paid".into()),
        r#"{"z":18446744073709551616123, "amount":12.10, "b":{"y":1.50,"x":null}, "status":"paid", "a":-0.0}"#
    );
}

#[test]
fn a_default_that_the_type_filled_in_is_not_added() {
    let raw = r#"{"amount":1,"keep":1}"#;
    assert_eq!(step::<Order>(raw, |order| order.amount = 2.5), r#"{"amount":2.5,"keep":1}"#);
}

#[test]
fn a_new_member_follows_at_the_end() {
    let raw = "{\"amount\":1,\n\"keep\":1\n}";
    let expected = "{\"amount\":1,\n\"keep\":1,\"status\":\"s\",\"note\":\"n\"\n}";
    let got = step::<Order>(raw, |order| {
        order.status = "s".into();
        order.note = Some("n".into());
    });
    assert_eq!(got, expected);
}

#[test]
fn a_member_the_type_skips_when_empty_is_replaced_where_it_stands() {
    let raw = r#"{"note":null,"amount":1}"#;
    assert_eq!(step::<Order>(raw, |order| order.note = Some("n".into())), r#"{"note":"n","amount":1}"#);
    assert_eq!(step::<Order>(raw, |order| order.amount = 3.0), r#"{"note":null,"amount":3.0}"#);
}

#[test]
fn a_removed_member_takes_its_comma_with_it() {
    let remove = |raw: &str, key: &str| {
        step::<serde_json::Map<String, Value>>(raw, |map| {
            map.shift_remove(key);
        })
    };
    assert_eq!(remove(r#"{ "a":1, "b":2, "c":3 }"#, "a"), r#"{ "b":2, "c":3 }"#);
    assert_eq!(remove(r#"{ "a":1, "b":2, "c":3 }"#, "b"), r#"{ "a":1, "c":3 }"#);
    assert_eq!(remove(r#"{ "a":1, "b":2, "c":3 }"#, "c"), r#"{ "a":1, "b":2 }"#);
    assert_eq!(remove(r#"{"a":1}"#, "a"), "{}");
}

#[test]
fn members_are_added_to_an_empty_object() {
    let got = step::<serde_json::Map<String, Value>>("{ }", |map| {
        map.insert("a".into(), 1.into());
        map.insert("b".into(), "x".into());
    });
    assert_eq!(got, r#"{"a":1,"b":"x"}"#);
}

#[test]
fn keys_are_compared_by_what_they_say_and_written_as_they_came() {
    let raw = r#"{"\u0061mount":1.00,"caf\u00e9":1.00}"#;
    assert_eq!(step::<Order>(raw, |order| order.amount = 2.0), r#"{"\u0061mount":2.0,"caf\u00e9":1.00}"#);
}

#[test]
fn a_key_that_stands_twice_stays_twice() {
    let raw = r#"{"x":1.0,"x":2.0,"amount":1}"#;
    assert_eq!(step::<Order>(raw, |order| order.amount = 2.0), r#"{"x":1.0,"x":2.0,"amount":2.0}"#);
    let raw = r#"{"x":1.0,"x":2.0}"#;
    assert_eq!(step::<serde_json::Map<String, Value>>(raw, |map| map["x"] = 3.into()), r#"{"x":1.0,"x":3}"#);
}

#[derive(Serialize, Deserialize)]
struct Cart {
    lines: Vec<Line>,
    #[serde(default)]
    owner: Option<Owner>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    item: String,
    count: u32,
}

#[derive(Serialize, Deserialize)]
struct Owner {
    name: String,
}

const CART: &str = concat!(
    r#"{"lines":[{"item":"a","count":1,"price":1.10}, {"item":"b","count":2,"price":2.20},"#,
    r#"{"item":"c","count":3,"price":3.30}],"owner":{"vip":true,"name":"x","score":0.50}}"#,
);

#[test]
fn members_of_a_nested_object_are_kept() {
    let got = step::<Cart>(CART, |cart| cart.owner.as_mut().unwrap().name = "y".into());
    assert_eq!(got, CART.replace(r#""name":"x""#, r#""name":"y""#));
}

#[test]
fn an_element_changed_in_its_place_keeps_what_the_type_does_not_know() {
    let got = step::<Cart>(CART, |cart| cart.lines[1].count = 7);
    assert_eq!(got, CART.replace(r#""count":2"#, r#""count":7"#));
}

#[test]
fn elements_removed_added_and_moved_take_their_unknown_members_along() {
    let removed = step::<Cart>(CART, |cart| {
        cart.lines.remove(0);
    });
    assert!(
        removed.starts_with(
            r#"{"lines":[{"item":"b","count":2,"price":2.20},{"item":"c","count":3,"price":3.30}],"owner""#
        )
    );
    let moved = step::<Cart>(CART, |cart| cart.lines.reverse());
    assert!(moved.starts_with(concat!(
        r#"{"lines":[{"item":"c","count":3,"price":3.30}, {"item":"b","count":2,"price":2.20},"#,
        r#"{"item":"a","count":1,"price":1.10}]"#,
    )));
    let added = step::<Cart>(CART, |cart| cart.lines.insert(0, Line { item: "n".into(), count: 9 }));
    assert!(added.starts_with(r#"{"lines":[{"item":"n","count":9},{"item":"a","count":1,"price":1.10},"#));
}

#[test]
fn a_value_of_another_kind_is_written_as_the_step_has_it() {
    assert_eq!(step::<Value>(r#"{"a":{"b":1.0}}"#, |value| value["a"] = Value::Null), r#"{"a":null}"#);
    assert_eq!(step::<Value>(" [1.0] ", |value| *value = 1.into()), " 1 ");
}

#[test]
fn a_map_without_an_order_of_its_own_keeps_the_order_that_came() {
    let raw = r#"{"d":1,"c":2,"b":3,"a":4}"#;
    let got = step::<HashMap<String, u32>>(raw, |map| {
        map.insert("c".into(), 9);
    });
    assert_eq!(got, r#"{"d":1,"c":9,"b":3,"a":4}"#);
}

fn json(depth: u32) -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c\"\\\\,:{}\\[\\] é]{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(depth, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[a-d\"\\\\]{0,2}", inner), 0..5)
                .prop_map(|members| Value::from(members.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

/// More digits than any float holds.
const NUMBER: &str = "[1-9][0-9]{0,30}\\.[0-9]{1,20}";

proptest! {
    /// A type that knows every member: what goes on means exactly what the step handed on, whatever it did.
    #[test]
    fn what_goes_on_means_what_the_step_wrote(raw in json(4), after in json(4), is_pretty in any::<bool>()) {
        let text = if is_pretty { serde_json::to_string_pretty(&raw) } else { serde_json::to_string(&raw) }.unwrap();
        let got = splice(&text, &raw.to_string(), &after.to_string());
        prop_assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), after, "{}", got);
    }

    /// A type that knows some members: the others are there afterwards, in order, with their bytes.
    #[test]
    fn unknown_members_survive_any_change(unknown in prop::collection::vec(("u[a-z]{1,3}", NUMBER), 0..6),
                                          at in any::<prop::sample::Index>(), amount in any::<i32>()) {
        let mut parts: Vec<String> = unknown.iter().map(|(key, digits)| format!("\"{key}\":{digits}")).collect();
        parts.insert(at.index(parts.len() + 1), "\"amount\":1".into());
        let raw = format!("{{{}}}", parts.join(", "));
        let got = step::<Order>(&raw, |order| order.amount = f64::from(amount));
        let expected = raw.replace("\"amount\":1", &format!("\"amount\":{:?}", f64::from(amount)));
        if amount != 1 {
            prop_assert_eq!(got, expected);
        } else {
            prop_assert_eq!(got, raw);
        }
    }
}
