//! Messages that are not what they must be, through the door that services of others use. Goal: each is acknowledged,
//! lies on the error topic with words that name the field and the cure, and stops nobody; what can be read and is out
//! of its time changes nothing. Method: a table of bytes and words, published to one running host.

use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::{Installation, instrument_address};
use serde_json::{Value, json};

fn host() -> Host {
    Host::start(Installation::with_instruments(&["one", "two"]))
}

/// A message for the first instrument; `meta` is added to it.
fn message(meta: &str, body: &str) -> Vec<u8> {
    format!("{{\"meta\":{{\"global-id\":\"x\",\"steps\":[\"test.instrument.one\"]{meta}}},\"body\":{body}}}")
        .into_bytes()
}

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

#[rustfmt::skip]
fn unreadable() -> Vec<(Vec<u8>, [&'static str; 2])> {
    const SHAPE: [&str; 2] = ["the message is not a JSON object", "send {\"meta\":{…},\"body\":…}"];
    let deep = "[".repeat(100_000);
    let steps = ",\"a.b.c\"".repeat(9_999);
    let mut not_utf8 = message("", "\"?\"");
    let place = not_utf8.len() - 3;
    not_utf8[place] = 0xff;
    vec![
        (message("", &format!("\"{}\"", "b".repeat(1 << 20))), ["the body has 1048578 bytes, the limit is 1048576", "send less, or raise the limit in saga.toml"]),
        (message(&format!(",\"a\":\"{}\"", "m".repeat(65_536)), "1"), ["the meta has", "send less, or raise the limit in saga.toml"]),
        (bytes("not json"), SHAPE),
        (bytes("[1,2,3]"), SHAPE),
        (bytes("\0"), SHAPE),
        ([b"\xef\xbb\xbf".to_vec(), message("", "1")].concat(), SHAPE),
        ([message("", "1"), b"{}".to_vec()].concat(), SHAPE),
        (message("", &deep), SHAPE),
        (message("", "NaN"), SHAPE),
        (not_utf8, ["the message is not UTF-8 at byte 66", "send JSON in UTF-8"]),
        (message(&format!(",\"failure\":{}{}", "[".repeat(20_000), "]".repeat(20_000)), "1"), ["failure is not valid", "or leave it out"]),
        (message(&format!(",\"deadline\":{}", &deep[..30_000]), "1"), ["meta is not valid", "write it as an object"]),
        (bytes(&format!("{{\"meta\":{{\"global-id\":\"x\",\"steps\":[\"test.instrument.one\"{steps}]}},\"body\":1}}")), ["steps has more than 64 steps", "split the saga, or raise the limit"]),
        (message(",\"global-id\":\"y\"", "1"), ["global-id stands in the message twice", "send it once"]),
        (message(",\"steps\":[\"test.instrument.one\"]", "1"), ["steps stands in the message twice", "send it once"]),
        (bytes("{\"meta\":{\"global-id\":\"x\",\"steps\":[]},\"body\":1}"), ["steps is not valid", "; "]),
        (bytes("{\"meta\":{\"global-id\":\"x\",\"steps\":[\"a.b\"]},\"body\":1}"), ["steps is not valid", "domain.subdomain.service"]),
        (bytes("{\"meta\":{\"global-id\":\"x\",\"steps\":[\"a.b.c\"]},\"body\":1}"), ["step test.instrument.one is not in steps", "publish to the topic of a step that is"]),
        (bytes("{\"meta\":{\"steps\":[\"test.instrument.one\"]},\"body\":1}"), ["global-id is missing", "meta needs global-id and steps"]),
        (bytes("{\"meta\":{\"global-id\":\"\\ud800\",\"steps\":[\"test.instrument.one\"]},\"body\":1}"), ["global-id is not valid", "write a text of 1 to 128 printable characters"]),
        (bytes("{\"meta\":{\"global-id\":7,\"steps\":[\"test.instrument.one\"]},\"body\":1}"), ["global-id is not valid: it is not a text", "write a text"]),
        // Numbers are left out of a group's shape, so this one and the next share a group, which shows either of them.
        (message(",\"position\":7", "1"), ["is outside the 1 steps", "write the index of the addressee, counted from 0"]),
        (message(",\"position\":1e999", "1"), ["position", "write the index of the addressee"]),
        (message(&format!(",\"position\":{}", "9".repeat(5_000)), "1"), ["is outside the 1 steps", "write the index of the addressee"]),
    ]
}

#[test]
fn what_cannot_be_read_is_put_aside_in_words_and_stops_nobody() {
    let host = host();
    let cases = unreadable();
    for (payload, words) in &cases {
        let answer = host.api.try_publish("test.instrument.one.in", "", payload);
        assert_eq!(answer.status, 202, "{words:?}: {}", answer.body);
    }
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed", "a message behind them");
    let topic = check::until("all are on the error topic", || {
        host.api.topic("test.instrument.one.error").filter(|topic| topic["messages"] == cases.len())
    });
    assert_eq!(topic["dead-letters"], cases.len(), "{topic}");
    let reasons = check::until("all are among the errors", || {
        let groups = host.api.errors();
        let of_kind: Vec<Value> = groups.into_iter().filter(|group| group["kind"] == "undecodable").collect();
        let count: u64 = of_kind.iter().filter_map(|group| group["count"].as_u64()).sum();
        let reasons =
            of_kind.iter().filter_map(|group| group["reason"].as_str().map(str::to_owned)).collect::<Vec<_>>();
        (count >= cases.len() as u64).then_some(reasons)
    });
    for (_, words) in &cases {
        let is_told = reasons.iter().any(|reason| words.iter().all(|words| reason.contains(words)));
        assert!(is_told, "{words:?} is not among {reasons:#?}");
    }
    assert!(reasons.iter().all(|reason| reason.len() <= 4096), "a reason is a screenful at most");
}

#[test]
fn what_is_empty_or_over_every_limit_is_refused_at_the_door() {
    let host = host();
    let answer = host.api.try_publish("test.instrument.one.in", "", &vec![b'x'; 2 << 20]);
    assert_eq!((answer.status, answer.body["code"].as_str()), (413, Some("too-large")), "{}", answer.body);
    let answer = host.api.try_publish("test.instrument.one.in", "", b"");
    assert_eq!((answer.status, answer.body["code"].as_str()), (400, Some("invalid-json")), "{}", answer.body);
    let answer = host.api.try_publish("saga.commands", "", b"{}");
    assert_eq!(answer.body["code"], "reserved-topic", "{}", answer.body);
    let answer = host.api.try_publish("no%20topic", "", b"{}");
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
}

#[test]
fn the_command_line_publishes_what_it_is_given_and_refuses_what_is_no_json() {
    let host = host();
    let body = String::from_utf8(message(",\"position\":9", "1")).expect("it is text");
    let ran = host.saga(&["publish", "test.instrument.one.in", "--body", &body]);
    assert_eq!(ran.status, 0, "{ran:?}");
    check::until("it is put aside", || {
        let groups = host.api.errors();
        groups
            .iter()
            .any(|group| group["reason"].as_str().is_some_and(|reason| reason.contains("position 9")))
            .then_some(())
    });
    let ran = host.saga(&["publish", "test.instrument.one.in", "--body", "{"]);
    assert_eq!(ran.status, 2, "{ran:?}");
    assert!(ran.err.contains("the body from --body is"), "{ran:?}");
}

#[test]
fn the_same_global_id_with_another_body_changes_nothing() {
    let host = host();
    let publish = |body: &str| {
        host.api.publish("test.instrument.one.in", &String::from_utf8(message("", body)).expect("text"));
    };
    publish("{\"n\":1}");
    let first = check::status(&host.api, "x", "completed");
    publish("{\"n\":2}");
    publish("{\"one\":{\"panic\":\"it ran again\"}}");
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed", "a message behind them");
    let after = host.api.saga("x");
    assert_eq!((&after["status"], &after["body"]), (&first["status"], &json!({"n": 1})), "{after:#}");
    assert_eq!(check::instrument_bucket(&host, &instrument_address("one"))["handled/x"], 1);
}

#[test]
fn an_id_of_another_message_is_not_believed() {
    let host = host();
    let other = host.api.run("play", &json!({}))["global-id"].as_str().expect("an id").to_owned();
    let meta = format!(",\"message-id\":\"{other}/handle/0\"");
    host.api.publish("test.instrument.one.in", &String::from_utf8(message(&meta, "{}")).expect("text"));
    check::status(&host.api, "x", "completed");
    let counts = check::instrument_bucket(&host, &instrument_address("one"));
    assert_eq!((&counts["handled/x"], &counts[&format!("handled/{other}")]), (&json!(1), &json!(1)));
}

#[test]
fn a_compensation_for_a_saga_that_never_was_calls_no_plugin() {
    let host = host();
    let undo = json!({"meta": {"global-id": "never", "steps": ["test.instrument.one"]}, "body": {"one-undo": {"panic": "it ran"}}});
    host.api.publish("test.instrument.one.compensate", &undo.to_string());
    let saga = check::status(&host.api, "never", "compensated");
    assert_eq!(saga["steps"][0]["compensate"]["attempts"], 0, "{saga:#}");
    assert!(!check::instrument_bucket(&host, &instrument_address("one")).contains_key("undone/never"));
}

#[test]
fn a_body_that_nests_without_measure_goes_through_the_host_to_the_step() {
    let host = host();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    host.api.publish("test.instrument.one.in", &String::from_utf8(message("", &deep)).expect("text"));
    // The step's own parser gives up; the host hands it on and shows it digit for digit.
    check::until("the step has refused it", || {
        let listed = host.api.list("step=test.instrument.one");
        listed.iter().any(|saga| saga["global-id"] == "x" && saga["status"] != "running").then_some(())
    });
    assert!(host.api.get_text("/v1/sagas/x").contains(&deep));
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
}

#[test]
fn messages_whose_key_lies_do_not_fork_a_saga() {
    let host = host();
    let publish = |id: usize, key: &str| {
        let message = json!({"meta": {"global-id": format!("k-{id}"), "steps": ["test.instrument.one"]},
            "body": {"one": {"spin-ms": 30}}});
        let answer =
            host.api.try_publish("test.instrument.one.in", &format!("?key={key}"), message.to_string().as_bytes());
        assert_eq!(answer.status, 202, "{}", answer.body);
    };
    for id in 0..10 {
        std::thread::scope(|scope| {
            scope.spawn(|| publish(id, "left"));
            scope.spawn(|| publish(id, "right"));
        });
    }
    for id in 0..10 {
        check::status(&host.api, &format!("k-{id}"), "completed");
    }
    check::until("every message was taken up", || {
        (host.api.topic("test.instrument.one.in")?["messages"] == 0).then_some(())
    });
    let counts = check::instrument_bucket(&host, &instrument_address("one"));
    let twice: Vec<usize> = (0..10).filter(|id| counts[&format!("handled/k-{id}")] != 1).collect();
    assert!(twice.is_empty(), "handled more than once: {twice:?}");
}
