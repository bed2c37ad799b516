//! `shop.orders.complete`: completes the order that `shop.orders.order` began, and tells whoever listens.
//! The event leaves with the commit of this call: nobody hears of an order that isn't completed, and nobody misses one.
#![forbid(unsafe_code)]

use saga_step::prelude::*;
use saga_step::serde_json::{Map, Value};

/// What of the body this step reads. Keys it doesn't name go on untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Order {
    order_id: Id,
}

/// An order as the shop keeps it. This step reads and writes one member of it and leaves the others alone.
type Row = Map<String, Value>;

/// For the topic `shop.orders.completed`.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Completed<'a> {
    order_id: &'a Id,
    global_id: &'a str,
}

fn handle(ctx: &Context, order: Order) -> StepResult {
    set_status(ctx, &order, "completed")?;
    events::emit("shop.orders.completed", &Completed { order_id: &order.order_id, global_id: &ctx.global_id })?;
    Ok(unchanged())
}

/// Only a person can turn a saga round after its last step. The order is then open again, until `shop.orders.order`
/// rejects it.
fn compensate(ctx: &Context, order: Order, _log: Option<()>) -> StepResult {
    set_status(ctx, &order, "pending")?;
    Ok(unchanged())
}

fn set_status(ctx: &Context, order: &Order, status: &str) -> Result<(), Stop> {
    let orders = keyvalue::shared("orders")?;
    let key = format!("{}/{}", order.order_id, ctx.global_id);
    let mut row: Row = orders
        .get_json(&key)?
        .ok_or_else(|| rejected("unknown-order", format!("there is no order {key}; shop.orders.order writes it")))?;
    row.insert("status".into(), status.into());
    orders.set_json(&key, &row)?;
    Ok(())
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
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR")).with(
            "orders",
            KEY,
            json!({"status": "pending", "item": "book"}),
        )
    }

    fn row(host: &TestHost) -> Option<saga_step::serde_json::Value> {
        host.shared_value::<Row>("orders", KEY).map(Into::into)
    }

    #[test]
    fn the_order_is_completed_and_the_world_is_told() {
        let mut host = host();
        let run = host.handle(ORDER);
        assert_eq!(run.body(), ORDER);
        assert_eq!(row(&host), Some(json!({"status": "completed", "item": "book"})));
        assert_eq!(run.events[0].topic, "shop.orders.completed");
        assert_eq!(run.events[0].body, r#"{"order-id":"o-1","global-id":"test-saga"}"#);
    }

    #[test]
    fn an_order_that_nobody_wrote_is_refused_and_nobody_is_told() {
        let mut host = host();
        let run = host.handle(ORDER.replace("o-1", "o-2"));
        assert_eq!(run.rejected().code, "unknown-order");
        assert!(run.events.is_empty());
    }

    #[test]
    fn undone_the_order_is_open_again() {
        let mut host = host();
        let run = host.handle(ORDER);
        host.undo(&run, Failure::rejected("shop.orders.complete", "operator", "sent back")).done();
        assert_eq!(row(&host), Some(json!({"status": "pending", "item": "book"})));
    }
}
