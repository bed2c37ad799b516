//! The conformance step in Rust: does what its body says, as the README beside this folder describes it.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU64, Ordering};

use saga_step::prelude::*;
use saga_step::serde_json::value::RawValue;
use saga_step::serde_json::{self, json};

static CALLS: AtomicU64 = AtomicU64::new(0);

#[derive(Serialize, Deserialize)]
struct Body {
    r#do: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plus: Option<Decimal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner: Option<Inner>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Item>>,
}

#[derive(Serialize, Deserialize)]
struct Inner {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    name: String,
    count: i64,
}

impl Body {
    fn to(&self) -> &str {
        self.to.as_deref().unwrap_or_default()
    }
}

fn handle(ctx: &Context, mut body: Body) -> StepResult {
    CALLS.fetch_add(1, Ordering::Relaxed);
    match body.r#do.as_str() {
        "unchanged" => return Ok(unchanged()),
        "replace" => return Ok(replaced(json!({"fresh": true, "note": body.to}))),
        "remember" => {
            let log: Box<RawValue> = serde_json::from_str(body.to())?;
            return Ok(done(body).with_compensation(log));
        }
        "set" => body.note = body.to.clone(),
        "remove" => body.note = None,
        "inner" => set_inner(&mut body),
        "item" => grow_item(&mut body),
        "append" => {
            body.items.get_or_insert_default().push(Item { name: body.to.clone().unwrap_or_default(), count: 1 })
        }
        "drop" => drop_item(&mut body),
        "add" => body.amount = body.amount.zip(body.plus).map(|(amount, plus)| amount + plus),
        "increase" => body.count = body.count.map(|count| count + 1),
        "config" => body.note = Some(config::get(body.to())?.unwrap_or_else(|| "(none)".into())),
        "keyvalue" => body.note = Some(use_bucket(&keyvalue::own()?, body.to())?),
        "shared" => body.note = Some(use_bucket(&keyvalue::shared("orders")?, body.to())?),
        "foreign" => drop(keyvalue::shared("strangers")?),
        "emit" => {
            events::emit("shop.orders.shipped", &json!({"note": body.to}))?;
            events::signal(&format!("customer/{}", body.note.as_deref().unwrap_or_default()))?;
        }
        "astray" => events::emit(body.to(), &json!({}))?,
        "log" => log_at_each_level(body.to()),
        "chance" => body.note = Some(format!("{}:", random::u64()?)),
        "clock" => body.note = Some(now_ms()?.to_string()),
        "calls" => body.note = Some(CALLS.load(Ordering::Relaxed).to_string()),
        "loop" => spin(),
        "grow" => grow(),
        _ => return of_both(ctx, body),
    }
    Ok(done(body))
}

fn compensate(ctx: &Context, mut body: Body, log: Option<Box<RawValue>>) -> StepResult {
    if matches!(body.r#do.as_str(), "reject" | "retry" | "wait" | "error" | "panic" | "context") {
        return of_both(ctx, body);
    }
    body.note = Some(log.map_or("(none)".to_owned(), |log| log.get().to_owned()));
    Ok(done(body))
}

/// The acts of both directions.
fn of_both(ctx: &Context, mut body: Body) -> StepResult {
    let note = body.note.clone().unwrap_or_default();
    let span = body.count.and_then(|count| u64::try_from(count).ok()).map(std::time::Duration::from_millis);
    match body.r#do.as_str() {
        "reject" => rejected(body.to(), format!("refused: {note}")).details(json!({"note": note})).into(),
        "retry" => span.into_iter().fold(retry(body.to()), Retry::after).into(),
        "wait" => span.into_iter().fold(wait(body.to(), note), Wait::timeout).into(),
        "error" => Err(std::io::Error::other(body.to().to_owned()).into()),
        "panic" => deep(body.to()),
        "context" => {
            body.note = Some(context_text(ctx));
            Ok(done(body))
        }
        other => rejected("no-such-act", format!("there is no act {other}")).into(),
    }
}

#[inline(never)]
fn deep(words: &str) -> ! {
    panic!("{words}")
}

fn set_inner(body: &mut Body) {
    let to = body.to.clone();
    if let Some(inner) = &mut body.inner {
        inner.note = to;
    }
}

fn grow_item(body: &mut Body) {
    let name = body.to.clone();
    let items = body.items.iter_mut().flatten();
    items.filter(|item| Some(&item.name) == name.as_ref()).for_each(|item| item.count += 1);
}

fn drop_item(body: &mut Body) {
    let name = body.to.clone();
    if let Some(items) = &mut body.items {
        items.retain(|item| Some(&item.name) != name.as_ref());
    }
}

fn use_bucket(bucket: &keyvalue::Bucket, to: &str) -> Result<String, keyvalue::Error> {
    bucket.set("a", to.as_bytes())?;
    bucket.delete("b")?;
    let value = String::from_utf8_lossy(&bucket.get("a")?.unwrap_or_default()).into_owned();
    let there = if bucket.exists("b")? { "yes" } else { "no" };
    Ok(format!("a={value}, b={there}, keys={}", bucket.keys()?.join(",")))
}

fn log_at_each_level(words: &str) {
    trace!("{words}");
    debug!("{words}");
    info!("{words}");
    warn!("{words}");
    error!("{words}");
}

fn now_ms() -> Result<u128, std::time::SystemTimeError> {
    Ok(time::now().duration_since(std::time::UNIX_EPOCH)?.as_millis())
}

fn spin() {
    let mut value = 1_u64;
    loop {
        value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005));
    }
}

fn grow() {
    let mut kept = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn context_text(ctx: &Context) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let mut words = vec![
        ctx.global_id.clone(),
        or_dash(ctx.use_case.clone()),
        or_dash(ctx.use_case_version.map(|version| version.to_string())),
        ctx.address.clone(),
        ctx.position.to_string(),
        ctx.direction.as_str().to_owned(),
        ctx.attempt.to_string(),
        ctx.idempotency_key.clone(),
        or_dash(ctx.deadline.clone()),
        or_dash(ctx.signalled.clone()),
        or_dash(ctx.header("trace")),
    ];
    if let Some(failure) = &ctx.failure {
        let position = failure.position.to_string();
        words.push(position);
        words.extend([&failure.address, &failure.kind, &failure.code, &failure.reason].map(Clone::clone));
    }
    words.join(" ")
}

saga_step::export!(handle, compensate);
