//! `race.customers.register`: registers a customer, and signals `customer/<id>` to those who wait for it.
//! Row and signal leave in one commit: whoever is woken finds the customer.
#![forbid(unsafe_code)]

use saga_step::prelude::*;

/// What of the body this step reads. Keys it doesn't name go on untouched.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Registration {
    customer_id: Id,
}

/// A customer as it is kept. The bucket is shared with `race.payments.pay`.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[serde(rename_all = "kebab-case")]
struct Customer {
    /// The saga that registered it.
    registered_by: String,
}

/// Whether this saga registered the customer, or found it registered already.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Registered {
    is_new: bool,
}

fn handle(ctx: &Context, registration: Registration) -> StepResult {
    let customers = keyvalue::shared("customers")?;
    let id = &registration.customer_id;
    let is_new = !customers.exists(id.as_str())?;
    if is_new {
        customers.set_json(id.as_str(), &Customer { registered_by: ctx.global_id.clone() })?;
    }
    // Remembered for those who come to wait later, too.
    events::signal(&format!("customer/{id}"))?;
    Ok(unchanged().with_compensation(Registered { is_new }))
}

fn compensate(_ctx: &Context, registration: Registration, log: Option<Registered>) -> StepResult {
    // A customer whom another saga registered is not ours to take away.
    if log.is_some_and(|registered| registered.is_new) {
        keyvalue::shared("customers")?.delete(registration.customer_id.as_str())?;
    }
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

#[cfg(test)]
mod tests {
    use saga_step::prelude::*;
    use saga_step::testing::TestHost;

    use super::{Customer, compensate, handle};

    fn host() -> TestHost {
        TestHost::new(handle, compensate).manifest_in(env!("CARGO_MANIFEST_DIR"))
    }

    fn operator() -> Failure {
        Failure::rejected("race.customers.register", "operator", "a mistake")
    }

    #[test]
    fn a_customer_is_registered_and_signalled() {
        let mut host = host();
        let body = r#"{"customer-id":42,"name":"Ann"}"#;
        let run = host.handle(body);
        assert_eq!(run.body(), body);
        assert_eq!(run.signals, ["customer/42"]);
        assert_eq!(host.shared_value("customers", "42"), Some(Customer { registered_by: "test-saga".into() }));
    }

    #[test]
    fn undone_a_new_customer_is_gone() {
        let mut host = host();
        let run = host.handle(r#"{"customer-id":"c-1"}"#);
        host.undo(&run, operator()).done();
        assert!(host.bucket("customers").is_empty());
    }

    #[test]
    fn a_customer_of_another_saga_is_signalled_again_and_never_taken_away() {
        let mut host = host();
        host.put("customers", "c-1", Customer { registered_by: "another".into() });
        let run = host.handle(r#"{"customer-id":"c-1"}"#);
        assert_eq!(run.signals, ["customer/c-1"]);
        host.undo(&run, operator()).done();
        assert_eq!(host.shared_value("customers", "c-1"), Some(Customer { registered_by: "another".into() }));
    }
}
