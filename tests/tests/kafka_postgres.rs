//! Several hosts whose steps keep key-values in one PostgreSQL. Goal: what a call wrote is there once, whichever host
//! dies and wherever, also between the commit of the database and that of the broker, and when the database itself
//! goes down. Method: steps that count what they do for each saga; hosts that die at named places and by SIGKILL.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use saga_tests::check::{self, until};
use saga_tests::crowd::{Ends, Told, client, hold_to_account};
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use saga_tests::kafka::Cluster;
use saga_tests::kafka::judge::judge;
use saga_tests::postgres::Postgres;
use serde_json::json;

/// For how long hosts are killed.
const KILLS: Duration = Duration::from_secs(30);

const STEPS: [&str; 2] = ["one", "two"];

fn environment(database: &Postgres, prefix: &str, name: &str) -> Vec<(String, String)> {
    let schema = prefix.trim_end_matches('.');
    [
        ("SAGA_BROKER_KIND", "kafka"),
        ("SAGA_BROKER_BOOTSTRAP", Cluster::shared().bootstrap()),
        ("SAGA_BROKER_PREFIX", prefix),
        ("SAGA_BROKER_HOSTS", "several"),
        ("SAGA_BROKER_SESSION_TIMEOUT", "6s"),
        ("SAGA_BROKER_PARTITIONS", "4"),
        ("SAGA_STORE_KIND", "postgres"),
        ("SAGA_STORE_ADDRESS", database.address()),
        ("SAGA_STORE_SCHEMA", schema),
        ("SAGA_HOST_NAME", name),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

fn borrowed(environment: &[(String, String)]) -> Vec<(&str, &str)> {
    environment.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
}

fn hosts(database: &Postgres, prefix: &str) -> [Host; 2] {
    ["a", "b"].map(|name| {
        let environment = environment(database, prefix, name);
        Host::start_with(Installation::with_instruments(&STEPS), &borrowed(&environment))
    })
}

/// A crowd at both hosts while something is done to them.
fn under_load(hosts: &mut [Host; 2], disturb: impl FnOnce(&mut [Host; 2], &Told)) -> Told {
    let (told, stop) = (Told::default(), AtomicBool::new(false));
    let apis = [hosts[0].api.clone(), hosts[1].api.clone()];
    std::thread::scope(|scope| {
        let _ends = Ends(&stop);
        for name in 0..4 {
            let (api, told, stop) = (&apis[name % 2], &told, &stop);
            scope.spawn(move || client(api, told, name, stop));
        }
        until("the crowd is under way", || (told.acknowledged_count() > 10).then_some(()));
        disturb(hosts, &told);
        let before = told.acknowledged_count();
        until("the crowd goes on", || (told.acknowledged_count() > before + 10).then_some(()));
    });
    told
}

#[test]
fn what_a_call_wrote_is_there_once_whichever_host_dies_and_wherever() {
    let prefix = "keeps.";
    let mut hosts = hosts(Postgres::shared(), prefix);
    let told = under_load(&mut hosts, |hosts, _| {
        let since = Instant::now();
        let mut random = fastrand::Rng::with_seed(1);
        while since.elapsed() < KILLS {
            // Between the two commits, around them, or anywhere.
            let rows = ["before-sync", "after-execute", "before-commit", "after-commit", ""];
            let (index, row) = (random.usize(..2), rows[random.usize(..rows.len())]);
            let mut environment = environment(Postgres::shared(), prefix, ["a", "b"][index]);
            hosts[index].kill();
            if !row.is_empty() {
                environment.push(("SAGA_FAIL_POINT".to_owned(), format!("{row}:{}", random.u32(5..60))));
                hosts[index].set_environment(&borrowed(&environment));
                hosts[index].launch();
                // It dies by itself when there is enough to do; the other one goes on.
                std::thread::sleep(Duration::from_secs(4));
                environment.pop();
                hosts[index].kill();
            }
            hosts[index].set_environment(&borrowed(&environment));
            hosts[index].start_again();
        }
    });
    hold_to_account(&hosts[1], &told, &STEPS);
    judge(Cluster::shared(), "keeps\\.");
}

#[test]
fn a_database_that_crashes_holds_the_hosts_up_and_loses_nothing() {
    let database = Postgres::start();
    let mut hosts = hosts(&database, "crashes.");
    let told = under_load(&mut hosts, |_, told| {
        for _ in 0..3 {
            database.crash();
            let before = told.acknowledged_count();
            until("the crowd goes on", || (told.acknowledged_count() > before + 5).then_some(()));
        }
    });
    hold_to_account(&hosts[0], &told, &STEPS);
    // Two hosts that write the same key never lose a write.
    let saga = hosts[0].api.run("play", &json!({"two": {"reject": "no"}}));
    let id = saga["global-id"].as_str().expect("an id");
    let saga = check::status(&hosts[1].api, id, "compensated");
    assert_eq!(check::path(&saga), "one done, two rejected | one done");
    judge(Cluster::shared(), "crashes\\.");
}
