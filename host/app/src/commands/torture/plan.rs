//! The sagas of the load: each way a saga can go by itself, and how it must end, whatever happens to the host.

use fastrand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Accounts and items that all clients fight for.
const SHARED_COUNT: u8 = 8;

/// A saga to start.
#[derive(Debug, Clone)]
pub struct Planned {
    pub id: String,
    pub use_case: &'static str,
    pub body: Value,
    pub expected: End,
}

/// How a saga must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    Completed,
    Compensated,
}

impl End {
    pub fn as_str(self) -> &'static str {
        match self {
            End::Completed => "completed",
            End::Compensated => "compensated",
        }
    }
}

/// Sagas that belong together: all of them must be started, or none.
pub fn next(rng: &mut Rng, id: &str) -> Vec<Planned> {
    match rng.u8(..20) {
        0..8 => vec![order(rng, id)],
        8..12 => vec![shop(rng, id)],
        12..15 => payment(rng, id),
        15..18 => vec![review(rng, id)],
        _ => vec![late(rng, id)],
    }
}

fn one_in_four(rng: &mut Rng) -> bool {
    rng.u8(..4) == 0
}

fn by(refused: bool) -> End {
    if refused { End::Compensated } else { End::Completed }
}

/// One in four is above the settlement limit and is undone by all steps before.
fn order(rng: &mut Rng, id: &str) -> Planned {
    let refused = one_in_four(rng);
    let amount = if refused { 600_000 } else { rng.u32(1..20) };
    let use_case = if rng.bool() { "uc-1-1" } else { "uc-1-2" };
    let account = format!("acc-{}", rng.u8(..SHARED_COUNT));
    let body = json!({"order-id": id, "account": account, "asset": "BTC", "amount": amount});
    Planned { id: id.to_owned(), use_case, body, expected: by(refused) }
}

fn shop(rng: &mut Rng, id: &str) -> Planned {
    let refused = one_in_four(rng);
    let amount = if refused { 2_000 } else { 20 };
    let item = format!("item-{}", rng.u8(..SHARED_COUNT));
    let body = json!({"order-id": id, "item": item, "quantity": rng.u8(1..4), "amount": amount});
    Planned { id: id.to_owned(), use_case: "shop", body, expected: by(refused) }
}

/// A payment waits for its customer if it comes first, and is released by the signal of that saga.
fn payment(rng: &mut Rng, id: &str) -> Vec<Planned> {
    let planned = |use_case: &'static str, body| Planned {
        id: format!("{id}-{use_case}"),
        use_case,
        body,
        expected: End::Completed,
    };
    let mut pair = vec![
        planned("pay", json!({"payment-id": id, "customer-id": id, "amount": 5})),
        planned("register-customer", json!({"customer-id": id})),
    ];
    rng.shuffle(&mut pair);
    pair
}

/// A third fails twice and is retried, a third is refused.
fn review(rng: &mut Rng, id: &str) -> Planned {
    let (text, expected) = match rng.u8(..3) {
        0 => ("a good book", End::Completed),
        1 => ("a good book [flaky]", End::Completed),
        _ => ("buy now [spam]", End::Compensated),
    };
    let body = json!({"review-id": id, "author": "torture", "text": text});
    Planned { id: id.to_owned(), use_case: "review", body, expected }
}

/// Takes from an account, then waits for a customer who never comes: its deadline turns it round.
fn late(rng: &mut Rng, id: &str) -> Planned {
    let account = format!("acc-{}", rng.u8(..SHARED_COUNT));
    let body = json!({
        "order-id": id, "account": account, "asset": "BTC", "amount": rng.u32(1..20),
        "payment-id": id, "customer-id": format!("nobody-{id}"),
    });
    Planned { id: id.to_owned(), use_case: LATE, body, expected: End::Compensated }
}

/// The use case that is not among the examples.
pub const LATE: &str = "late";

/// Its definition.
pub const LATE_FILE: &str = r#"name = "late"
version = 1
owner = "torture"
description = "Takes from an account and waits for a customer until its deadline turns it round"
steps = ["exchange.ledger.core", "race.payments.pay"]
deadline = "1s"
"#;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_of_saga_comes_and_each_has_an_id_of_its_own() {
        let mut rng = Rng::with_seed(7);
        let planned: Vec<Planned> = (0..2_000).flat_map(|number| next(&mut rng, &format!("t-{number}"))).collect();
        let ids: BTreeSet<&str> = planned.iter().map(|planned| planned.id.as_str()).collect();
        assert_eq!(ids.len(), planned.len());
        let kinds: BTreeSet<_> = planned.iter().map(|planned| (planned.use_case, planned.expected.as_str())).collect();
        for kind in [
            ("uc-1-1", "completed"),
            ("uc-1-1", "compensated"),
            ("uc-1-2", "completed"),
            ("shop", "completed"),
            ("shop", "compensated"),
            ("pay", "completed"),
            ("register-customer", "completed"),
            ("review", "completed"),
            ("review", "compensated"),
            ("late", "compensated"),
        ] {
            assert!(kinds.contains(&kind), "{kind:?}");
        }
        let late = host_core::use_case::parse("late.toml", LATE_FILE).expect("a definition");
        assert_eq!(late.steps.len(), 2);
    }
}
