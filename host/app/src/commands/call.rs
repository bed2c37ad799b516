//! `saga call`: one call of a compiled step, without a host: what it answers, logs, writes and sends.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use host_core::id::{BucketName, Direction, GlobalId, MessageId, Position};
use host_core::json::Json;
use host_core::manifest::Manifest;
use host_core::outcome::{Answer, Outcome};
use host_runtime::{Call, LogLevel, LogLine, MemoryKeyValues, Report, manifest_beside};
use serde_json::json;

use super::{check, input};
use crate::exit::{Exit, Stop};
use crate::terminal::{Terminal, Tone, bytes, printable, say, span};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga call dist/shop.billing.payment.wasm --body '{\"order-id\":\"1\",\"amount\":20}'
  saga call dist/shop.billing.payment.wasm --compensate --body @order.json --log '{\"charged\":20}'
  saga call step.wasm --body '{}' --config limit=10 --kv balance/1=100 --kv 'customers:42=\"ann\"'

Nothing is kept: key-values live for this call. The exit status is 0 if the step answered `done`, 1 otherwise.")]
pub struct Options {
    /// The compiled step; its manifest is read from `<address>.toml` beside it.
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,

    /// Body of the message: JSON text, @file, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    pub body: String,

    /// Call `compensate` instead of `handle`.
    #[arg(long)]
    pub compensate: bool,

    /// Compensation log that `compensate` gets: JSON text, @file, or - for standard input.
    #[arg(long, value_name = "JSON|@FILE|-", requires = "compensate", allow_hyphen_values = true)]
    pub log: Option<String>,

    /// A text of `[config]`, over the manifest's.
    #[arg(long, value_name = "KEY=VALUE", value_parser = input::pair)]
    pub config: Vec<(String, String)>,

    /// A value that is there when the step is called; `bucket:key=value` for a shared bucket.
    #[arg(long, value_name = "KEY=VALUE", value_parser = input::pair)]
    pub kv: Vec<(String, String)>,

    /// Number of the attempt.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: u32,

    /// Identity of the saga.
    #[arg(long, default_value = "trial")]
    pub global_id: GlobalId,

    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let address = check::address(&options.file)?;
    let manifest = manifest_beside(&options.file, &address).map_err(|rejection| Stop::no(rejection.to_string()))?;
    let manifest = configured(manifest, &options.config);
    let key_values = key_values(&manifest, &options.kv)?;
    let call = call(options, &manifest)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (report, logs) = runtime.block_on(async {
        let trial = check::try_under(&options.file, manifest).await?;
        anyhow::Ok(trial.call(&call, key_values).await)
    })?;
    if options.json {
        say(json(&report, &logs))?;
    } else {
        say(page(&report, &logs, Terminal::detect()))?;
    }
    Ok(Exit::of(matches!(report.answer, Answer::Outcome(Outcome::Done { .. }))))
}

fn configured(mut manifest: Manifest, pairs: &[(String, String)]) -> Manifest {
    for (name, value) in pairs {
        manifest.config.retain(|(known, _)| known != name);
        manifest.config.push((name.clone(), value.clone()));
    }
    manifest
}

fn key_values(manifest: &Manifest, pairs: &[(String, String)]) -> anyhow::Result<Arc<MemoryKeyValues>> {
    let key_values = MemoryKeyValues::default();
    for (place, value) in pairs {
        let shared =
            place.split_once(':').filter(|(name, _)| manifest.shared_buckets.iter().any(|known| known == name));
        let (bucket, key) = match shared {
            Some((name, key)) => (format!("{}/{name}", manifest.address.domain()), key),
            None => (manifest.address.to_string(), place.as_str()),
        };
        key_values.put(BucketName::try_new(&bucket)?, key, value.clone());
    }
    Ok(Arc::new(key_values))
}

fn call(options: &Options, manifest: &Manifest) -> anyhow::Result<Call> {
    let direction = if options.compensate { Direction::Compensate } else { Direction::Handle };
    let position = Position(0);
    let global_id = options.global_id.clone();
    let log = options.log.as_deref().map(input::body).transpose().context("--log")?;
    Ok(Call {
        address: manifest.address.clone(),
        digest: None,
        idempotency_key: MessageId { global_id: global_id.clone(), direction, position },
        global_id,
        use_case: None,
        position,
        direction,
        attempt: options.attempt,
        deadline: None,
        signalled: None,
        failure: None,
        headers: Vec::new(),
        body: input::body(&options.body)?,
        compensation_log: log,
    })
}

/// What it answered: the word, its tone, and the lines below it.
fn told(answer: &Answer) -> (String, Tone, Vec<(&'static str, String)>) {
    let json = |json: &Json| json.as_str().to_owned();
    match answer {
        Answer::Outcome(Outcome::Done { body, compensation }) => {
            let log = compensation.iter().map(|log| ("log", json(log)));
            ("done".to_owned(), Tone::Good, [("body", json(body))].into_iter().chain(log).collect())
        }
        Answer::Outcome(Outcome::Rejected { code, reason, details }) => {
            let details = details.iter().map(|details| ("details", json(details)));
            let lines = [("code", code.clone()), ("reason", reason.clone())].into_iter().chain(details).collect();
            ("rejected".to_owned(), Tone::Warning, lines)
        }
        Answer::Outcome(Outcome::Retry { reason, after }) => {
            let after = after.map(|after| ("not before", span(after)));
            ("retry".to_owned(), Tone::Warning, [("reason", reason.clone())].into_iter().chain(after).collect())
        }
        Answer::Outcome(Outcome::Wait { key, reason, timeout }) => {
            let timeout = timeout.map(|timeout| ("at most", span(timeout)));
            let lines = [("key", key.to_string()), ("reason", reason.clone())].into_iter().chain(timeout).collect();
            ("wait".to_owned(), Tone::Warning, lines)
        }
        Answer::Fault(fault) => {
            let kind = host_core::failure::FailureKind::from(fault.kind).as_str();
            (format!("fault: {kind}"), Tone::Bad, vec![("reason", fault.reason.clone())])
        }
    }
}

fn effects(report: &Report) -> Vec<(&'static str, String)> {
    let effects = &report.effects;
    let writes = effects.writes.iter().map(|(bucket, key, value)| match value {
        Some(value) => ("wrote", format!("{bucket} {key} = {}", String::from_utf8_lossy(value))),
        None => ("deleted", format!("{bucket} {key}")),
    });
    let emits = effects.emits.iter().map(|(topic, body)| ("emitted", format!("{topic} {}", body.as_str())));
    let signals = effects.signals.iter().map(|key| ("signalled", key.to_string()));
    writes.chain(emits).chain(signals).collect()
}

fn level(level: LogLevel) -> (&'static str, Tone) {
    match level {
        LogLevel::Trace => ("trace", Tone::Faint),
        LogLevel::Debug => ("debug", Tone::Faint),
        LogLevel::Info => ("info", Tone::Plain),
        LogLevel::Warn => ("warn", Tone::Warning),
        LogLevel::Error => ("error", Tone::Bad),
        LogLevel::Critical => ("critical", Tone::Bad),
    }
}

fn page(report: &Report, logs: &[LogLine], terminal: Terminal) -> String {
    let (word, tone, lines) = told(&report.answer);
    let mut out: Vec<String> = logs
        .iter()
        .map(|line| {
            let (word, tone) = level(line.level);
            format!("{} {} {}", terminal.paint(tone, format_args!("{word:<8}")), line.context, printable(&line.message))
        })
        .collect();
    out.push(terminal.bold(terminal.paint(tone, word)));
    let lines = lines.into_iter().chain(effects(report));
    out.extend(lines.map(|(name, text)| format!("  {name:<10} {}", printable(&text))));
    let (took, memory) = (span(report.usage.took), bytes(report.usage.memory_bytes as u64));
    out.push(format!("  {:<10} {took}, {memory} of memory", "cost"));
    out.join("\n")
}

fn json(report: &Report, logs: &[LogLine]) -> serde_json::Value {
    let (word, _, lines) = told(&report.answer);
    let details: serde_json::Map<_, _> = lines.into_iter().map(|(name, text)| (name.to_owned(), json!(text))).collect();
    let writes = report.effects.writes.iter().map(|(bucket, key, value)| {
        let value = value.as_ref().map(|value| String::from_utf8_lossy(value).into_owned());
        json!({"bucket": bucket, "key": key, "value": value})
    });
    let emits = report.effects.emits.iter().map(|(topic, body)| json!({"topic": topic, "body": body}));
    let logs =
        logs.iter().map(|line| json!({"level": level(line.level).0, "context": line.context, "message": line.message}));
    json!({
        "outcome": word,
        "details": details,
        "writes": writes.collect::<Vec<_>>(),
        "emits": emits.collect::<Vec<_>>(),
        "signals": report.effects.signals,
        "logs": logs.collect::<Vec<_>>(),
        "took-ms": report.usage.took.as_secs_f64() * 1e3,
        "memory-bytes": report.usage.memory_bytes,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn options(file: &std::path::Path, arguments: &[&str]) -> Options {
        let file = file.to_string_lossy();
        let line = ["saga", "call", &*file].into_iter().chain(arguments.iter().copied());
        match crate::cli::Cli::parse_from(line).command {
            crate::cli::Command::Call(options) => options,
            other => panic!("not a call: {other:?}"),
        }
    }

    fn installed(address: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let step = crate::embedded::STEPS.iter().find(|step| step.address == address).expect("an example");
        std::fs::write(folder.path().join(format!("{address}.toml")), step.manifest).expect("writing");
        let file = folder.path().join(format!("{address}.wasm"));
        std::fs::write(&file, step.wasm).expect("writing");
        (folder, file)
    }

    #[test]
    fn a_step_is_called_with_the_values_of_the_command_line() {
        let (_folder, file) = installed("race.payments.pay");
        let body = r#"{"payment-id":"p-1","customer-id":"42","amount":12}"#;
        assert_eq!(run(&options(&file, &["--body", body])).expect("a call"), Exit::No, "it waits for its customer");
        let known = ["--body", body, "--kv", "customers:42={}"];
        assert_eq!(run(&options(&file, &known)).expect("a call"), Exit::Success);
    }

    #[test]
    fn config_of_the_command_line_wins_over_the_manifests() {
        let (_folder, file) = installed("shop.billing.payment");
        let body = r#"{"order-id":"1","amount":20}"#;
        let manifest = manifest_beside(&file, &check::address(&file).expect("an address")).expect("a manifest");
        let manifest = configured(manifest, &[("limit".to_owned(), "10".to_owned())]);
        assert_eq!(manifest.config.iter().filter(|(name, _)| name == "limit").count(), 1);
        assert_eq!(run(&options(&file, &["--body", body, "--config", "limit=10"])).expect("a call"), Exit::No);
        assert_eq!(run(&options(&file, &["--body", body])).expect("a call"), Exit::Success);
    }

    #[test]
    fn the_page_tells_answer_effects_logs_and_cost() {
        let report = Report {
            answer: Answer::Outcome(Outcome::Rejected {
                code: "no-money".to_owned(),
                reason: "it is gone".to_owned(),
                details: None,
            }),
            digest: None,
            effects: host_runtime::Effects::default(),
            usage: host_runtime::Usage::default(),
        };
        let logs =
            [LogLine { level: LogLevel::Warn, context: "step".to_owned(), message: "looking\u{1b}[2J".to_owned() }];
        let page = page(&report, &logs, Terminal::plain());
        let expected = "\
warn     step looking\u{fffd}[2J
rejected
  code       no-money
  reason     it is gone
  cost       0 µs, 0 B of memory";
        assert_eq!(page, expected);
        assert_eq!(json(&report, &logs)["details"]["code"], "no-money");
    }
}
