//! The host is killed under load at random moments and started again, a dozen times. Goal: afterwards every saga that was
//! acknowledged has ended, nobody was told of an end that is not so, and each step's key-values hold exactly what the ended
//! sagas imply. Method: clients with a ledger of their own; SIGKILL; then the ledger is held against API and buckets.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fastrand::Rng;
use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use saga_tests::load::{Ledger, Wish, client};
use serde_json::Value;

const KILLS: usize = 12;
const CLIENTS: usize = 4;
/// What the manifests say an account and an item begin with.
const OPENING: u64 = 1_000_000;

/// A saga of the ledger and how it ended.
struct Ended {
    wish: Wish,
    status: String,
}

#[test]
fn every_acknowledged_saga_ends_and_every_effect_is_counted_once() {
    let seed =
        std::env::var("SAGA_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    announce(&format!("seed {seed} (run it again with SAGA_TEST_SEED={seed})"));
    let mut host = Host::start(installation());
    let ledger = Ledger::create(&host.installation.path().join("ledger.jsonl"));
    let kills = kill_under_load(&mut host, &ledger, seed);

    let ended = ends(&host, &ledger);
    let count = |status: &str| ended.values().filter(|saga| saga.status == status).count();
    let (completed, compensated) = (count("completed"), count("compensated"));
    announce(&format!("{kills} kills, {} sagas, {completed} completed, {compensated} compensated", ended.len()));
    assert!(completed > 50 && compensated > 10, "too little happened to show anything");
    assert_eq!(completed + compensated, ended.len(), "every saga ends complete or compensated");
    assert_eq!(host.api.errors(), Vec::<Value>::new());

    balances_are_right(&host, &ended);
    shop_is_right(&host, &ended);
    payments_are_right(&host, &ended);
}

fn installation() -> Installation {
    let installation = Installation::with_examples(&["exchange", "shop", "race"]);
    // A machine under load may take longer than the demonstration's half minute to bring a customer.
    let manifest = installation.manifest_text("race.payments.pay");
    installation.manifest("race.payments.pay", &manifest.replace("timeout = \"30s\"", "timeout = \"30m\""));
    installation
}

fn kill_under_load(host: &mut Host, ledger: &Ledger, seed: u64) -> usize {
    let stop = AtomicBool::new(false);
    let api = host.api.clone();
    std::thread::scope(|scope| {
        for name in 0..CLIENTS {
            let (api, stop) = (&api, &stop);
            let seed = seed.wrapping_add(name as u64);
            scope.spawn(move || client(api, ledger, name, seed, stop));
        }
        let mut rng = Rng::with_seed(seed ^ 0xdead);
        for _ in 0..KILLS {
            std::thread::sleep(Duration::from_millis(rng.u64(20..900)));
            host.kill();
            host.start_again();
        }
        stop.store(true, Ordering::Relaxed);
    });
    KILLS
}

/// Every saga that exists, ended. One that was acknowledged must exist; one that was given up may.
fn ends(host: &Host, ledger: &Ledger) -> BTreeMap<String, Ended> {
    let mut ended = BTreeMap::new();
    for (id, wish) in ledger.read() {
        let answer = host.api.get(&format!("/v1/sagas/{id}")).expect("the host is up");
        if answer.status == 404 {
            assert!(!wish.is_accepted, "{id} was acknowledged and is lost");
            continue;
        }
        let status = check::until(&format!("{id} has ended: {}", answer.body), || {
            let status = host.api.saga(&id)["status"].as_str()?.to_owned();
            check::is_over(&status).then_some(status)
        });
        for told in &wish.told {
            assert_eq!(*told, status, "{id}: its client was told otherwise");
        }
        ended.insert(id, Ended { wish, status });
    }
    ended
}

fn completed<'a>(
    ended: &'a BTreeMap<String, Ended>,
    use_cases: &'a [&str],
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    ended
        .iter()
        .filter(|(_, saga)| saga.status == "completed" && use_cases.contains(&saga.wish.use_case.as_str()))
        .map(|(id, saga)| (id, &saga.wish.body))
}

/// Sum of a member by another.
fn sums<'a>(
    sagas: impl Iterator<Item = (&'a String, &'a Value)>,
    by: &str,
    member: &str,
) -> BTreeMap<String, (u64, u64)> {
    let mut sums: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (_, body) in sagas {
        let sum = sums.entry(body[by].as_str().expect("a text").to_owned()).or_default();
        sum.0 += body[member].as_u64().expect("a number");
        sum.1 += 1;
    }
    sums
}

fn number(value: &Value) -> u64 {
    let number = value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    assert!(number >= 0.0 && number.fract() == 0.0, "{number} is no count");
    number as u64
}

fn balances_are_right(host: &Host, ended: &BTreeMap<String, Ended>) {
    let taken = sums(completed(ended, &["uc-1-1", "uc-1-2"]), "account", "amount");
    for (key, balance) in check::bucket(host, "exchange.ledger.core", None) {
        let account = key.rsplit('/').next().expect("a key has parts");
        let expected = OPENING - taken.get(account).map_or(0, |sum| sum.0);
        assert_eq!(number(&balance), expected, "balance of {account}");
    }
    for (address, prefix, use_cases) in [
        ("exchange.settlement.service-a", "position/BTC", &["uc-1-1"][..]),
        ("exchange.settlement.service-b", "booked/BTC", &["uc-1-1", "uc-1-2"][..]),
    ] {
        let expected = sums(completed(ended, use_cases), "account", "amount");
        let entries = check::bucket(host, address, None);
        let found: BTreeMap<String, (u64, u64)> = entries
            .iter()
            .map(|(key, value)| {
                let account = key.strip_prefix(&format!("{prefix}/")).expect("the step's own keys").to_owned();
                (account, (number(&value["amount"]), number(&value["orders"])))
            })
            .collect();
        assert_eq!(found, expected, "{address}");
    }
}

fn shop_is_right(host: &Host, ended: &BTreeMap<String, Ended>) {
    let sold = sums(completed(ended, &["shop"]), "item", "quantity");
    for (key, stock) in check::bucket(host, "shop.inventory.stock", None) {
        let item = key.strip_prefix("stock/").expect("the step's own keys");
        assert_eq!(number(&stock), OPENING - sold.get(item).map_or(0, |sum| sum.0), "stock of {item}");
    }
    let orders = check::bucket(host, "shop.orders.order", Some("orders"));
    let shop: Vec<_> = ended.iter().filter(|(_, saga)| saga.wish.use_case == "shop").collect();
    assert_eq!(orders.len(), shop.len(), "one row for each order");
    for (id, saga) in shop {
        let expected = if saga.status == "completed" { "completed" } else { "rejected" };
        assert_eq!(orders[&format!("{id}/{id}")]["status"], expected, "order {id}");
    }
    let told = host.api.topic("shop.orders.completed").map_or(0, |topic| number(&topic["messages"]));
    assert_eq!(told, completed(ended, &["shop"]).count() as u64, "each completed order was told once");
}

fn payments_are_right(host: &Host, ended: &BTreeMap<String, Ended>) {
    let both = ended.values().filter(|saga| matches!(saga.wish.use_case.as_str(), "pay" | "register-customer"));
    assert!(both.clone().all(|saga| saga.status == "completed"), "every customer came, so every payment was made");
    let payments = check::bucket(host, "race.payments.pay", None);
    assert_eq!(payments.len(), completed(ended, &["pay"]).count());
    assert!(payments.values().all(|payment| payment["status"] == "paid"), "{payments:?}");
}

#[expect(clippy::print_stdout, reason = "the seed must be known when the test fails")]
fn announce(text: &str) {
    println!("{text}");
}
