//! The example use cases do what their pages say. Goal: each completes, and each can be refused and leaves everything
//! as it was. Method: run every use case over HTTP with a body that passes and one that does not; look into the
//! buckets.

use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use serde_json::{Value, json};

fn exchange_order(account: &str, amount: u64) -> Value {
    json!({"order-id": format!("o-{account}-{amount}"), "account": account, "asset": "BTC", "amount": amount})
}

#[test]
fn exchange_orders_complete_and_move_the_balance_once() {
    let host = Host::start(Installation::with_examples(&["exchange"]));
    for (use_case, path) in [
        ("uc-1-1", "validate done, core done, service-a done, service-b done"),
        ("uc-1-2", "validate done, core done, service-b done"),
    ] {
        let ended = host.api.run(use_case, &exchange_order("ann", 100));
        assert_eq!(ended["status"], "completed", "{ended}");
        assert_eq!(check::path(&host.api.saga(ended["global-id"].as_str().expect("an id"))), path);
    }
    let balances = check::bucket(&host, "exchange.ledger.core", None);
    assert_eq!(balances["balance/BTC/ann"].as_f64(), Some(1_000_000.0 - 200.0), "{balances:?}");
    let positions = check::bucket(&host, "exchange.settlement.service-a", None);
    assert_eq!(positions["position/BTC/ann"]["orders"], 1, "{positions:?}");
    let booked = check::bucket(&host, "exchange.settlement.service-b", None);
    assert_eq!(booked["booked/BTC/ann"]["orders"], 2, "{booked:?}");
}

#[test]
fn a_refused_exchange_order_is_undone_in_reverse_and_leaves_the_balance() {
    let host = Host::start(Installation::with_examples(&["exchange"]));
    let refused = host.api.run("uc-1-1", &exchange_order("bob", 600_000));
    assert_eq!(refused["status"], "compensated", "{refused}");
    assert_eq!(refused["failure"]["code"], "limit-exceeded", "{refused}");
    let saga = host.api.saga(refused["global-id"].as_str().expect("an id"));
    let path =
        "validate done, core done, service-a done, service-b rejected | service-a done, core done, validate done";
    assert_eq!(check::path(&saga), path);

    let poor = host.api.run("uc-1-2", &exchange_order("bob", 2_000_000));
    assert_eq!(poor["failure"]["code"], "insufficient-funds", "{poor}");

    let balances = check::bucket(&host, "exchange.ledger.core", None);
    assert_eq!(balances["balance/BTC/bob"].as_f64(), Some(1_000_000.0), "{balances:?}");
    let positions = check::bucket(&host, "exchange.settlement.service-a", None);
    assert!(positions.is_empty(), "{positions:?}");
}

#[test]
fn unknown_members_of_the_body_arrive_digit_for_digit() {
    let host = Host::start(Installation::with_examples(&["exchange"]));
    let body = r#"{"order-id":"o-1","z":1.50,"account":"ann","big":9007199254740993123,"asset":"BTC","amount":1.10}"#;
    let answer = host.api.post("/v1/use-cases/uc-1-2/sagas", &[("prefer", "wait=30")], body).expect("the host is up");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let id = answer.body["global-id"].as_str().expect("an id");
    let text = host.api.get_text(&format!("/v1/sagas/{id}"));
    assert!(text.contains(body), "{text}");
}

#[test]
fn a_shop_order_completes_and_a_refused_payment_releases_its_stock() {
    let host = Host::start(Installation::with_examples(&["shop"]));
    let order = |id: &str, amount: u64| json!({"order-id": id, "item": "book", "quantity": 3, "amount": amount});
    let bought = host.api.run("shop", &order("s-1", 20));
    assert_eq!(bought["status"], "completed", "{bought}");

    let refused = host.api.run("shop", &order("s-2", 2_000));
    assert_eq!(refused["status"], "compensated", "{refused}");
    assert_eq!(refused["failure"]["code"], "payment-refused", "{refused}");
    let id = refused["global-id"].as_str().expect("an id");
    assert_eq!(check::path(&host.api.saga(id)), "order done, stock done, payment rejected | stock done, order done");

    let stock = check::bucket(&host, "shop.inventory.stock", None);
    assert_eq!(stock["stock/book"], 1_000_000 - 3, "{stock:?}");
    let orders = check::bucket(&host, "shop.orders.order", Some("orders"));
    let row = &orders[&format!("s-2/{id}")];
    assert_eq!(row["status"], "rejected", "{row}");
    assert_eq!(row["code"], "payment-refused", "the order tells why it was rejected: {row}");
}

#[test]
fn the_last_copy_is_sold_once_to_many_buyers() {
    let host = Host::start(Installation::with_examples(&["shop"]));
    let ids: Vec<String> = (0..8)
        .map(|buyer| {
            let body = json!({"order-id": format!("r-{buyer}"), "item": "rare-book", "quantity": 1, "amount": 20});
            host.api.start("shop", &body)
        })
        .collect();
    let ends: Vec<String> = ids
        .iter()
        .map(|id| {
            check::until("the order is over", || {
                let saga = host.api.saga(id);
                let status = saga["status"].as_str()?.to_owned();
                check::is_over(&status).then_some(status)
            })
        })
        .collect();
    assert_eq!(ends.iter().filter(|end| *end == "completed").count(), 1, "{ends:?}");
    let stock = check::bucket(&host, "shop.inventory.stock", None);
    assert_eq!(stock["stock/rare-book"], 0, "{stock:?}");
}
