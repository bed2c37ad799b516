//! The books: what the buckets of the steps must hold after the sagas that have ended, and nothing else. A balance that
//! was taken from twice, a row that is missing and a row that nobody asked for all show here.

use std::collections::BTreeMap;

use serde_json::Value;

use super::ledger::Wish;
use super::plan::{End, LATE};

/// What the manifests of the examples say an account and an item begin with.
const OPENING: u64 = 1_000_000;

const LEDGER: &str = "exchange.ledger.core";
const SERVICE_A: &str = "exchange.settlement.service-a";
const SERVICE_B: &str = "exchange.settlement.service-b";
const STOCK: &str = "shop.inventory.stock";
const ORDERS: &str = "shop/orders";
const BILLING: &str = "shop.billing.payment";
const CUSTOMERS: &str = "race/customers";
const PAYMENTS: &str = "race.payments.pay";
const REVIEWS: &str = "review/reviews";
const VERDICTS: &str = "review.moderation.check";

/// Every bucket that the examples write.
pub const BUCKETS: [&str; 10] =
    [LEDGER, SERVICE_A, SERVICE_B, STOCK, ORDERS, BILLING, CUSTOMERS, PAYMENTS, REVIEWS, VERDICTS];

/// (bucket, key) and what matters of the value, as a text.
pub type Rows = BTreeMap<(&'static str, String), String>;

/// Everything since the database was empty.
#[derive(Default)]
pub struct Books {
    /// Rows of one saga each.
    rows: Rows,
    /// Sums of many: amount and number.
    sums: BTreeMap<(&'static str, String), (u64, u64)>,
    /// Orders whose completion the world was told of.
    pub told_count: u64,
}

impl Books {
    /// A saga has ended.
    pub fn enter(&mut self, id: &str, wish: &Wish, end: End) {
        let text = |member: &str| wish.body[member].as_str().unwrap_or_default().to_owned();
        let completed = end == End::Completed;
        match wish.use_case.as_str() {
            "uc-1-1" | "uc-1-2" if completed => {
                let (account, amount) = (text("account"), number(&wish.body["amount"]));
                self.add(LEDGER, format!("balance/BTC/{account}"), amount);
                self.add(SERVICE_B, format!("booked/BTC/{account}"), amount);
                if wish.use_case == "uc-1-1" {
                    self.add(SERVICE_A, format!("position/BTC/{account}"), amount);
                }
            }
            "shop" => {
                let key = format!("{}/{id}", text("order-id"));
                self.row(ORDERS, key.clone(), if completed { "completed" } else { "rejected" });
                if completed {
                    self.add(STOCK, format!("stock/{}", text("item")), number(&wish.body["quantity"]));
                    self.row(BILLING, format!("payment/{key}"), "charged");
                    self.told_count += 1;
                }
            }
            "pay" if completed => self.row(PAYMENTS, format!("payment/{}/{id}", text("payment-id")), "paid"),
            "register-customer" if completed => self.row(CUSTOMERS, text("customer-id"), id),
            "review" => {
                let key = format!("{}/{id}", text("review-id"));
                self.row(REVIEWS, key.clone(), if completed { "published" } else { "rejected" });
                if completed {
                    self.row(VERDICTS, format!("verdict/{key}"), "approved");
                }
            }
            // Undone without a trace.
            "uc-1-1" | "uc-1-2" | "pay" | "register-customer" | LATE => {}
            other => unreachable!("the plan knows no use case {other}"),
        }
    }

    fn row(&mut self, bucket: &'static str, key: String, value: &str) {
        self.rows.insert((bucket, key), value.to_owned());
    }

    fn add(&mut self, bucket: &'static str, key: String, amount: u64) {
        let sum = self.sums.entry((bucket, key)).or_default();
        sum.0 += amount;
        sum.1 += 1;
    }

    fn expected(&self) -> Rows {
        let mut rows = self.rows.clone();
        for ((bucket, key), (amount, count)) in &self.sums {
            let value = match *bucket {
                LEDGER | STOCK => OPENING.saturating_sub(*amount).to_string(),
                _ => format!("{amount} in {count}"),
            };
            rows.insert((bucket, key.clone()), value);
        }
        rows
    }

    /// Where the buckets say something else.
    pub fn compare(&self, found: &Rows) -> Vec<String> {
        let expected = self.expected();
        let mut wrong = Vec::new();
        for ((bucket, key), value) in &expected {
            match found.get(&(*bucket, key.clone())) {
                Some(held) if held == value => {}
                Some(held) => {
                    let place = format!("bucket {bucket}, key {key}");
                    wrong.push(format!("{place}: it holds {held}, the sagas that ended make it {value}"));
                }
                None => {
                    let place = format!("bucket {bucket}, key {key}");
                    wrong.push(format!("{place}: it is missing, the sagas that ended make it {value}"));
                }
            }
        }
        for ((bucket, key), held) in found {
            // Touched by sagas that were all undone.
            let is_untouched = matches!(*bucket, LEDGER | STOCK) && *held == OPENING.to_string();
            if !is_untouched && !expected.contains_key(&(*bucket, key.clone())) {
                wrong.push(format!("bucket {bucket}, key {key}: it holds {held}, and no saga that ended left that"));
            }
        }
        wrong
    }
}

/// What matters of a stored value.
pub fn essence(bucket: &str, value: &Value) -> String {
    match bucket {
        LEDGER | STOCK => plain(value),
        SERVICE_A | SERVICE_B => format!("{} in {}", plain(&value["amount"]), plain(&value["orders"])),
        CUSTOMERS => plain(&value["registered-by"]),
        VERDICTS => plain(value),
        _ => plain(&value["status"]),
    }
}

/// A text as it is, a number without what decimals leave behind the point.
fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match text.split_once('.') {
        Some((whole, part)) if part.bytes().all(|digit| digit == b'0') => whole.to_owned(),
        Some(_) | None => text,
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wish(use_case: &str, body: Value) -> Wish {
        let (use_case, expected) = (use_case.to_owned(), End::Completed);
        Wish { use_case, body, expected, is_accepted: true, told: Vec::new(), heard: Vec::new() }
    }

    /// Two orders, one of them undone, a shop order of each end, a payment with its customer, a review of each end.
    fn books() -> Books {
        let mut books = Books::default();
        let order = |amount: u64| wish("uc-1-1", json!({"account": "acc-1", "amount": amount}));
        let shop = |id: &str| wish("shop", json!({"order-id": id, "item": "item-1", "quantity": 3}));
        let review = |id: &str| wish("review", json!({"review-id": id}));
        books.enter("o-1", &order(7), End::Completed);
        books.enter("o-2", &order(600_000), End::Compensated);
        books.enter("s-1", &shop("s-1"), End::Completed);
        books.enter("s-2", &shop("s-2"), End::Compensated);
        books.enter("p", &wish("pay", json!({"payment-id": "p"})), End::Completed);
        books.enter("c", &wish("register-customer", json!({"customer-id": "p"})), End::Completed);
        books.enter("r-1", &review("r-1"), End::Completed);
        books.enter("r-2", &review("r-2"), End::Compensated);
        books
    }

    fn found() -> Rows {
        let held = [
            (LEDGER, "balance/BTC/acc-1", json!("999993.00")),
            (LEDGER, "balance/BTC/acc-2", json!("1000000.00")),
            (SERVICE_A, "position/BTC/acc-1", json!({"amount": 7, "orders": 1})),
            (SERVICE_B, "booked/BTC/acc-1", json!({"amount": "7", "orders": 1})),
            (STOCK, "stock/item-1", json!(999_997)),
            (ORDERS, "s-1/s-1", json!({"status": "completed"})),
            (ORDERS, "s-2/s-2", json!({"status": "rejected"})),
            (BILLING, "payment/s-1/s-1", json!({"status": "charged"})),
            (CUSTOMERS, "p", json!({"registered-by": "c"})),
            (PAYMENTS, "payment/p/p", json!({"status": "paid"})),
            (REVIEWS, "r-1/r-1", json!({"status": "published"})),
            (REVIEWS, "r-2/r-2", json!({"status": "rejected"})),
            (VERDICTS, "verdict/r-1/r-1", json!("approved")),
        ];
        held.into_iter().map(|(bucket, key, value)| ((bucket, key.to_owned()), essence(bucket, &value))).collect()
    }

    #[test]
    fn books_that_agree_say_nothing() {
        let books = books();
        assert_eq!(books.compare(&found()), Vec::<String>::new());
        assert_eq!(books.told_count, 1);
    }

    #[test]
    fn a_doubled_a_lost_and_a_foreign_effect_are_named() {
        let books = books();
        for (bucket, key, value, words) in [
            (LEDGER, "balance/BTC/acc-1", "999986", "holds 999986, the sagas that ended make it 999993"),
            (SERVICE_B, "booked/BTC/acc-1", "14 in 2", "holds 14 in 2, the sagas that ended make it 7 in 1"),
            (ORDERS, "s-2/s-2", "pending", "holds pending, the sagas that ended make it rejected"),
            (VERDICTS, "verdict/r-2/r-2", "approved", "no saga that ended left that"),
            (LEDGER, "balance/BTC/acc-3", "5", "no saga that ended left that"),
        ] {
            let mut rows = found();
            rows.insert((bucket, key.to_owned()), value.to_owned());
            let wrong = books.compare(&rows);
            assert!(wrong.len() == 1 && wrong[0].contains(words) && wrong[0].contains(key), "{words}: {wrong:?}");
        }
        let mut rows = found();
        rows.remove(&(PAYMENTS, "payment/p/p".to_owned()));
        let wrong = books.compare(&rows);
        assert!(wrong.len() == 1 && wrong[0].contains("payment/p/p: it is missing"), "{wrong:?}");
    }
}
