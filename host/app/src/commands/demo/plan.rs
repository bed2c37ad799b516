//! The sagas of the demo: one for each way a saga can go, and how it is expected to end.

use serde_json::{Value, json};

/// A saga to start.
pub struct Planned {
    pub name: &'static str,
    pub use_case: &'static str,
    pub body: Value,
    pub expected: &'static str,
    pub when: When,
}

/// When a saga is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    AtOnce,
    /// Once the named saga waits: this one releases it.
    AfterWaiting(&'static str),
}

/// All of them. `run` tells this demo's customers from those of an earlier one in the same folder.
pub fn sagas(run: &str) -> Vec<Planned> {
    let planned = |name, use_case, expected, body| Planned { name, use_case, body, expected, when: When::AtOnce };
    let order = |amount: &str| json!({"order-id": run, "account": "alice", "asset": "BTC", "amount": amount});
    let shop = |item: &str, quantity: u32, amount: u32| {
        let customer = "alice";
        json!({"order-id": run, "item": item, "quantity": quantity, "amount": amount, "customer": customer})
    };
    let review = |text: &str| json!({"review-id": run, "author": "alice", "text": text});
    let (known, stranger) = (format!("known-{run}"), format!("stranger-{run}"));
    let pay = |customer: &str| json!({"payment-id": run, "customer-id": customer, "amount": 12});
    vec![
        planned("trade", "uc-1-1", "completed", order("25.00")),
        planned("trade-refused", "uc-1-1", "compensated", order("600000.00")),
        planned("trade-short", "uc-1-2", "completed", order("10.50")),
        planned("trade-invalid", "uc-1-2", "compensated", order("-1")),
        planned("shop", "shop", "completed", shop("book", 1, 20)),
        planned("shop-refused", "shop", "compensated", shop("book", 2, 2000)),
        planned("shop-sold-out", "shop", "compensated", shop("rare-book", 2, 20)),
        planned("review", "review", "completed", review("a good book")),
        planned("review-flaky", "review", "completed", review("a good book [flaky]")),
        planned("review-spam", "review", "compensated", review("buy now [spam]")),
        planned("review-broken", "review", "failed", review("a good book [broken]")),
        planned("review-stuck", "review", "compensation-failed", review("a good book [stuck]")),
        planned("pay-early", "pay", "completed", pay(&known)),
        Planned {
            name: "register",
            use_case: "register-customer",
            body: json!({"customer-id": known}),
            expected: "completed",
            when: When::AfterWaiting("pay-early"),
        },
        planned("pay-stranger", "pay", "compensated", pay(&stranger)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::USE_CASES;

    #[test]
    fn every_example_use_case_is_shown() {
        let sagas = sagas("x");
        for file in USE_CASES.iter().filter(|file| file.path.ends_with(".toml")) {
            let name = file.path.trim_end_matches(".toml");
            assert!(sagas.iter().any(|saga| saga.use_case == name), "{name}");
        }
    }

    #[test]
    fn completing_compensating_and_standing_sagas_are_shown() {
        let sagas = sagas("x");
        for status in ["completed", "compensated", "failed", "compensation-failed"] {
            assert!(sagas.iter().any(|saga| saga.expected == status), "{status}");
        }
    }

    #[test]
    fn whoever_releases_a_saga_comes_after_it() {
        let sagas = sagas("x");
        for (index, saga) in sagas.iter().enumerate() {
            if let When::AfterWaiting(other) = saga.when {
                assert!(sagas[..index].iter().any(|earlier| earlier.name == other), "{other}");
            }
        }
    }
}
