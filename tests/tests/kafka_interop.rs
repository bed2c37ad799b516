//! Programs of others beside a host on a real Apache Kafka. Goal: a foreign producer starts sagas, a foreign service
//! owns a step in the middle of a use case, a foreign consumer reads the journal, and a component takes the foreign
//! step's place and gives it back; each message is answered exactly once, whoever dies. Method: the programs of
//! docs/interoperation.md, in plain Java, each a process of its own; what they did is read by yet another client.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use saga_tests::check::{self, until};
use saga_tests::host::{Host, free_port};
use saga_tests::installation::{INSTRUMENT_MANIFEST, Installation, instrument_address};
use saga_tests::kafka::Cluster;
use saga_tests::kafka::foreign::{Outgoing, Record};
use saga_tests::kafka::program::{Running, run};
use saga_tests::tidy::tree::root;
use saga_tests::{api, artefacts};
use serde_json::{Value, json};

/// The use case `shop` of the examples.
const SHOP: [&str; 4] = ["shop.orders.order", STOCK, PAYMENT, "shop.orders.complete"];
const STOCK: &str = "shop.inventory.stock";
const PAYMENT: &str = "shop.billing.payment";

/// How often the foreign step is killed.
const KILLS: usize = 4;
/// Sagas that are started before a kill: more than it takes into one transaction.
const WAVE: usize = 150;
/// Waves at most. One that the foreign step had done before it could be killed is followed by another.
const WAVES_MAX: usize = 12;

fn start(prefix: &str, installation: Installation) -> Host {
    let bootstrap = Cluster::shared().bootstrap();
    let environment = [
        ("SAGA_BROKER_KIND", "kafka"),
        ("SAGA_BROKER_BOOTSTRAP", bootstrap),
        ("SAGA_BROKER_PREFIX", prefix),
        ("SAGA_BROKER_PARTITIONS", "4"),
    ];
    Host::start_with(installation, &environment)
}

/// The shop without the component that keeps its stock.
fn shop_without_stock() -> (Installation, Vec<u8>) {
    let installation = Installation::with_examples(&["shop"]);
    let component = installation.plugin_bytes(STOCK);
    installation.remove_plugin(STOCK);
    (installation, component)
}

/// The service that keeps the stock in its place. It takes the place of one that died.
fn foreign_stock(prefix: &str) -> Running {
    foreign_stock_named(prefix, "one")
}

fn foreign_stock_named(prefix: &str, id: &str) -> Running {
    Running::start("ForeignStep", &[Cluster::shared().bootstrap(), prefix, STOCK, id])
}

fn make_books(prefix: &str) {
    Cluster::shared().foreign().create(&format!("{prefix}legacy.stock"), 2);
}

fn order(item: &str, quantity: u64, amount: u64) -> Value {
    json!({"order-id": "o-1", "item": item, "quantity": quantity, "amount": amount})
}

fn start_sagas(prefix: &str, how: [&str; 2], lines: &str) -> Vec<String> {
    let arguments = [&[Cluster::shared().bootstrap(), prefix], &how[..]].concat();
    run("StartSaga", &arguments, lines).lines().map(str::to_owned).collect()
}

/// What the foreign reader prints: the journal, and the dead letters.
fn read_journal(prefix: &str) -> (Vec<Value>, Vec<Value>) {
    let printed = run("ReadJournal", &[Cluster::shared().bootstrap(), prefix], "");
    let lines = printed.lines().map(|line| serde_json::from_str(line).expect("it prints JSON"));
    lines.partition(|line: &Value| line["dead-letter"].is_null())
}

fn committed(prefix: &str, topic: &str) -> Vec<Record> {
    Cluster::shared().foreign().consume(&[&format!("{prefix}{topic}").replace('.', "\\.")])
}

/// What the foreign step booked, by saga; a release behind its reservation.
fn booked(prefix: &str) -> BTreeMap<String, Vec<i64>> {
    let mut booked: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for record in committed(prefix, "legacy.stock") {
        let booking = record.json();
        let change = booking["change"].as_i64().expect("a booking has a change");
        booked.entry(api::text(&booking, "global-id")).or_default().push(change);
    }
    booked.values_mut().for_each(|changes| changes.sort_unstable());
    booked
}

/// Every call is settled once in the journal, and every saga has come once to the step behind the foreign one.
fn assert_nothing_twice(prefix: &str) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for line in read_journal(prefix).0 {
        if ["started", "done", "rejected", "compensated", "not-run", "ended"]
            .iter()
            .any(|event| line["event"] == *event)
        {
            let settles = line["event"] != "started" && line["event"] != "ended";
            let what = if settles { "settled".to_owned() } else { api::text(&line, "event") };
            let message = if settles { api::text(&line, "message-id") } else { api::text(&line, "global-id") };
            *counts.entry(format!("{what} {message}")).or_default() += 1;
        }
    }
    for record in committed(prefix, &format!("{PAYMENT}.in")) {
        if record.header("saga-attempts").is_none() && record.header("saga-signalled").is_none() {
            let meta = &record.json()["meta"];
            *counts.entry(format!("sent to {PAYMENT} {}", api::text(meta, "global-id"))).or_default() += 1;
        }
    }
    let repeated: Vec<_> = counts.iter().filter(|(_, count)| **count != 1).take(5).collect();
    assert!(repeated.is_empty(), "more than once: {repeated:?}");
}

fn messages(host: &Host, topic: &str) -> u64 {
    host.api.topic(topic).and_then(|topic| topic["messages"].as_u64()).unwrap_or_default()
}

#[test]
fn a_foreign_producer_starts_sagas_with_the_minimal_envelope_each_of_them_once() {
    const PREFIX: &str = "interop-start.";
    let host = start(PREFIX, Installation::with_examples(&["shop"]));
    let rest = r#""item":"book","quantity":2,"amount":12.50,"gift":{"for":"you","n":1e2}"#;
    let lines = format!(
        "legacy-1 {{\"order-id\":\"a\",{rest}}}\nlegacy-2 {{\"order-id\":\"b\",{}}}\n",
        rest.replace("12.50", "2000")
    );
    let steps = SHOP.join(",");
    assert_eq!(start_sagas(PREFIX, ["envelope", &steps], &lines).len(), 2);
    let completed = check::status(&host.api, "legacy-1", "completed");
    assert_eq!(check::path(&completed), "order done, stock done, payment done, complete done");
    assert!(host.api.get_text("/v1/sagas/legacy-1").contains(&format!("{{\"order-id\":\"a\",{rest}}}")), "{completed}");
    let refused = check::status(&host.api, "legacy-2", "compensated");
    assert_eq!(check::path(&refused), "order done, stock done, payment rejected | stock done, order done");
    // A producer that is not sure sends again.
    start_sagas(PREFIX, ["envelope", &steps], &lines);
    until("both were dropped", || {
        let journal = read_journal(PREFIX).0;
        (journal.iter().filter(|line| line["event"] == "late-dropped").count() == 2).then_some(())
    });
    assert_nothing_twice(PREFIX);
    assert_eq!(host.api.list("").len(), 2);
}

#[test]
fn a_foreign_producer_starts_a_saga_with_each_body_on_a_trigger_topic() {
    const PREFIX: &str = "interop-trigger.";
    let installation = Installation::with_examples(&["shop"]);
    installation.use_case_of("triggered", &SHOP, "trigger-topic = \"orders.placed\"");
    let mut host = start(PREFIX, installation);
    until("the topic is there", || host.api.topic("orders.placed"));
    let lines = format!("{}\nno body\n{}\n", order("book", 1, 7), order("book", 2, 2000));
    let places = start_sagas(PREFIX, ["trigger", "orders.placed"], &lines);
    // A saga is named by the place of its message.
    let ids: Vec<String> = places
        .iter()
        .map(|place| format!("triggered:{}", place.strip_prefix(PREFIX).expect("our topic").replace(' ', ":")))
        .collect();
    let [first, none, last] = ids.as_slice() else { panic!("three messages: {places:?}") };
    let saga = check::status(&host.api, first, "completed");
    assert_eq!((&saga["use-case"], &saga["body"]), (&json!("triggered"), &order("book", 1, 7)));
    check::status(&host.api, last, "compensated");
    host.kill();
    host.start_again();
    let places = start_sagas(PREFIX, ["trigger", "orders.placed"], &format!("{}\n", order("book", 3, 7)));
    let id = format!("triggered:{}", places[0].strip_prefix(PREFIX).expect("our topic").replace(' ', ":"));
    check::status(&host.api, &id, "completed");
    assert_eq!(host.api.get(&format!("/v1/sagas/{}", api::escaped(none))).map(|answer| answer.status).ok(), Some(404));
    until("the list has all", || (host.api.list("").len() == 3).then_some(()));
    assert_nothing_twice(PREFIX);
}

#[test]
fn a_foreign_step_in_the_middle_passes_sagas_on_hands_them_back_and_refuses() {
    const PREFIX: &str = "interop-middle.";
    let host = start(PREFIX, shop_without_stock().0);
    make_books(PREFIX);
    let mut stock = foreign_stock(PREFIX);
    let [completes, refused_behind, refused] =
        [order("book", 2, 7), order("book", 3, 2000), order("book", 101, 7)].map(|body| host.api.start("shop", &body));

    let saga = check::status(&host.api, &completes, "completed");
    assert_eq!(check::path(&saga), "order done, stock done, payment done, complete done, notification done");
    assert_eq!(saga["body"], order("book", 2, 7));

    let saga = check::status(&host.api, &refused_behind, "compensated");
    assert_eq!(check::path(&saga), "order done, stock done, payment rejected | stock done, order done");
    assert_eq!(saga["failure"]["code"], "payment-refused", "{saga:#}");

    let saga = check::status(&host.api, &refused, "compensated");
    assert_eq!(check::path(&saga), "order done, stock rejected | order done");

    stock.assert_alive();
    let expected = [(completes.clone(), vec![-2]), (refused_behind.clone(), vec![-3, 3])];
    assert_eq!(booked(PREFIX), BTreeMap::from(expected));
    assert_nothing_twice(PREFIX);
    // The reason of the foreign refusal has come to those who undo.
    let orders = check::bucket(&host, "shop.orders.order", Some("orders"));
    let row = &orders[&format!("o-1/{refused}")];
    assert_eq!((&row["status"], &row["code"]), (&json!("rejected"), &json!("out-of-stock")), "{orders:#?}");
}

#[test]
fn what_a_foreign_step_cannot_read_is_put_aside_and_stops_nobody() {
    const PREFIX: &str = "interop-unreadable.";
    let host = start(PREFIX, shop_without_stock().0);
    make_books(PREFIX);
    let broken = ["no envelope", "{\"meta\":{\"global-id\":\"x\",\"steps\":[\"a.b.c\"]},\"body\":{}}"];
    let records = broken.map(|value| Outgoing { key: Some("k"), value, headers: &[] });
    Cluster::shared().foreign().produce(&format!("{PREFIX}{STOCK}.in"), &records);
    let _stock = foreign_stock(PREFIX);
    let id = host.api.start("shop", &order("book", 2, 7));
    check::status(&host.api, &id, "completed");
    let letters = committed(PREFIX, &format!("{STOCK}.error"));
    let values: Vec<_> = letters.iter().filter_map(|letter| letter.value.as_deref()).collect();
    assert_eq!(values, broken);
    assert_eq!(letters[1].header("reason"), Some("it is for another step"));
}

#[test]
#[expect(clippy::print_stdout, reason = "where it was killed must be known when the test fails")]
fn a_foreign_step_that_is_killed_at_any_moment_loses_nothing_and_does_nothing_twice() {
    const PREFIX: &str = "interop-killed.";
    let host = start(PREFIX, shop_without_stock().0);
    make_books(PREFIX);
    let foreign = Cluster::shared().foreign();
    foreign.create("interop-killed.watched", 1);
    foreign.produce("interop-killed.watched", &[Outgoing { key: Some("k"), value: "from here", headers: &[] }]);
    let mut following = foreign.follow(&["interop-killed\\.legacy\\.stock", "interop-killed\\.watched"]);
    // A reader that is still on its way would see the first booking when all of them are made.
    following.next("the reader is there");
    let mut expected: BTreeMap<String, (&str, Vec<i64>)> = BTreeMap::new();
    let (mut seen, mut booked_before, mut was_at_work, mut wave) = (0, 0, 0, 0);
    while was_at_work < KILLS {
        assert!(wave < WAVES_MAX, "the foreign step was met at work {was_at_work} times in {wave} waves");
        let stock = foreign_stock(PREFIX);
        let mut lines = String::new();
        for number in 0..WAVE {
            let (body, ended, changes) = match number % 5 {
                3 => (order("book", 2, 2000), "compensated", vec![-2, 2]),
                4 => (order("book", 101, 7), "compensated", vec![]),
                _ => (order("book", 1, 7), "completed", vec![-1]),
            };
            let id = format!("killed-{wave}-{number}");
            lines.push_str(&format!("{id} {body}\n"));
            expected.insert(id, (ended, changes));
        }
        start_sagas(PREFIX, ["envelope", &SHOP.join(",")], &lines);
        // It is killed after one transaction, after two, and so on, with the next one under way.
        let wanted = booked_before + 1 + was_at_work * 20;
        (seen..wanted).for_each(|_| drop(following.next("the step is at work")));
        stock.kill();
        seen = wanted;
        booked_before = committed(PREFIX, "legacy.stock").len();
        let waiting = messages(&host, &format!("{STOCK}.in"));
        println!("killed with {booked_before} bookings, when {waiting} of {} messages waited", expected.len());
        was_at_work += usize::from(waiting > 0);
        wave += 1;
    }
    // Two do the rest, each a part of it.
    let _stocks = ["one", "two"].map(|id| foreign_stock_named(PREFIX, id));
    for (id, (ended, _)) in &expected {
        check::status(&host.api, id, ended);
    }
    let bookings = expected.into_iter().map(|(id, (_, changes))| (id, changes));
    assert_eq!(booked(PREFIX), bookings.filter(|(_, changes)| !changes.is_empty()).collect());
    assert_nothing_twice(PREFIX);
}

/// Once a host has served a step, the position is not all that is done: what else is, the host has written beside it.
/// A service that read the position alone did its work again for sagas that were over.
#[test]
fn a_foreign_step_knows_what_a_host_had_done_beyond_the_position() {
    // Of forty messages the ones with odd offsets are done. Six bits a character, of which 42 has every second.
    let odd_runs = format!("saga1:r{}", ["1"; 40].join(","));
    for (prefix, text) in [("interop-bits.", "saga1:bggggggA"), ("interop-runs.", &odd_runs)] {
        let foreign = Cluster::shared().foreign();
        let (topic, group) = (format!("{prefix}{STOCK}.in"), format!("{prefix}{STOCK}"));
        make_books(prefix);
        for name in [&topic, &format!("{prefix}{STOCK}.compensate"), &format!("{prefix}far.away.next.in")] {
            foreign.create(name, 1);
        }
        let envelope = |offset: usize| {
            // What nobody can write to: the second transaction fails, again and again.
            let next = if offset == 22 { "no topic name" } else { "far.away.next" };
            let steps = ["far.away.before", STOCK, next];
            json!({"meta": {"global-id": format!("n-{offset}"), "steps": steps}, "body": order("book", 1, 7)})
                .to_string()
        };
        let envelopes: Vec<String> = (0..40).map(envelope).collect();
        let records = envelopes.iter().map(|value| Outgoing { key: Some("k"), value, headers: &[] });
        foreign.produce(&topic, &records.collect::<Vec<_>>());
        foreign.set_position(&group, &topic, 0, (0, text));
        let _stock = foreign_stock(prefix);
        let position = until("the first twenty are behind it", || {
            foreign.position(&group, &topic, 0).filter(|(offset, _)| *offset >= 20)
        });
        assert_eq!(position, (20, "saga1:bggg2".to_owned()), "what is done beyond is handed on");
        let ids: Vec<String> = booked(prefix).into_keys().collect();
        let even: BTreeSet<String> = (0..20).step_by(2).map(|offset| format!("n-{offset}")).collect();
        assert_eq!(ids, even.into_iter().collect::<Vec<_>>());
    }
}

/// What of a saga's calls the journal tells a stranger, in the words of `show`.
fn told(journal: &[Value], id: &str) -> BTreeMap<String, Value> {
    let mut calls: BTreeMap<String, Value> = BTreeMap::new();
    for line in journal.iter().filter(|line| line["global-id"] == *id) {
        let state = match api::text(line, "event").as_str() {
            "done" | "compensated" => "done",
            "rejected" => "rejected",
            "dead-lettered" => "failed",
            "retried" => "retrying",
            _ => continue,
        };
        let call = format!("{} {}", line["position"], api::text(line, "direction"));
        let (ended_at, code, reason) = (&line["at"], &line["code"], &line["reason"]);
        let told = json!({"state": state, "attempts": line["attempt"], "digest": line["digest"],
            "ended-at": ended_at, "code": code, "reason": reason});
        calls.insert(call, told);
    }
    calls
}

/// The same by `saga show`.
fn shown(saga: &Value) -> BTreeMap<String, Value> {
    let mut calls = BTreeMap::new();
    for step in saga["steps"].as_array().expect("a saga has steps") {
        for direction in ["handle", "compensate"] {
            let mut call = step[direction].clone();
            if call.is_object() && call["state"] != "not-reached" {
                call.as_object_mut().expect("an object").remove("started-at");
                calls.insert(format!("{} {direction}", step["position"]), call);
            }
        }
    }
    calls
}

fn show(host: &Host, id: &str) -> Value {
    let answer = host.saga(&["show", id, "--json"]);
    serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {} {}", answer.out, answer.err))
}

#[test]
fn a_foreign_consumer_reads_of_each_saga_what_show_says() {
    const PREFIX: &str = "interop-journal.";
    let host = start(PREFIX, Installation::with_instruments(&["one", "two"]));
    let bodies = [
        (json!({"n": 1}), "completed"),
        (json!({"two": {"retry-until": 3}}), "completed"),
        (json!({"two": {"reject": "no"}}), "compensated"),
        (json!({"two": {"panic": "it broke"}}), "failed"),
        (json!({"two": {"reject": "no"}, "one-undo": {"reject": "never"}}), "compensation-failed"),
    ];
    let ids = bodies.clone().map(|(body, _)| host.api.start("play", &body));
    let one = instrument_address("one");
    let broken = Outgoing { key: Some("k"), value: "no envelope", headers: &[] };
    let place = Cluster::shared().foreign().produce(&format!("{PREFIX}{one}.in"), &[broken])[0];
    let aside = format!("undecodable:{one}.in:{}:{}", place.0, place.1);
    for (id, (_, status)) in ids.iter().zip(&bodies) {
        check::status(&host.api, id, status);
    }
    check::status(&host.api, &aside, "failed");

    let (journal, letters) = read_journal(PREFIX);
    for id in &ids {
        let saga = show(&host, id);
        assert_eq!(told(&journal, id), shown(&saga), "{saga:#}");
        let has_ended = journal.iter().any(|line| line["global-id"] == **id && line["event"] == "ended");
        assert_eq!(has_ended, saga["ended"] == true, "{saga:#}");
    }
    let cause = |id: &str| {
        let letter = letters.iter().find(|letter| letter["global-id"] == *id);
        letter.unwrap_or_else(|| panic!("no dead letter of {id} in {letters:#?}")).clone()
    };
    assert_eq!(letters.len(), 3, "{letters:#?}");
    for (id, step) in [(&ids[3], "two"), (&ids[4], "one")] {
        let (saga, letter) = (show(&host, id), cause(id));
        assert_eq!(letter["dead-letter"], format!("{}.error", instrument_address(step)));
        for member in ["kind", "code", "reason", "address", "direction", "at"] {
            assert_eq!(letter["cause"][member], saga["failure"][member], "{member}: {letter:#} {saga:#}");
        }
        let message: Value = serde_json::from_str(letter["message"].as_str().expect("a text")).expect("an envelope");
        assert_eq!((&message["meta"]["global-id"], &message["body"]), (&json!(id), &saga["body"]));
    }
    let (saga, letter) = (show(&host, &aside), cause("k"));
    assert_eq!(letter["message"], "no envelope");
    assert_eq!(letter["cause"]["reason"], saga["failure"]["reason"], "{saga:#}");
}

/// The instrument in the place of the payment, so that a saga can be held behind the step that is swapped.
fn with_instrument_as_payment(installation: &Installation) {
    installation.manifest(PAYMENT, INSTRUMENT_MANIFEST);
    let instrument = std::fs::read(artefacts::instrument()).expect("the instrument was built");
    installation.plugin(PAYMENT, &instrument);
}

#[test]
fn a_component_takes_over_from_a_foreign_step_and_nothing_is_lost_or_doubled() {
    const PREFIX: &str = "interop-swap.";
    let (installation, component) = shop_without_stock();
    with_instrument_as_payment(&installation);
    let host = start(PREFIX, installation);
    make_books(PREFIX);
    let stock = foreign_stock(PREFIX);
    let held = |key: &str| {
        let mut body = order("pen", 2, 7);
        body["payment"] = json!({"wait": key, "reject": "no"});
        let id = host.api.start("shop", &body);
        check::status(&host.api, &id, "waiting");
        id
    };
    let (early, late) = (held("early"), held("late"));
    let before: Vec<String> = (0..5).map(|_| host.api.start("shop", &order("book", 2, 7))).collect();
    before.iter().for_each(|id| drop(check::status(&host.api, id, "completed")));

    // It ends, and nothing that it wrote is unread: nobody is at its neighbours.
    stock.terminate();
    for topic in [format!("{PAYMENT}.in"), "shop.orders.order.compensate".to_owned()] {
        until("what the foreign step wrote is taken up", || (messages(&host, &topic) == 0).then_some(()));
    }
    // Business goes on: messages wait in both directions.
    let waiting: Vec<String> = (0..20).map(|_| host.api.start("shop", &order("book", 2, 7))).collect();
    host.api.signal("early");
    until("all wait for the step", || (messages(&host, &format!("{STOCK}.in")) == 20).then_some(()));
    until("one wants to be undone", || (messages(&host, &format!("{STOCK}.compensate")) == 1).then_some(()));

    host.installation.plugin(STOCK, &component);
    waiting.iter().for_each(|id| drop(check::status(&host.api, id, "completed")));
    host.api.signal("late");
    for id in [&early, &late] {
        let saga = check::status(&host.api, id, "compensated");
        assert_eq!(check::path(&saga), "order done, stock done, payment rejected | stock done, order done");
        let undone = check::call(&saga, 1, "compensate");
        assert_eq!((&undone["attempts"], undone["digest"].is_string()), (&json!(1), true), "{saga:#}");
    }
    let expected = before.iter().chain([&early, &late]).map(|id| (id.clone(), vec![-2]));
    assert_eq!(booked(PREFIX), expected.collect(), "the foreign step did what came before, and nothing else");
    assert_nothing_twice(PREFIX);
    // The component did the rest; what the foreign step had reserved for the two, it released by the log of that one.
    let bucket = check::bucket(&host, STOCK, None);
    assert_eq!(
        bucket,
        BTreeMap::from([("stock/book", json!(999_960)), ("stock/pen", json!(4))].map(|(k, v)| (k.to_owned(), v)))
    );
}

#[test]
fn what_a_foreign_step_has_answered_is_taken_up_though_its_component_came_first() {
    const PREFIX: &str = "interop-unread.";
    let (installation, component) = shop_without_stock();
    installation.remove_plugin(PAYMENT);
    let host = start(PREFIX, installation);
    make_books(PREFIX);
    let stock = foreign_stock(PREFIX);
    let ids: Vec<String> = (0..5).map(|_| host.api.start("shop", &order("book", 2, 7))).collect();
    until("the foreign step has answered", || (messages(&host, &format!("{PAYMENT}.in")) == 5).then_some(()));
    stock.terminate();
    host.installation.plugin(STOCK, &component);
    check::serving(&host.api, STOCK);
    with_instrument_as_payment(&host.installation);
    ids.iter().for_each(|id| drop(check::status(&host.api, id, "completed")));
    assert_eq!(booked(PREFIX), ids.iter().map(|id| (id.clone(), vec![-2])).collect(), "the foreign step did it");
    let bucket = check::bucket(&host, STOCK, None);
    assert_eq!(bucket, BTreeMap::new(), "the component did nothing of it");
    assert_nothing_twice(PREFIX);
}

#[test]
fn what_says_to_come_from_a_step_that_has_the_message_is_dropped() {
    const PREFIX: &str = "interop-forged.";
    let installation = Installation::with_instruments(&["one", "two", "three"]);
    installation.use_case("play", &["one", "two", "three"], "");
    let host = start(PREFIX, installation);
    let id = host.api.start("play", &json!({"two": {"spin-ms": 4000}}));
    until("the second step has it", || {
        let at = host.api.saga(&id)["steps"][1]["address"].as_str()?.to_owned();
        let is_done = check::path(&host.api.saga(&id)).starts_with("one done");
        (at == instrument_address("two") && is_done).then_some(())
    });
    let steps: Vec<_> = ["one", "two", "three"].map(instrument_address).into();
    let forged = json!({"meta": {"global-id": id, "steps": steps, "position": 2}, "body": {"three": {"reject": "no"}}});
    let topic = format!("{PREFIX}{}.in", instrument_address("three"));
    let value = forged.to_string();
    let record = Outgoing { key: Some(&id), value: &value, headers: &[] };
    Cluster::shared().foreign().produce(&topic, &[record]);
    let saga = check::status(&host.api, &id, "completed");
    assert_eq!(check::path(&saga), "one done, two done, three done");
    let (journal, _) = read_journal(PREFIX);
    let late: Vec<_> = journal.iter().filter(|line| line["event"] == "late-dropped").collect();
    assert!(late.len() == 1 && late[0]["position"] == 2, "{journal:?}");
}

#[test]
fn a_foreign_step_takes_over_from_a_component_and_nothing_is_lost_or_doubled() {
    const PREFIX: &str = "interop-back.";
    let installation = Installation::with_examples(&["shop"]);
    with_instrument_as_payment(&installation);
    let host = start(PREFIX, installation);
    make_books(PREFIX);
    let mut body = order("pen", 2, 7);
    body["payment"] = json!({"wait": "go", "reject": "no"});
    let held = host.api.start("shop", &body);
    check::status(&host.api, &held, "waiting");
    let before: Vec<String> = (0..5).map(|_| host.api.start("shop", &order("book", 2, 7))).collect();
    before.iter().for_each(|id| drop(check::status(&host.api, id, "completed")));

    host.installation.remove_plugin(STOCK);
    until("the component is gone", || host.api.plugin(STOCK).is_none().then_some(()));
    let waiting: Vec<String> = (0..5).map(|_| host.api.start("shop", &order("book", 2, 7))).collect();
    host.api.signal("go");
    until("all wait for the step", || (messages(&host, &format!("{STOCK}.in")) == 5).then_some(()));

    let _stock = foreign_stock(PREFIX);
    waiting.iter().for_each(|id| drop(check::status(&host.api, id, "completed")));
    check::status(&host.api, &held, "compensated");
    let expected = waiting.iter().map(|id| (id.clone(), vec![-2])).chain([(held.clone(), vec![2])]);
    assert_eq!(booked(PREFIX), expected.collect());
    assert_nothing_twice(PREFIX);
}

#[test]
fn the_page_about_migrating_can_be_followed() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["scripts", "tests"] {
        std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).expect("the folder is ours");
    }
    let page = std::fs::read_to_string(root().join("docs").join("migrating.md")).expect("the page is there");
    let script = script_of(&page);
    // The cluster is the one of these tests, which ends with them.
    let own_cluster = |script: String, line: &str| {
        assert!(script.contains(line), "the page does not say {line}");
        script.replace(line, "")
    };
    let script = own_cluster(script, "bootstrap=$(scripts/kafka start --dir shop-kafka)");
    let script = own_cluster(script, "scripts/kafka stop --dir shop-kafka --remove");
    let port = free_port();
    let bin = artefacts::saga().parent().expect("the program lies in a folder").to_owned();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path))).expect("plain folders");
    let ran = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", artefacts::target_dir())
        .env("SAGA_LISTEN", format!("127.0.0.1:{port}"))
        .env("SAGA_HOST", format!("http://127.0.0.1:{port}"))
        .env("bootstrap", Cluster::shared().bootstrap())
        .stdin(Stdio::null())
        .output()
        .expect("bash can be started");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    for (id, status) in [
        ("one-1", "completed"),
        ("one-2", "compensated"),
        ("two-1", "completed"),
        ("two-2", "compensated"),
        ("three-2", "compensated"),
        ("four-1", "completed"),
    ] {
        assert!(out.contains(&format!("{id}  {status}")), "{id} is not {status}:\n{out}\n{err}");
    }
    assert_nothing_twice("saga-demo.");
}

/// The page as a script: commands as they stand, and the definitions written to the file that the text names.
fn script_of(page: &str) -> String {
    let mut script = "set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n".to_owned();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match kind {
            "sh" => script.push_str(&format!("{}\n", block.join("\n"))),
            "toml" => script.push_str(&format!("cat >shop/use-cases/sell.toml <<'END'\n{}\nEND\n", block.join("\n"))),
            other => panic!("a block of {other}"),
        }
    }
    script
}

#[test]
fn the_page_about_interoperation_shows_lines_of_the_programs() {
    let java = |name: &str| root().join("tests").join("foreign").join("java").join(format!("{name}.java"));
    let programs = ["StartSaga", "ForeignStep", "ReadJournal"].map(|name| {
        let text = std::fs::read_to_string(java(name)).expect("the program is there");
        text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>()
    });
    let page = std::fs::read_to_string(root().join("docs").join("interoperation.md")).expect("the page is there");
    let blocks: Vec<&str> = page.split("```java\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 5, "the essential lines are shown");
    for block in blocks {
        let block: Vec<&str> = block.lines().map(str::trim).collect();
        let is_in = |program: &Vec<String>| program.windows(block.len()).any(|lines| lines == block.as_slice());
        assert!(programs.iter().any(is_in), "no program has these lines:\n{}", block.join("\n"));
    }
}
