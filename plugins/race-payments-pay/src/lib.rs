//! `race.payments.pay`: pays for a customer. A payment can be faster than the message that registers its customer: it
//! then waits, with a reason that everybody can see, until the customer is signalled or the manifest's time is over.
//! Nothing polls, and this step needs no database to wait in.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Payment {
    payment_id: Id,
    customer_id: Id,
    amount: Decimal,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(rename_all = "kebab-case")]
struct Row {
    customer_id: Id,
    amount: Decimal,
    status: String,
}

fn key(ctx: &Context, payment: &Payment) -> String {
    format!("payment/{}/{}", payment.payment_id, ctx.global_id)
}

fn handle(ctx: &Context, payment: Payment) -> StepResult {
    let customer = &payment.customer_id;
    // Looked at each time, also after a signal: what counts is the customer, not the news of it.
    if !keyvalue::shared("customers")?.exists(customer.as_str())? {
        // For how long, and what happens then, says [wait] in the manifest; `.timeout(..)` would say it here.
        return wait(format!("customer/{customer}"), format!("customer {customer} is not registered yet")).into();
    }
    if let Some(key) = &ctx.signalled {
        info!("payment {} goes on after {key}", payment.payment_id);
    }
    let row = Row { customer_id: customer.clone(), amount: payment.amount, status: "paid".into() };
    keyvalue::own()?.set_json(&key(ctx, &payment), &row)?;
    Ok(unchanged())
}

fn compensate(ctx: &Context, payment: Payment, _log: Option<()>) -> StepResult {
    let payments = keyvalue::own()?;
    let key = key(ctx, &payment);
    let Some(row) = payments.get_json::<Row>(&key)? else {
        reject!("unknown-payment", "there is no {key} to give back");
    };
    payments.set_json(&key, &Row { status: "refunded".into(), ..row })?;
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::{TestHost, json};

    use super::{Row, compensate, handle};

    const KEY: &str = "payment/p-1/test-saga";
    const PAYMENT: &str = r#"{"payment-id":"p-1","customer-id":42,"amount":12.50,"note":1.0}"#;

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR"))
    }

    #[test]
    fn a_payment_that_comes_before_its_customer_waits_and_then_goes_on() {
        let mut host = host();
        assert_eq!(host.handle(PAYMENT).waits(), &wait("customer/42", "customer 42 is not registered yet"));
        assert!(host.bucket("").is_empty());

        host.put("customers", "42", json!({"registered-by": "another-saga"}));
        host.context().signalled = Some("customer/42".into());
        assert_eq!(host.handle(PAYMENT).body(), PAYMENT);
        assert_eq!(host.value::<Row>(KEY).map(|row| row.status), Some("paid".into()));
    }

    #[test]
    fn a_signal_without_a_customer_is_not_enough() {
        let mut host = host();
        host.context().signalled = Some("customer/42".into());
        assert_eq!(host.handle(PAYMENT).waits().key, "customer/42");
    }

    #[test]
    fn undone_the_money_is_given_back_and_the_payment_stays_on_record() {
        let mut host = host();
        host.put("customers", "42", json!({}));
        let run = host.handle(PAYMENT);
        host.undo(&run, Failure::rejected("race.payments.pay", "operator", "a mistake")).done();
        assert_eq!(host.value::<Row>(KEY).map(|row| row.status), Some("refunded".into()));
        assert_eq!(host.compensate(PAYMENT.replace("p-1", "p-2"), None).rejected().code, "unknown-payment");
    }
}
