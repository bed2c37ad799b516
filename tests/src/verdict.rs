//! Holds a host to its word: the ledger of the clients against what the API says and what the buckets of the steps
//! hold.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::check;
use crate::host::Host;
use crate::load::{Ledger, Wish};

/// What the manifests of the examples say an account and an item begin with.
const OPENING: u64 = 1_000_000;

/// A saga of the ledger and how it ended.
struct Ended {
    wish: Wish,
    status: String,
}

/// How many sagas ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub completed: usize,
    pub compensated: usize,
}

/// Wait until every saga has ended, and fail if one was lost, one was told otherwise, or an effect is not there once.
pub fn hold_to_account(host: &Host, ledger: &Ledger) -> Count {
    let ended = ends(host, ledger);
    let count = |status: &str| ended.values().filter(|saga| saga.status == status).count();
    let count = Count { completed: count("completed"), compensated: count("compensated") };
    assert_eq!(count.completed + count.compensated, ended.len(), "every saga ends complete or compensated");
    assert_eq!(host.api.errors(), Vec::<Value>::new());
    balances_are_right(host, &ended);
    shop_is_right(host, &ended);
    payments_are_right(host, &ended);
    count
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
