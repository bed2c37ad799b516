//! `shop.billing.payment`: charges an order, up to a limit. Undone, the money is given back.
//! A real one would call a payment provider and pass `ctx.idempotency_key` on: the provider then charges once, even
//! if the host has to call this step again after a crash.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on to the next step untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Order {
    order_id: Id,
    amount: Decimal,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Payment {
    amount: Decimal,
    status: String,
}

fn key(ctx: &Context, order: &Order) -> String {
    format!("payment/{}/{}", order.order_id, ctx.global_id)
}

fn handle(ctx: &Context, order: Order) -> StepResult {
    if order.amount.is_negative() {
        reject!("invalid-amount", "an amount must not be below 0, this one is {}", order.amount);
    }
    let limit: Decimal = config::parse("limit")?.unwrap_or(Decimal::from(1000_u32));
    if order.amount > limit {
        return rejected("payment-refused", format!("{} is above the limit of {limit}", order.amount))
            .details(BTreeMap::from([("amount", order.amount), ("limit", limit)]))
            .into();
    }
    let payment = Payment { amount: order.amount, status: "charged".into() };
    keyvalue::own()?.set_json(&key(ctx, &order), &payment)?;
    Ok(unchanged())
}

fn compensate(ctx: &Context, order: Order, _log: Option<()>) -> StepResult {
    let payments = keyvalue::own()?;
    let key = key(ctx, &order);
    let Some(mut payment) = payments.get_json::<Payment>(&key)? else {
        reject!("unknown-payment", "there is no {key} to give back");
    };
    payment.status = "refunded".into();
    payments.set_json(&key, &payment)?;
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::TestHost;

    use super::{Payment, compensate, handle};

    const KEY: &str = "payment/o-1/test-saga";

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR"))
    }

    fn order(amount: &str) -> String {
        format!(r#"{{"order-id":"o-1","item":"book","quantity":1,"amount":{amount},"gift":true}}"#)
    }

    fn status(host: &TestHost) -> Option<String> {
        host.value::<Payment>(KEY).map(|payment| payment.status)
    }

    #[test]
    fn orders_up_to_a_thousand_are_charged() {
        let mut host = host();
        assert_eq!(host.handle(order("1000.00")).body(), order("1000.00"));
        assert_eq!(status(&host), Some("charged".into()));
    }

    #[test]
    fn an_order_above_a_thousand_is_refused_and_nothing_is_charged() {
        let mut host = host();
        let run = host.handle(order("1000.01"));
        assert_eq!(run.rejected().code, "payment-refused");
        assert_eq!(run.rejected().reason, "1000.01 is above the limit of 1000");
        assert_eq!(status(&host), None);
        assert_eq!(host.handle(order("-1")).rejected().code, "invalid-amount");
    }

    #[test]
    fn undone_the_money_is_given_back_and_the_payment_stays_on_record() {
        let mut host = host();
        let run = host.handle(order("7"));
        host.undo(&run, Failure::rejected("shop.orders.complete", "unknown-order", "no")).done();
        assert_eq!(status(&host), Some("refunded".into()));
    }
}
