//! `shop.inventory.stock`: reserves what an order needs of an item, and releases it again.
//! A redelivered message takes nothing out twice: the host applies the writes of one message once.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on to the next step untouched.
#[derive(Serialize, Deserialize)]
struct Order {
    item: Id,
    quantity: u64,
}

/// What was taken out: handed back to `compensate`, whatever later steps make of the body.
#[derive(Serialize, Deserialize)]
struct Reserved {
    key: String,
    quantity: u64,
}

fn handle(_ctx: &Context, order: Order) -> StepResult {
    let stocks = keyvalue::own()?;
    let key = format!("stock/{}", order.item);
    let stock = match stocks.get_json::<u64>(&key)? {
        Some(stock) => stock,
        None => opening_stock(&order.item)?,
    };
    let Some(rest) = stock.checked_sub(order.quantity) else {
        reject!("out-of-stock", "{} of {} are asked, {stock} are there", order.quantity, order.item);
    };
    stocks.set_json(&key, &rest)?;
    Ok(unchanged().with_compensation(Reserved { key, quantity: order.quantity }))
}

fn compensate(_ctx: &Context, _order: Order, reserved: Option<Reserved>) -> StepResult {
    let Some(Reserved { key, quantity }) = reserved else {
        reject!("no-compensation-log", "it is not known what was reserved");
    };
    let stocks = keyvalue::own()?;
    let stock = stocks.get_json::<u64>(&key)?.unwrap_or_default();
    let Some(stock) = stock.checked_add(quantity) else {
        reject!("stock-too-high", "{stock} and {quantity} of {key} are more than can be counted");
    };
    stocks.set_json(&key, &stock)?;
    info!("{quantity} of {key} are released");
    Ok(unchanged())
}

/// What there is of an item that was never asked for: its own figure in the manifest, or that for all items.
fn opening_stock(item: &Id) -> Result<u64, config::Error> {
    match config::parse(&format!("opening-stock.{item}"))? {
        Some(stock) => Ok(stock),
        None => Ok(config::parse("opening-stock")?.unwrap_or(0)),
    }
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::TestHost;

    use super::{compensate, handle};

    const ORDER: &str = r#"{"order-id":"o-1","item":"book","quantity":2,"amount":12.50,"gift":true}"#;

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR")).with("", "stock/book", 3)
    }

    #[test]
    fn what_an_order_needs_is_taken_out() {
        let mut host = host();
        assert_eq!(host.handle(ORDER).body(), ORDER);
        assert_eq!(host.value("stock/book"), Some(1));
        assert_eq!(host.handle(ORDER).rejected().reason, "2 of book are asked, 1 are there");
        assert_eq!(host.value("stock/book"), Some(1));
    }

    #[test]
    fn undone_the_stock_is_released() {
        let mut host = host();
        let before = host.bucket("");
        let run = host.handle(ORDER);
        host.undo(&run, Failure::rejected("shop.billing.payment", "payment-refused", "no")).done();
        assert_eq!(host.bucket(""), before);
    }

    #[test]
    fn an_item_begins_with_its_own_opening_stock_or_that_of_all() {
        let mut host = host().config("opening-stock", "9").config("opening-stock.7", "5");
        host.handle(r#"{"item":7,"quantity":1}"#).done();
        host.handle(r#"{"item":"pen","quantity":1}"#).done();
        assert_eq!((host.value("stock/7"), host.value("stock/pen")), (Some(4), Some(8)));
    }

    #[test]
    fn a_stock_that_cannot_be_read_from_the_manifest_says_where() {
        let run = host().config("opening-stock", "many").handle(r#"{"item":"pen","quantity":1}"#);
        assert!(run.retry().reason.contains("`many` under [config] opening-stock"), "{}", run.retry().reason);
    }
}
