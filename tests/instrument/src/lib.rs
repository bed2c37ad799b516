//! A step that does as it is told. Served under several addresses, it looks in the body for orders under the last word
//! of its own: `{"one":{"reject":"no"}}` is obeyed by `test.instrument.one`. Orders for `compensate` stand under
//! `one-undo`. Without an order it counts itself and is done. It must not be anything that a scenario has to guess.
#![forbid(unsafe_code)]

#[cfg(not(feature = "stateless"))]
use std::collections::BTreeMap;
use std::time::Duration;

use saga_step::prelude::*;
use serde_json::{Map, Value, json};

type Body = Map<String, Value>;

/// What a scenario may ask of one call. Each is looked at in the order of the fields.
#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Order {
    /// Compute for so many milliseconds.
    spin_ms: u64,
    /// Fail technically before this attempt.
    retry_until: u32,
    /// Fail technically while the manifest's `mark` has this value.
    retry_while_mark: Option<String>,
    /// Wait for this key, unless it was signalled.
    wait: Option<String>,
    /// With `wait`: for how long.
    wait_ms: Option<u64>,
    /// Trap with this text.
    panic: Option<String>,
    /// Compute without end.
    hang: bool,
    /// Refuse with this code.
    reject: Option<String>,
    /// Signal this key.
    signal: Option<String>,
    /// Publish to this topic.
    emit: Option<String>,
    /// Write this value of the manifest's `[config]` into the body, under the step's name.
    tell: Option<String>,
    /// Answer a page of a bucket instead of the body: see `Dump`.
    dump: Option<Dump>,
}

/// A page of keys and values.
#[derive(Deserialize)]
#[cfg_attr(feature = "stateless", expect(dead_code, reason = "there is nothing to dump"))]
#[serde(rename_all = "kebab-case")]
struct Dump {
    /// A shared bucket; none for the step's own.
    shared: Option<String>,
    /// The cursor of the page before.
    cursor: Option<String>,
}

fn handle(ctx: &Context, mut body: Body) -> StepResult {
    let name = name(ctx);
    let order = order(&body, name)?;
    if let Some(dump) = &order.dump {
        return Ok(replaced(page(dump)?));
    }
    obey(ctx, &order)?;
    if let Some(key) = &order.tell {
        body.insert(format!("{name}-told"), config::get(key)?.into());
    }
    count(ctx, "handled")?;
    let told = json!({"by": ctx.address, "attempt": ctx.attempt});
    if order.tell.is_some() { Ok(done(body).with_compensation(told)) } else { Ok(unchanged().with_compensation(told)) }
}

fn compensate(ctx: &Context, body: Body, log: Option<Value>) -> StepResult {
    obey(ctx, &order(&body, &format!("{}-undo", name(ctx)))?)?;
    if log.as_ref().and_then(|log| log.get("by")).and_then(Value::as_str) != Some(ctx.address.as_str()) {
        reject!("wrong-log", "the compensation log is not what handle left: {log:?}");
    }
    count(ctx, "undone")?;
    Ok(unchanged())
}

saga_step::export!(handle, compensate);

fn name(ctx: &Context) -> &str {
    ctx.address.rsplit('.').next().unwrap_or_default()
}

fn order(body: &Body, name: &str) -> Result<Order, Stop> {
    let Some(order) = body.get(name) else { return Ok(Order::default()) };
    serde_json::from_value(order.clone()).or_reject("bad-order")
}

fn obey(ctx: &Context, order: &Order) -> Result<(), Stop> {
    spin(Duration::from_millis(order.spin_ms));
    if ctx.attempt < order.retry_until {
        return Err(retry(format!("told to fail until attempt {}", order.retry_until)).into());
    }
    if order.retry_while_mark.is_some() && order.retry_while_mark == config::get("mark")? {
        return Err(retry("told to fail while the mark is this").into());
    }
    if let (Some(key), None) = (&order.wait, &ctx.signalled) {
        let mut parked = wait(key, format!("told to wait for {key}"));
        if let Some(ms) = order.wait_ms {
            parked = parked.timeout(Duration::from_millis(ms));
        }
        return Err(parked.into());
    }
    if let Some(text) = &order.panic {
        panic!("{text}");
    }
    if order.hang {
        spin(Duration::MAX);
    }
    if let Some(code) = &order.reject {
        return Err(rejected(code, format!("told to refuse with {code}")).into());
    }
    if let Some(key) = &order.signal {
        events::signal(key)?;
    }
    if let Some(topic) = &order.emit {
        events::emit(topic, &json!({"by": ctx.address, "global-id": ctx.global_id}))?;
    }
    Ok(())
}

fn spin(span: Duration) {
    let start = std::time::Instant::now();
    while start.elapsed() < span {
        std::hint::spin_loop();
    }
}

/// One key per saga, so that sagas do not disturb each other, with how often it was written.
#[cfg(not(feature = "stateless"))]
fn count(ctx: &Context, what: &str) -> Result<(), Stop> {
    let counts = keyvalue::own()?;
    let key = format!("{what}/{}", ctx.global_id);
    let count: u64 = counts.get_json(&key)?.unwrap_or_default();
    counts.set_json(&key, &(count + 1))?;
    Ok(())
}

#[cfg(feature = "stateless")]
fn count(_ctx: &Context, _what: &str) -> Result<(), Stop> {
    Ok(())
}

#[cfg(feature = "stateless")]
fn page(_dump: &Dump) -> Result<Value, Stop> {
    Err(rejected("stateless", "this instrument keeps nothing").into())
}

#[cfg(not(feature = "stateless"))]
fn page(dump: &Dump) -> Result<Value, Stop> {
    let bucket = match &dump.shared {
        Some(name) => keyvalue::shared(name)?,
        None => keyvalue::own()?,
    };
    let (keys, cursor) = bucket.keys_page(dump.cursor.as_deref())?;
    let mut entries = BTreeMap::new();
    for key in keys {
        let value: Option<Value> = bucket.get_json(&key)?;
        entries.insert(key, value);
    }
    Ok(json!({"entries": entries, "cursor": cursor}))
}

#[cfg(test)]
mod tests {
    use saga_step::testing::TestHost;
    use serde_json::json;

    use super::{compensate, handle};

    fn host() -> TestHost {
        let mut host = TestHost::new(handle, compensate);
        host.context().address = "test.instrument.one".to_owned();
        host
    }

    #[test]
    fn it_obeys_orders_under_its_own_name_only() {
        let mut host = host();
        assert_eq!(host.handle(json!({"one": {"reject": "no"}})).rejected().code, "no");
        host.handle(json!({"two": {"reject": "no"}})).done();
        assert_eq!(host.handle(json!({"one": {"wait": "k"}})).waits().key, "k");
        assert_eq!(host.handle(json!({"one": {"typo": 1}})).rejected().code, "bad-order");
    }

    #[test]
    fn it_counts_what_it_did_and_dumps_it() {
        let mut host = host();
        let run = host.handle(json!({}));
        assert_eq!(host.value("handled/test-saga"), Some(1));
        host.undo(&run, super::Failure::rejected("x.y.z", "no", "no")).done();
        let dumped = host.handle(json!({"one": {"dump": {}}}));
        assert_eq!(dumped.body(), r#"{"entries":{"handled/test-saga":1,"undone/test-saga":1},"cursor":null}"#);
    }
}
