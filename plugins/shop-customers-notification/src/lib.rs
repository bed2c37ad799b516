//! `shop.customers.notification`: tells the customer of an order that it is complete.
//! What was said cannot be unsaid: undone, the customer is told that the order was taken back.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Order {
    order_id: Id,
    amount: Decimal,
    /// Who ordered. An order over the counter has nobody to be told.
    customer: Option<Id>,
}

/// For the topic `shop.customers.notifications`.
#[derive(Serialize)]
struct Notification<'a> {
    customer: &'a Id,
    text: String,
}

fn handle(_ctx: &Context, order: Order) -> StepResult {
    tell(&order, format!("your order {} over {} is complete", order.order_id, order.amount))
}

fn compensate(_ctx: &Context, order: Order, _log: Option<()>) -> StepResult {
    tell(&order, format!("your order {} was taken back", order.order_id))
}

/// The event leaves with the commit of this call: told once, and only of what happened.
fn tell(order: &Order, text: String) -> StepResult {
    if let Some(customer) = &order.customer {
        events::emit("shop.customers.notifications", &Notification { customer, text })?;
    }
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::TestHost;

    use super::{compensate, handle};

    const ORDER: &str = r#"{"order-id":"o-1","item":"book","quantity":2,"amount":12.50,"customer":7}"#;

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn the_customer_is_told_what_became_of_the_order() {
        let mut host = host();
        let run = host.handle(ORDER);
        assert_eq!(run.body(), ORDER);
        assert_eq!(run.events[0].topic, "shop.customers.notifications");
        assert_eq!(run.events[0].body, r#"{"customer":7,"text":"your order o-1 over 12.50 is complete"}"#);
        let undone = host.undo(&run, Failure::rejected("shop.customers.notification", "operator", "sent back"));
        assert_eq!(undone.events[0].body, r#"{"customer":7,"text":"your order o-1 was taken back"}"#);
    }

    #[test]
    fn an_order_of_nobody_tells_nobody() {
        let run = host().handle(r#"{"order-id":"o-1","amount":1}"#);
        assert!(run.events.is_empty());
        run.done();
    }
}
