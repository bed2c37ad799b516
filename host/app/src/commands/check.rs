//! `saga check`: everything a host would look at before it serves a step, and what the step costs.

use std::path::{Path, PathBuf};

use clap::Args;
use host_core::id::StepAddress;
use host_core::manifest::Manifest;
use host_runtime::{STEP_VERSION, Trial, manifest_beside};
use serde_json::json;

use super::plugins::short_digest;
use crate::exit::{Exit, Stop};
use crate::terminal::{Terminal, Tone, bytes, printable, say, span};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga check dist/shop.billing.payment.wasm
  saga check plugins/*.wasm
  saga check dist/shop.billing.payment.wasm --json | jq .imports

The manifest is read from <address>.toml beside the file. The exit status is 1 if a host would reject a file.")]
pub struct Options {
    /// Compiled steps; the name of each file is its address.
    #[arg(required = true, value_name = "FILE.wasm")]
    pub files: Vec<PathBuf>,

    /// Print JSON, one line a file.
    #[arg(long)]
    pub json: bool,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let terminal = Terminal::detect();
    let mut all_good = true;
    for file in &options.files {
        let found = runtime.block_on(try_out(file));
        all_good &= found.is_ok();
        if options.json {
            say(line(file, &found))?;
        } else {
            say(page(file, &found, terminal))?;
        }
    }
    Ok(Exit::of(all_good))
}

/// The address that a file's name is.
pub fn address(file: &Path) -> Result<StepAddress, Stop> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.strip_suffix(".wasm").ok_or_else(|| Stop::usage(format!("{name} is no .wasm file")))?;
    StepAddress::try_new(stem)
        .map_err(|error| Stop::no(format!("{error}; name the file <domain>.<subdomain>.<service>.wasm")))
}

/// What a host would do with the file: check, compile, start once.
pub async fn try_out(file: &Path) -> Result<Trial, Stop> {
    let address = address(file)?;
    let manifest = manifest_beside(file, &address).map_err(|rejection| Stop::no(rejection.to_string()))?;
    try_under(file, manifest).await
}

/// The same under a manifest that the caller changed.
pub async fn try_under(file: &Path, manifest: Manifest) -> Result<Trial, Stop> {
    Trial::try_new(file, manifest).await.map_err(|rejection| Stop::no(rejection.to_string()))
}

/// Imports that a reader wants to see: those of WASI that every language's library brings say nothing.
fn telling_imports(trial: &Trial) -> Vec<&str> {
    const SILENT: [&str; 6] =
        ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];
    let imports = trial.inspection.imports.iter().map(String::as_str);
    imports.filter(|import| !SILENT.iter().any(|package| import.starts_with(package))).collect()
}

fn page(file: &Path, found: &Result<Trial, Stop>, terminal: Terminal) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let trial = match found {
        Ok(trial) => trial,
        Err(stop) => return format!("{} {name}: {}", terminal.paint(Tone::Bad, "rejected"), printable(&stop.message)),
    };
    let list = |words: Vec<&str>| if words.is_empty() { "none".to_owned() } else { words.join(", ") };
    let grants = trial.manifest.grants.iter().map(|grant| grant.as_str()).collect();
    [
        format!("{} {}", terminal.paint(Tone::Good, "good"), terminal.bold(&trial.manifest.address)),
        format!("  digest     {}", short_digest(&trial.digest.to_string())),
        format!("  made for   saga:step@{STEP_VERSION}"),
        format!("  imports    {}", list(telling_imports(trial))),
        format!("  grants     {}", list(grants)),
        format!("  size       {}", bytes(trial.inspection.wasm_bytes)),
        format!("  compiled   in {}, once for each new file", span(trial.compile_time)),
        format!("  started    in {}", span(trial.start_time)),
        format!("  instances  {}", instances(trial.calls_per_instance)),
        format!("  memory     {} of an instance that has just been started", bytes(trial.instance_memory_bytes as u64)),
    ]
    .join("\n")
}

/// For how many calls one instance is used.
fn instances(calls: Option<u32>) -> String {
    match calls {
        Some(1) => "a fresh one for each call".to_owned(),
        Some(calls) => format!("each serves {calls} calls, one after the other (calls-per-instance)"),
        None => "each serves calls without end (calls-per-instance)".to_owned(),
    }
}

fn line(file: &Path, found: &Result<Trial, Stop>) -> serde_json::Value {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match found {
        Ok(trial) => json!({
            "file": name,
            "good": true,
            "address": trial.manifest.address,
            "digest": trial.digest,
            "step-version": STEP_VERSION,
            "imports": trial.inspection.imports,
            "grants": trial.manifest.grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
            "wasm-bytes": trial.inspection.wasm_bytes,
            "compile-ms": trial.compile_time.as_secs_f64() * 1e3,
            "start-ms": trial.start_time.as_secs_f64() * 1e3,
            "calls-per-instance": trial.calls_per_instance,
            "memory-bytes": trial.instance_memory_bytes,
        }),
        Err(stop) => json!({"file": name, "good": false, "reason": stop.message}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(folder: &Path) -> PathBuf {
        let step = crate::embedded::STEPS.iter().find(|step| step.manifest.contains("keyvalue")).expect("an example");
        std::fs::write(folder.join(format!("{}.toml", step.address)), step.manifest).expect("writing");
        let file = folder.join(format!("{}.wasm", step.address));
        std::fs::write(&file, step.wasm).expect("writing");
        file
    }

    #[tokio::test]
    async fn a_good_step_is_told_with_its_cost() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = example(folder.path());
        let found = try_out(&file).await;
        let page = page(&file, &found, Terminal::plain());
        for part in ["good ", "saga:step@0.1.0", "wasi:keyvalue/store", "KiB", "memory", "instances  a fresh one"] {
            assert!(page.contains(part), "{part} is missing in\n{page}");
        }
        assert_eq!(line(&file, &found)["good"], true);
    }

    #[tokio::test]
    async fn a_missing_grant_is_told_by_its_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = example(folder.path());
        std::fs::write(file.with_extension("toml"), "").expect("writing");
        let found = try_out(&file).await;
        let page = page(&file, &found, Terminal::plain());
        assert!(page.starts_with("rejected ") && page.contains("\"keyvalue\""), "{page}");
        assert_eq!(line(&file, &found)["good"], false);
    }

    #[test]
    fn a_name_that_is_no_address_is_refused() {
        assert_eq!(
            address(Path::new("x/a.b.c.wasm")).map(|address| address.to_string()).ok().as_deref(),
            Some("a.b.c")
        );
        assert_eq!(address(Path::new("payment.wasm")).expect_err("one word").exit, Exit::No);
        assert_eq!(address(Path::new("a.b.c.toml")).expect_err("no wasm").exit, Exit::Usage);
    }
}
