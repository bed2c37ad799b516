//! The saga step `{{address}}`: counts an account's orders, up to a limit, and takes an order off again.
//! Change it into what you need: the two functions are all there is.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads and writes. Members it does not name go on untouched, in order, digit for digit.
#[derive(Serialize, Deserialize)]
struct Order {
    account: Id,
    amount: Decimal,
    /// New in the body: the next step sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<Decimal>,
}

/// Do the work. Writes to `keyvalue` commit together with the answer, if that is done; `?` on any error means
/// "technical, try again"; `reject!` is a refusal, which turns the saga round.
fn handle(ctx: &Context, mut order: Order) -> StepResult {
    let totals = keyvalue::own()?;
    let key = format!("total/{}", order.account);
    let total = totals.get_json::<Decimal>(&key)?.unwrap_or_default() + order.amount;
    if let Some(limit) = config::parse::<Decimal>("limit")?
        && total > limit
    {
        reject!("limit-exceeded", "account {} would come to {total}, its limit is {limit}", order.account);
    }
    totals.set_json(&key, &total)?;
    info!("saga {}: account {} comes to {total}", ctx.global_id, order.account);
    let added = order.amount;
    order.total = Some(total);
    Ok(done(order).with_compensation(added))
}

/// Undo what `handle` did, with what it left in the log. Called only if a later step turned the saga round.
fn compensate(_ctx: &Context, order: Order, added: Option<Decimal>) -> StepResult {
    let totals = keyvalue::own()?;
    let key = format!("total/{}", order.account);
    let total: Decimal = totals.get_json(&key)?.unwrap_or_default();
    totals.set_json(&key, &(total - added.unwrap_or_default()))?;
    Ok(done(order))
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::TestHost;

    use super::{compensate, handle};

    const ORDER: &str = r#"{"id":9007199254740993,"account":"a-1","amount":0.10}"#;

    fn host() -> TestHost {
        TestHost::new(handle, compensate).config("limit", "0.25")
    }

    #[test]
    fn orders_add_up_to_the_limit() {
        let mut host = host();
        let body = host.handle(ORDER).body().to_owned();
        assert_eq!(body, r#"{"id":9007199254740993,"account":"a-1","amount":0.10,"total":0.10}"#);
        host.handle(ORDER).done();
        assert_eq!(host.handle(ORDER).rejected().code, "limit-exceeded");
        assert_eq!(host.value::<Decimal>("total/a-1").map(|total| total.to_string()), Some("0.20".into()));
    }

    #[test]
    fn undone_the_total_is_what_it_was() {
        let mut host = host();
        let first = host.handle(ORDER);
        let second = host.handle(ORDER);
        let refusal = Failure::rejected("some.later.step", "no-money", "the account is empty");
        host.undo(&second, refusal.clone()).done();
        assert_eq!(host.value("total/a-1"), first.compensation::<Decimal>());
        host.undo(&first, refusal).done();
        assert_eq!(host.value("total/a-1"), Some(Decimal::ZERO));
    }
}
