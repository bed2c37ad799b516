//! A message that comes before what it needs waits without polling. Goal: waits end by a signal, by one that came
//! before, or by their time; each is visible. Method: the example payment and the instrument, with every order of
//! events.

use saga_tests::check;
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use serde_json::{Value, json};

fn payment(customer: &str) -> Value {
    json!({"payment-id": format!("p-{customer}"), "customer-id": customer, "amount": 5})
}

#[test]
fn a_payment_that_comes_first_waits_with_its_reason_and_goes_on_when_the_customer_is_registered() {
    let host = Host::start(Installation::with_examples(&["race"]));
    let id = host.api.start("pay", &payment("42"));
    let saga = check::status(&host.api, &id, "waiting");
    assert_eq!(saga["waiting"]["key"], "customer/42", "{saga:#}");
    assert_eq!(saga["waiting"]["reason"], "customer 42 is not registered yet", "{saga:#}");

    let registered = host.api.run("register-customer", &json!({"customer-id": "42"}));
    assert_eq!(registered["status"], "completed", "{registered}");
    let saga = check::status(&host.api, &id, "completed");
    assert!(saga["waiting"].is_null(), "{saga:#}");
}

#[test]
fn a_payment_that_comes_second_does_not_wait() {
    let host = Host::start(Installation::with_examples(&["race"]));
    host.api.run("register-customer", &json!({"customer-id": "7"}));
    let paid = host.api.run("pay", &payment("7"));
    assert_eq!(paid["status"], "completed", "{paid}");
}

#[test]
fn many_payments_and_one_customer_lose_nobody() {
    let host = Host::start(Installation::with_examples(&["race"]));
    let before: Vec<String> = (0..20).map(|_| host.api.start("pay", &payment("9"))).collect();
    host.api.start("register-customer", &json!({"customer-id": "9"}));
    let after: Vec<String> = (0..20).map(|_| host.api.start("pay", &payment("9"))).collect();
    for id in before.iter().chain(&after) {
        check::status(&host.api, id, "completed");
    }
}

#[test]
fn a_payment_whose_customer_never_comes_is_refused_at_its_time() {
    let installation = Installation::with_examples(&["race"]);
    let manifest = installation.manifest_text("race.payments.pay");
    installation.manifest("race.payments.pay", &manifest.replace("timeout = \"30s\"", "timeout = \"200ms\""));
    let host = Host::start(installation);
    let ended = host.api.run("pay", &payment("nobody"));
    assert_eq!(ended["status"], "compensated", "{ended}");
    assert_eq!(ended["failure"]["kind"], "wait-timeout", "{ended}");
    let reason = ended["failure"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("customer/nobody"), "{reason}");
}

#[test]
fn a_signal_of_a_person_releases_a_wait_and_one_that_came_first_is_remembered() {
    let host = Host::start(Installation::with_instruments(&["one"]));
    let waits = |key: &str| json!({"one": {"wait": key}});
    let id = host.api.start("play", &waits("late"));
    check::status(&host.api, &id, "waiting");
    host.api.signal("late");
    check::status(&host.api, &id, "completed");

    host.api.signal("early");
    let ended = host.api.run("play", &waits("early"));
    assert_eq!(ended["status"], "completed", "{ended}");
}

#[test]
fn a_wait_and_an_early_signal_survive_a_kill() {
    let mut host = Host::start(Installation::with_instruments(&["one"]));
    let waiting = host.api.start("play", &json!({"one": {"wait": "a"}}));
    check::status(&host.api, &waiting, "waiting");
    host.api.signal("b");
    host.kill();
    host.start_again();
    assert_eq!(host.api.saga(&waiting)["status"], "waiting");
    let ended = host.api.run("play", &json!({"one": {"wait": "b"}}));
    assert_eq!(ended["status"], "completed", "{ended}");
    host.api.signal("a");
    check::status(&host.api, &waiting, "completed");
}

#[test]
fn a_wait_that_ended_while_the_host_was_down_ends_when_it_is_back() {
    let mut host = Host::start(Installation::with_instruments(&["one"]));
    let id = host.api.start("play", &json!({"one": {"wait": "never", "wait-ms": 1500}}));
    check::status(&host.api, &id, "waiting");
    host.kill();
    host.start_again();
    let saga = check::status(&host.api, &id, "compensated");
    assert_eq!(saga["failure"]["kind"], "wait-timeout", "{saga:#}");
}
