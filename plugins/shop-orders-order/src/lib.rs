//! `shop.orders.order`: writes a new order as pending. Undone, the order is not wiped out: it stays as rejected,
//! with the reason, because a customer will ask.
//! The bucket `orders` is shared with `shop.orders.complete`, which finishes what this step begins.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on to the next step untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Order {
    order_id: Id,
    item: Id,
    quantity: u64,
    amount: Decimal,
}

/// An order as the shop keeps it.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(rename_all = "kebab-case")]
struct Row {
    status: String,
    item: Id,
    quantity: u64,
    amount: Decimal,
    /// Why it was rejected: code and reason of the step that refused.
    code: Option<String>,
    reason: Option<String>,
}

/// A customer may send an order again after it was rejected. Each saga keeps a row of its own under the order, so
/// that one saga's end never overwrites another's.
fn key(ctx: &Context, order: &Order) -> String {
    format!("{}/{}", order.order_id, ctx.global_id)
}

fn handle(ctx: &Context, order: Order) -> StepResult {
    if order.quantity == 0 {
        reject!("invalid-quantity", "an order of nothing");
    }
    let row = Row {
        status: "pending".into(),
        item: order.item.clone(),
        quantity: order.quantity,
        amount: order.amount,
        code: None,
        reason: None,
    };
    keyvalue::shared("orders")?.set_json(&key(ctx, &order), &row)?;
    Ok(unchanged())
}

fn compensate(ctx: &Context, order: Order, _log: Option<()>) -> StepResult {
    let orders = keyvalue::shared("orders")?;
    let key = key(ctx, &order);
    let Some(mut row) = orders.get_json::<Row>(&key)? else {
        reject!("unknown-order", "there is no order {key} to reject");
    };
    row.status = "rejected".into();
    // What turned the saga round, in the words of the step that refused.
    row.code = ctx.failure.as_ref().map(|failure| failure.code.clone());
    row.reason = ctx.failure.as_ref().map(|failure| failure.reason.clone());
    orders.set_json(&key, &row)?;
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::{TestHost, json};

    use super::{Row, compensate, handle};

    const KEY: &str = "o-1/test-saga";
    const ORDER: &str = r#"{"order-id":"o-1","item":"book","quantity":2,"amount":12.50,"gift":true}"#;

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn an_order_begins_as_pending() {
        let mut host = host();
        assert_eq!(host.handle(ORDER).body(), ORDER);
        assert_eq!(host.shared_value::<Row>("orders", KEY).map(|row| row.status), Some("pending".into()));
    }

    #[test]
    fn undone_it_is_rejected_with_the_reason_of_the_step_that_refused() {
        let mut host = host();
        let run = host.handle(ORDER);
        host.undo(&run, Failure::rejected("shop.billing.payment", "payment-refused", "above the limit")).done();
        let row: Row = host.shared_value("orders", KEY).expect("the row stays");
        assert_eq!((row.status.as_str(), row.code.as_deref()), ("rejected", Some("payment-refused")));
        assert_eq!(row.reason.as_deref(), Some("above the limit"));
    }

    #[test]
    fn the_same_order_in_two_sagas_keeps_two_rows() {
        let mut host = host();
        let first = host.handle(ORDER);
        host.undo(&first, Failure::rejected("shop.billing.payment", "payment-refused", "no")).done();
        host.context().global_id = "second-saga".into();
        host.handle(ORDER).done();
        assert_eq!(host.shared_value::<Row>("orders", KEY).map(|row| row.status), Some("rejected".into()));
        assert_eq!(host.shared_value::<Row>("orders", "o-1/second-saga").map(|row| row.status), Some("pending".into()));
    }

    #[test]
    fn an_order_of_nothing_is_refused() {
        let run = host().handle(json!({"order-id": 1, "item": "book", "quantity": 0, "amount": 1}));
        assert_eq!(run.rejected().code, "invalid-quantity");
    }
}
