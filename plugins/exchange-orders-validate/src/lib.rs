//! `exchange.orders.validate`: refuses what can be refused before anything is touched.
//! It leaves nothing behind, so it has no `compensate`: the host hands the body back as it came.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on to the next step untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Order {
    order_id: Id,
    account: Id,
    asset: String,
    amount: Decimal,
}

/// Characters of an account's or order's name: they become part of keys in the steps behind.
const NAME_CHARACTERS_MAX: usize = 64;

fn handle(_ctx: &Context, order: Order) -> StepResult {
    for (what, name) in [("order-id", &order.order_id), ("account", &order.account)] {
        if name.as_str().chars().count() > NAME_CHARACTERS_MAX || name.as_str().chars().any(char::is_control) {
            reject!("invalid-order", "{what} must have at most {NAME_CHARACTERS_MAX} printable characters");
        }
    }
    if !order.amount.is_positive() {
        return rejected("invalid-amount", format!("an amount must be above 0, this one is {}", order.amount))
            .details(order.amount)
            .into();
    }
    if !is_asset_name(&order.asset) {
        reject!("invalid-asset", "an asset is 1 to 12 letters or digits, this one is {:?}", order.asset);
    }
    // An exchange that trades a few assets only lists them in the manifest; without the list, all are traded.
    if let Some(assets) = config::get("assets")?
        && !assets.split(',').any(|asset| asset.trim() == order.asset)
    {
        reject!("unknown-asset", "{} is not traded here; these are: {assets}", order.asset);
    }
    Ok(unchanged())
}

fn is_asset_name(text: &str) -> bool {
    (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

saga_step::export!(handle);

#[cfg(test)]
mod tests {
    use saga_step::testing::{TestHost, json};

    use super::handle;

    fn host() -> TestHost {
        TestHost::without_compensate(handle).manifest_in(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn an_order_goes_on_byte_for_byte() {
        let body = r#"{"note":1.50, "order-id":9007199254740993,"account":"a-1","asset":"BTC","amount":0.10}"#;
        assert_eq!(host().handle(body).body(), body);
    }

    #[test]
    fn amounts_that_are_not_above_nought_are_refused() {
        for amount in ["0", "-0.01"] {
            let body = format!(r#"{{"order-id":"o","account":"a","asset":"BTC","amount":{amount}}}"#);
            assert_eq!(host().handle(body).rejected().code, "invalid-amount");
        }
    }

    #[test]
    fn assets_must_be_names_and_on_the_list_if_there_is_one() {
        let order = |asset: &str| json!({"order-id": "o", "account": "a", "asset": asset, "amount": 1});
        assert_eq!(host().handle(order("BTC/BRL")).rejected().code, "invalid-asset");
        let mut host = host().config("assets", "BTC, ETH");
        assert_eq!(host.handle(order("DOGE")).rejected().code, "unknown-asset");
        host.handle(order("ETH")).done();
    }

    #[test]
    fn a_name_that_cannot_be_part_of_a_key_is_refused() {
        let run = host().handle(json!({"order-id": "o".repeat(65), "account": "a", "asset": "BTC", "amount": 1}));
        assert_eq!(run.rejected().code, "invalid-order");
    }

    #[test]
    fn a_body_without_an_amount_is_refused_with_the_place() {
        let run = host().handle(json!({"order-id": "o", "account": "a", "asset": "BTC"}));
        assert_eq!(run.rejected().code, "invalid-body");
        assert!(run.rejected().reason.contains("missing field `amount`"));
    }
}
