//! Several hosts on one set of topics. Goal: they share the work, any of them answers and acts for all, and whichever
//! dies, what it had in its hands is done by the others, once. Method: hosts as processes against a real cluster, asked
//! and signalled at one of them for what happens at another; then Apache's own client reads what is committed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use saga_tests::api::Api;
use saga_tests::check::{self, until};
use saga_tests::crowd::Ends;
use saga_tests::host::{Host, run_saga};
use saga_tests::installation::{Installation, instrument_address};
use saga_tests::kafka::Cluster;
use saga_tests::kafka::judge::judge;
use serde_json::{Value, json};

/// For how long hosts and nodes are disturbed; more with SAGA_TEST_SECONDS.
const SECONDS: u64 = 60;

/// The shortest session that a broker allows.
const SESSION: Duration = Duration::from_secs(6);

const STEPS: [&str; 3] = ["one", "two", "three"];

fn environment<'a>(bootstrap: &'a str, prefix: &'a str, name: &'a str) -> [(&'static str, &'a str); 7] {
    [
        ("SAGA_BROKER_KIND", "kafka"),
        ("SAGA_BROKER_BOOTSTRAP", bootstrap),
        ("SAGA_BROKER_PREFIX", prefix),
        ("SAGA_BROKER_HOSTS", "several"),
        ("SAGA_BROKER_SESSION_TIMEOUT", "6s"),
        ("SAGA_BROKER_PARTITIONS", "6"),
        ("SAGA_HOST_NAME", name),
    ]
}

fn host(cluster: &Cluster, prefix: &str, name: &str, steps: &[&str]) -> Host {
    let installation = Installation::with_stateless_instruments(steps);
    installation.use_case("play", &STEPS, "");
    Host::start_with(installation, &environment(cluster.bootstrap(), prefix, name))
}

fn start(api: &Api, id: &str, body: &Value) {
    let answer = api.post("/v1/use-cases/play/sagas", &[("global-id", id)], &body.to_string()).expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.body);
}

fn act(api: &Api, id: &str, verb: &str) {
    let answer = api.post(&format!("/v1/sagas/{id}/{verb}"), &[], "{\"reason\":\"a test\"}").expect("an answer");
    assert!(matches!(answer.status, 200 | 202), "{verb}: {} {}", answer.status, answer.body);
}

fn signal(api: &Api, key: &str) {
    let answer = api.post(&format!("/v1/signals/{key}"), &[], "").expect("an answer");
    assert!(matches!(answer.status, 200 | 202), "{} {}", answer.status, answer.body);
}

#[test]
fn a_saga_goes_through_hosts_that_serve_different_steps_and_any_of_them_tells_of_it() {
    let cluster = Cluster::shared();
    let hosts = [
        host(cluster, "parts.", "a", &["one"]),
        host(cluster, "parts.", "b", &["two"]),
        host(cluster, "parts.", "c", &["three"]),
    ];
    // The last step is elsewhere, and the one who waits is told.
    for one in &hosts {
        let outcome = one.api.run("play", &json!({}));
        assert_eq!(outcome["status"], "completed", "{outcome}");
        let id = outcome["global-id"].as_str().expect("an id");
        for other in &hosts {
            let saga = check::status(&other.api, id, "completed");
            assert_eq!(check::path(&saga), "one done, two done, three done");
        }
    }
    start(&hosts[0].api, "back", &json!({"three": {"reject": "no"}}));
    let saga = check::status(&hosts[1].api, "back", "compensated");
    assert_eq!(check::path(&saga), "one done, two done, three rejected | two done, one done");
    start(&hosts[2].api, "stuck", &json!({"two": {"panic": "it broke"}}));
    for one in &hosts {
        check::status(&one.api, "stuck", "failed");
        until("the group of errors", || {
            one.api.errors().into_iter().find(|group| group["sagas"] == 1 || group["count"] == 1)
        });
        until("the list", || (one.api.list("status=failed").len() == 1).then_some(()));
        let metrics = one.api.get_text("/metrics");
        assert!(metrics.contains("saga_journal_behind_seconds"), "how fresh it is is told:\n{metrics}");
    }
    // An act at a host that serves nothing of it, twice the same id is one saga.
    act(&hosts[0].api, "stuck", "compensate");
    check::status(&hosts[1].api, "stuck", "compensated");
    start(&hosts[1].api, "twice", &json!({}));
    start(&hosts[2].api, "twice", &json!({"other": "body"}));
    check::status(&hosts[0].api, "twice", "completed");
    judge(cluster, "parts\\.");
}

#[test]
fn waits_signals_and_acts_meet_wherever_they_are() {
    let cluster = Cluster::shared();
    let mut hosts = ["a", "b"].map(|name| host(cluster, "waits.", name, &STEPS));
    let wait = |key: &str| json!({"two": {"wait": key}});
    // A signal at each host, before and after the wait; keys lie on both.
    for number in 0..6 {
        let (early, late) = (format!("early-{number}"), format!("late-{number}"));
        signal(&hosts[number % 2].api, &early);
        start(&hosts[(number + 1) % 2].api, &early, &wait(&early));
        start(&hosts[number % 2].api, &late, &wait(&late));
    }
    for number in 0..6 {
        let (early, late) = (format!("early-{number}"), format!("late-{number}"));
        check::status(&hosts[0].api, &early, "completed");
        check::status(&hosts[1].api, &late, "waiting");
        signal(&hosts[number % 2].api, &late);
        check::status(&hosts[1].api, &late, "completed");
    }
    // Acts on what waits for a signal, or for its next try.
    for number in 0..4 {
        let (parked, delayed) = (format!("parked-{number}"), format!("delayed-{number}"));
        start(&hosts[0].api, &parked, &wait(&parked));
        check::status(&hosts[0].api, &parked, "waiting");
        act(&hosts[1].api, &parked, "compensate");
        check::status(&hosts[0].api, &parked, "compensated");
        start(&hosts[1].api, &delayed, &json!({"three": {"wait": "never", "wait-ms": 600_000}}));
        check::status(&hosts[0].api, &delayed, "waiting");
        act(&hosts[number % 2].api, &delayed, "skip");
        check::status(&hosts[0].api, &delayed, "completed");
    }
    // A wait whose time is over, and one that is signalled, after the death of a host that may own it.
    for number in 0..6 {
        start(
            &hosts[0].api,
            &format!("over-{number}"),
            &json!({"two": {"wait": format!("o-{number}"), "wait-ms": 9000}}),
        );
        start(&hosts[1].api, &format!("left-{number}"), &wait(&format!("l-{number}")));
    }
    for number in 0..6 {
        check::status(&hosts[0].api, &format!("left-{number}"), "waiting");
    }
    hosts[1].kill();
    for number in 0..6 {
        signal(&hosts[0].api, &format!("l-{number}"));
    }
    for number in 0..6 {
        check::status(&hosts[0].api, &format!("left-{number}"), "completed");
        let saga = check::status(&hosts[0].api, &format!("over-{number}"), "compensated");
        assert_eq!(check::path(&saga), "one done, two rejected | one done");
    }
    hosts[1].start_again();
    check::status(&hosts[1].api, "left-0", "completed");
    judge(cluster, "waits\\.");
}

#[test]
fn what_cannot_keep_its_promise_is_refused_with_the_reason() {
    let cluster = Cluster::shared();
    let refused = |installation: &Installation, environment: &[(&str, &str)], words: &[&str]| {
        let config = installation.path().join("saga.toml");
        let all = [environment, &[("SAGA_LISTEN", "127.0.0.1:0")]].concat();
        let ran = run_saga(&["run", "--config", config.to_str().expect("a plain path")], &all);
        assert_ne!(ran.status, 0, "it ran: {}", ran.out);
        words.iter().for_each(|word| assert!(ran.err.contains(word), "{word} is missing:\n{}", ran.err));
    };
    let keeps = Installation::with_instruments(&["one"]);
    let several = environment(cluster.bootstrap(), "refused.", "k");
    let one = instrument_address("one");
    refused(&keeps, &several, &[&one, "keyvalue", "broker.hosts", "no other host would see"]);
    refused(
        &Installation::empty(),
        &[("SAGA_BROKER_HOSTS", "several")],
        &["SAGA_BROKER_HOSTS", "embedded broker", "kafka"],
    );
    let living = host(cluster, "refused.", "a", &["one"]);
    // A plugin that comes later is rejected by itself.
    let late = Installation::with_instruments(&["two"]);
    living.installation.manifest(&instrument_address("two"), &late.manifest_text(&instrument_address("two")));
    living.installation.plugin(&instrument_address("two"), &late.plugin_bytes(&instrument_address("two")));
    until("it is rejected", || {
        let plugins = living.api.ask("/v1/plugins")["plugins"].as_array()?.clone();
        let plugin = plugins.into_iter().find(|plugin| plugin["address"] == instrument_address("two").as_str())?;
        plugin["reason"].as_str()?.contains("broker.hosts").then_some(())
    });
    let mut alone = environment(cluster.bootstrap(), "refused.", "loner");
    alone[3].1 = "one";
    refused(&Installation::empty(), &alone, &["host a works with these topics as one of several", "broker.prefix"]);
}

#[test]
fn of_two_hosts_with_one_name_one_says_so_and_stops_and_the_other_works() {
    let cluster = Cluster::shared();
    let mut hosts = ["same", "other"].map(|name| host(cluster, "twins.", name, &STEPS));
    hosts[1].terminate();
    hosts[1].set_environment(&environment(cluster.bootstrap(), "twins.", "same"));
    hosts[1].launch();
    let complains = |host: &Host| host.log_tail().contains("lets only one of a name");
    let stopped = until("one of the two has said so", || hosts.iter().position(complains));
    until("it takes no more work", || (!hosts[stopped].api.is_ready()).then_some(()));
    let stays = &hosts[1 - stopped];
    until("the other one works", || stays.api.is_ready().then_some(()));
    start(&stays.api, "alone", &json!({}));
    check::status(&stays.api, "alone", "completed");
    assert!(!complains(stays), "one of them is to stay");
}

/// What clients were told of their sagas.
#[derive(Default)]
struct Ledger {
    /// By id, what it must become.
    acknowledged: Mutex<BTreeMap<String, &'static str>>,
}

/// Starts sagas of every kind at whichever host answers, and goes on until `stop`.
fn client(apis: &[Api], ledger: &Ledger, name: usize, stop: &AtomicBool) {
    let mut random = fastrand::Rng::with_seed(name as u64);
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let id = format!("c{name}-{number}");
        let key = format!("k-{id}");
        let (body, becomes) = match number % 5 {
            0 | 1 => (json!({}), "completed"),
            2 => (json!({"three": {"reject": "no"}}), "compensated"),
            3 => (json!({"two": {"wait": key}}), "completed"),
            _ => (json!({"two": {"retry-until": 3}}), "completed"),
        };
        let body = body.to_string();
        let insist = |path: &str, headers: &[(&str, &str)], body: &str, random: &mut fastrand::Rng| {
            while !apis[random.usize(..apis.len())].post(path, headers, body).is_ok_and(|answer| answer.status < 300) {
                std::thread::sleep(Duration::from_millis(50));
            }
        };
        insist("/v1/use-cases/play/sagas", &[("global-id", &id)], &body, &mut random);
        ledger.acknowledged.lock().expect("no client panicked").insert(id, becomes);
        if number % 5 == 3 {
            insist(&format!("/v1/signals/{key}"), &[], "", &mut random);
        }
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "what was done must be known when the test fails")]
fn three_hosts_on_three_nodes_do_everything_once_through_kills_and_pauses() {
    let number_from = |variable: &str| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number_from("SAGA_TEST_SEED").unwrap_or_else(|| fastrand::u64(..u64::from(u32::MAX)));
    let time = Duration::from_secs(number_from("SAGA_TEST_SECONDS").unwrap_or(SECONDS));
    println!("seed {seed} (run it again with SAGA_TEST_SEED={seed})");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut cluster = Cluster::start(3);
    let mut hosts = ["a", "b", "c"].map(|name| host(&cluster, "three.", name, &STEPS));
    let apis: Vec<Api> = hosts.iter().map(|host| host.api.clone()).collect();
    let (ledger, stop) = (Ledger::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _ends = Ends(&stop);
        for name in 0..4 {
            let (apis, ledger, stop) = (&apis, &ledger, &stop);
            scope.spawn(move || client(apis, ledger, name, stop));
        }
        let since = Instant::now();
        while since.elapsed() < time {
            disturb(&mut cluster, &mut hosts, &mut random);
            std::thread::sleep(Duration::from_millis(random.u64(200..3000)));
        }
    });
    let acknowledged = ledger.acknowledged.into_inner().expect("no client panicked");
    println!("{} sagas were acknowledged", acknowledged.len());
    for (number, (id, becomes)) in acknowledged.iter().enumerate() {
        check::status(&apis[number % apis.len()], id, becomes);
    }
    for api in &apis {
        until("nothing is under way", || {
            let unended =
                ["running", "compensating", "waiting"].map(|status| api.list(&format!("status={status}")).len());
            (unended.iter().sum::<usize>() == 0).then_some(())
        });
        assert_eq!(api.errors(), Vec::<Value>::new());
    }
    let started = judge(&cluster, "three\\.");
    assert!(started >= acknowledged.len(), "{started} of {} are in the journal", acknowledged.len());
    assert!(started > 50, "{started} sagas are no load");
}

/// One host or one node is killed, ended or stopped for a while; then it is back, so that the next may be.
#[expect(clippy::print_stdout, reason = "what was done must be known when the test fails")]
fn disturb(cluster: &mut Cluster, hosts: &mut [Host; 3], random: &mut fastrand::Rng) {
    let (index, node) = (random.usize(..3), random.u32(1..=3));
    let pause = Duration::from_millis(random.u64(100..2000));
    match random.u8(..7) {
        0..=2 => {
            println!("kill host {index}");
            hosts[index].kill();
            std::thread::sleep(pause);
            hosts[index].start_again();
        }
        3 => {
            println!("end host {index}");
            hosts[index].terminate();
            std::thread::sleep(pause);
            hosts[index].start_again();
        }
        4 => {
            println!("silence host {index}");
            hosts[index].signal(Signal::SIGSTOP);
            std::thread::sleep(SESSION + pause);
            hosts[index].signal(Signal::SIGCONT);
        }
        5 => {
            println!("kill node {node}");
            cluster.kill(node);
            std::thread::sleep(pause);
            cluster.restart(node);
            cluster.wait_ready();
        }
        _ => {
            println!("silence node {node}");
            cluster.pause(node);
            std::thread::sleep(pause);
            cluster.resume(node);
            cluster.wait_ready();
        }
    }
}
