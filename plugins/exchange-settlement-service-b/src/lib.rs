//! `exchange.settlement.service-b`: books an order for settlement, up to a limit, and takes the booking back.
//! It is the last step of both exchange use cases: what it refuses, all steps before it have to undo.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on untouched.
#[derive(Serialize, Deserialize)]
struct Order {
    account: Id,
    asset: String,
    amount: Decimal,
}

/// What is booked for an account in one asset.
#[derive(Serialize, Deserialize, Default, Debug, PartialEq)]
struct Booked {
    amount: Decimal,
    orders: u64,
}

/// What was booked and where: handed back to `compensate`, should a person turn the saga round afterwards.
#[derive(Serialize, Deserialize)]
struct Booking {
    key: String,
    amount: Decimal,
}

fn handle(_ctx: &Context, order: Order) -> StepResult {
    if let Some(limit) = config::parse::<Decimal>("settlement-limit")?
        && order.amount > limit
    {
        return rejected("limit-exceeded", format!("{} is above the settlement limit of {limit}", order.amount))
            .details(BTreeMap::from([("amount", order.amount), ("limit", limit)]))
            .into();
    }
    let bookings = keyvalue::own()?;
    let key = format!("booked/{}/{}", order.asset, order.account);
    let mut booked: Booked = bookings.get_json(&key)?.unwrap_or_default();
    booked.amount += order.amount;
    booked.orders += 1;
    bookings.set_json(&key, &booked)?;
    Ok(unchanged().with_compensation(Booking { key, amount: order.amount }))
}

fn compensate(_ctx: &Context, _order: Order, booking: Option<Booking>) -> StepResult {
    let Some(Booking { key, amount }) = booking else {
        reject!("no-compensation-log", "it is not known what was booked");
    };
    let bookings = keyvalue::own()?;
    let Some(mut booked) = bookings.get_json::<Booked>(&key)? else {
        reject!("no-booking", "there is no {key} to take {amount} from");
    };
    booked.amount -= amount;
    match booked.orders.checked_sub(1) {
        // As it was before the first order: not there.
        Some(0) => bookings.delete(&key)?,
        Some(orders) => bookings.set_json(&key, &Booked { orders, ..booked })?,
        None => reject!("no-booking", "{key} counts no order that could be taken off"),
    }
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::TestHost;

    use super::{Booked, compensate, handle};

    const KEY: &str = "booked/BTC/a-1";

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR")).config("settlement-limit", "100.00")
    }

    fn order(amount: &str) -> String {
        format!(r#"{{"more":1.50,"order-id":"o-1","account":"a-1","asset":"BTC","amount":{amount}}}"#)
    }

    #[test]
    fn orders_up_to_the_limit_are_booked() {
        let mut host = host();
        assert_eq!(host.handle(order("100.000")).body(), order("100.000"));
        host.handle(order("0.5")).done();
        let booked: Option<Booked> = host.value(KEY);
        assert_eq!(booked, Some(Booked { amount: "100.5".parse().expect("a decimal number"), orders: 2 }));
    }

    #[test]
    fn an_order_above_the_limit_is_refused_with_both_amounts() {
        let run = host().handle(order("100.01"));
        assert_eq!(run.rejected().code, "limit-exceeded");
        assert_eq!(run.rejected().reason, "100.01 is above the settlement limit of 100.00");
        assert_eq!(run.rejected().details.as_deref(), Some(r#"{"amount":100.01,"limit":100.00}"#));
    }

    #[test]
    fn a_booking_can_be_taken_back_once() {
        let mut host = host();
        let run = host.handle(order("7"));
        let failure = Failure::rejected("exchange.settlement.service-b", "operator", "wrong customer");
        host.undo(&run, failure.clone()).done();
        assert!(host.bucket("").is_empty());
        assert_eq!(host.undo(&run, failure).rejected().code, "no-booking");
    }
}
