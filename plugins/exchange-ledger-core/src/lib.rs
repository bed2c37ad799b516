//! `exchange.ledger.core`: takes an order's amount from the account's balance, and gives it back exactly.
//! The balance is read, checked and written without a lock: should another saga change it meanwhile, the host
//! discards this call and runs it again, and what is written commits together with the answer or not at all.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on to the next step untouched.
#[derive(Serialize, Deserialize)]
struct Order {
    account: Id,
    asset: String,
    amount: Decimal,
}

/// What was taken and from where: handed back to `compensate`, whatever later steps make of the body.
#[derive(Serialize, Deserialize)]
struct Taken {
    key: String,
    amount: Decimal,
}

fn handle(_ctx: &Context, order: Order) -> StepResult {
    let balances = keyvalue::own()?;
    // One key per account and asset: sagas of different accounts never get in each other's way.
    let key = format!("balance/{}/{}", order.asset, order.account);
    let balance = match balances.get_json::<Decimal>(&key)? {
        Some(balance) => balance,
        None => config::parse("opening-balance")?.unwrap_or_default(),
    };
    let amount = order.amount;
    if balance < amount {
        return rejected("insufficient-funds", format!("account {} holds {balance} of {amount}", order.account))
            .details(BTreeMap::from([("balance", balance), ("amount", amount)]))
            .into();
    }
    balances.set_json(&key, &(balance - amount))?;
    Ok(unchanged().with_compensation(Taken { key, amount }))
}

fn compensate(_ctx: &Context, _order: Order, taken: Option<Taken>) -> StepResult {
    // `handle` always leaves a log. Without one nothing can be given back, and a person has to look.
    let Some(Taken { key, amount }) = taken else {
        reject!("no-compensation-log", "it is not known what was taken");
    };
    let balances = keyvalue::own()?;
    let balance: Decimal = balances.get_json(&key)?.unwrap_or_default();
    balances.set_json(&key, &(balance + amount))?;
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::{TestHost, json};

    use super::{compensate, handle};

    const KEY: &str = "balance/BTC/a-1";

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR")).with("", KEY, decimal("10.10"))
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal number")
    }

    fn order(amount: &str) -> String {
        format!(r#"{{"order-id":"o-1","account":"a-1","asset":"BTC","amount":{amount},"more":1.50}}"#)
    }

    #[test]
    fn the_amount_is_taken_and_the_body_goes_on_byte_for_byte() {
        let mut host = host();
        assert_eq!(host.handle(order("0.30")).body(), order("0.30"));
        assert_eq!(host.value(KEY), Some(decimal("9.80")));
    }

    #[test]
    fn undone_the_balance_is_exactly_what_it_was() {
        let mut host = host();
        let before = host.bucket("");
        let run = host.handle(order("0.1"));
        host.undo(&run, Failure::rejected("exchange.settlement.service-b", "limit", "over the limit")).done();
        assert_eq!(host.bucket(""), before);
    }

    #[test]
    fn what_was_taken_is_given_back_even_if_the_body_was_changed_behind() {
        let mut host = host();
        let run = host.handle(order("4"));
        let (_, log) = run.done();
        host.compensate(order("4000"), log).done();
        assert_eq!(host.value(KEY), Some(decimal("10.10")));
    }

    #[test]
    fn the_whole_balance_can_be_taken_but_not_a_digit_more() {
        let mut host = host();
        let run = host.handle(order("10.1000000001"));
        assert_eq!(run.rejected().code, "insufficient-funds");
        assert_eq!(host.value(KEY), Some(decimal("10.10")));
        host.handle(order("10.1")).done();
        assert_eq!(host.value(KEY), Some(Decimal::ZERO));
    }

    #[test]
    fn an_account_that_was_never_seen_holds_the_opening_balance() {
        let mut host = host().config("opening-balance", "5.00");
        host.handle(json!({"account": 42, "asset": "ETH", "amount": 2})).done();
        assert_eq!(host.value("balance/ETH/42"), Some(decimal("3")));
    }

    #[test]
    fn without_a_log_a_person_has_to_look() {
        assert_eq!(host().compensate(order("1"), None).rejected().code, "no-compensation-log");
    }
}
