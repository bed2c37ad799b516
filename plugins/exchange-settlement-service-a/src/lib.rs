//! `exchange.settlement.service-a`: adds an order to the account's position in custody, and takes it off again.
//! Amount and number of orders are counted side by side: were an order ever counted twice, or undone twice, they
//! would no longer agree with the sagas that completed.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on to the next step untouched.
#[derive(Serialize, Deserialize)]
struct Order {
    account: Id,
    asset: String,
    amount: Decimal,
}

/// What an account has in custody of one asset.
#[derive(Serialize, Deserialize, Default, Debug, PartialEq)]
struct Position {
    amount: Decimal,
    orders: u64,
}

/// What was added and where: handed back to `compensate`, whatever later steps make of the body.
#[derive(Serialize, Deserialize)]
struct Added {
    key: String,
    amount: Decimal,
}

fn handle(_ctx: &Context, order: Order) -> StepResult {
    let positions = keyvalue::own()?;
    let key = format!("position/{}/{}", order.asset, order.account);
    let mut position: Position = positions.get_json(&key)?.unwrap_or_default();
    position.amount += order.amount;
    position.orders += 1;
    positions.set_json(&key, &position)?;
    Ok(unchanged().with_compensation(Added { key, amount: order.amount }))
}

fn compensate(_ctx: &Context, _order: Order, added: Option<Added>) -> StepResult {
    let Some(Added { key, amount }) = added else {
        reject!("no-compensation-log", "it is not known what was added");
    };
    let positions = keyvalue::own()?;
    let Some(mut position) = positions.get_json::<Position>(&key)? else {
        reject!("no-position", "there is no {key} to take {amount} from");
    };
    position.amount -= amount;
    match position.orders.checked_sub(1) {
        // As it was before the first order: not there.
        Some(0) => positions.delete(&key)?,
        Some(orders) => positions.set_json(&key, &Position { orders, ..position })?,
        None => reject!("no-position", "{key} counts no order that could be taken off"),
    }
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::{TestHost, json};

    use super::{Position, compensate, handle};

    const KEY: &str = "position/BTC/a-1";
    const ORDER: &str = r#"{"order-id":"o-1","account":"a-1","asset":"BTC","amount":0.10,"more":1.50}"#;

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR"))
    }

    fn position(amount: &str, orders: u64) -> Option<Position> {
        Some(Position { amount: amount.parse().expect("a decimal number"), orders })
    }

    fn refusal() -> Failure {
        Failure::rejected("exchange.settlement.service-b", "limit-exceeded", "over the limit")
    }

    #[test]
    fn orders_add_up_and_the_body_goes_on_byte_for_byte() {
        let mut host = host();
        assert_eq!(host.handle(ORDER).body(), ORDER);
        host.handle(ORDER.replace("0.10", "0.2")).done();
        assert_eq!(host.value(KEY), position("0.3", 2));
    }

    #[test]
    fn undone_the_position_is_exactly_what_it_was() {
        let mut host = host();
        let first = host.handle(ORDER);
        let before = host.bucket("");
        let second = host.handle(ORDER.replace("0.10", "7"));
        host.undo(&second, refusal()).done();
        assert_eq!(host.bucket(""), before);
        host.undo(&first, refusal()).done();
        assert!(host.bucket("").is_empty());
    }

    #[test]
    fn an_undo_too_many_is_refused_and_changes_nothing() {
        let mut host = host();
        let run = host.handle(ORDER);
        host.undo(&run, refusal()).done();
        assert_eq!(host.undo(&run, refusal()).rejected().code, "no-position");
        assert_eq!(
            host.compensate(json!({"account": "a", "asset": "BTC", "amount": 1}), None).rejected().code,
            "no-compensation-log"
        );
    }
}
