//! The one-way edges between the rooms, and which folder may name which client crate. Reads manifests and source; the
//! table below is the map that docs/ARCHITECTURE.md draws.

use toml::{Table, Value};

use super::rust_source::code_only;
use super::text::{occurrences, occurrences_in_paths};
use super::{Finding, tree::SourceFile};

/// Which rooms a room may know. Whoever adds an edge writes a decision page first.
pub const ROOMS: &[(&str, &[&str])] = &[
    ("host/core", &[]),
    ("host/store", &["host-core"]),
    ("host/broker", &["host-core"]),
    ("host/runtime", &["host-core"]),
    ("host/remote", &["host-core", "host-runtime"]),
    ("host/engine", &["host-core", "host-store", "host-broker", "host-runtime"]),
    ("host/monitor", &["host-core", "host-store", "host-broker"]),
    (
        "host/app",
        &["host-core", "host-store", "host-broker", "host-runtime", "host-remote", "host-engine", "host-monitor"],
    ),
];

/// Client crates by the beginning of their name, the room that may depend on them and the folder that may name them.
const CLIENTS: &[(&str, &str, &str)] = &[
    ("wasmtime", "host/runtime", "host/runtime/"),
    ("fjall", "host/store", "host/store/src/backends"),
    ("tokio-postgres", "host/store", "host/store/src/backends"),
    ("postgres-openssl", "host/store", "host/store/src/backends"),
    ("openssl", "host/store", "host/store/src/backends"),
    ("rdkafka", "host/broker", "host/broker/src/drivers"),
    ("lapin", "host/broker", "host/broker/src/drivers"),
    ("async-nats", "host/broker", "host/broker/src/drivers"),
];

/// No rooms: the programs that show what the clients can do without a host between them.
const YARDSTICKS: [&str; 2] = ["tests/yardstick", "tests/yardstick/kafka"];

/// What the pure room must not reach for.
const IMPURE: &[(&str, &str)] = &[
    ("tokio", "core never waits"),
    ("SystemTime::now", "time comes into core as an argument"),
    ("Instant::now", "time comes into core as an argument"),
    ("fastrand", "random comes into core as an argument"),
    ("std::fs", "core reads no files"),
    ("std::net", "core knows no network"),
    ("std::env", "core reads no environment"),
    ("std::thread", "core has no threads"),
    ("tracing", "core does not log"),
    ("async fn", "core never waits"),
];

/// Breaches of the edges in one `Cargo.toml`.
pub fn check_manifest(file: &SourceFile) -> Vec<Finding> {
    let folder = file.path.trim_end_matches("/Cargo.toml");
    let manifest: Table = match file.text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(&file.path, 0, format!("not a manifest: {error}"))],
    };
    let mut findings = Vec::new();
    let allowed = ROOMS.iter().find(|(room, _)| *room == folder).map(|(_, allowed)| *allowed);
    if folder.starts_with("host/") && allowed.is_none() {
        findings.push(Finding::new(&file.path, 0, "a room that is not in the map; decide its edges first"));
    }
    for name in dependency_names(&manifest) {
        if name.starts_with("host-")
            && !matches!(folder, "tests" | "tests/fuzz")
            && !allowed.unwrap_or_default().contains(&name.as_str())
        {
            findings.push(Finding::new(&file.path, 0, format!("{folder} must not know {name}")));
        }
        if name == "anyhow" && folder.starts_with("host/") && folder != "host/app" {
            findings.push(Finding::new(&file.path, 0, "a room has typed errors; anyhow is for host/app and tests"));
        }
        for (client, room, _) in CLIENTS.iter().filter(|(client, _, _)| is_of_family(&name, client)) {
            if folder != *room && !YARDSTICKS.contains(&folder) {
                findings.push(Finding::new(&file.path, 0, format!("{name}: {client} belongs to {room} alone")));
            }
        }
    }
    findings
}

fn is_of_family(name: &str, client: &str) -> bool {
    name.strip_prefix(client).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The packages of every table of dependencies: normal, dev and build ones, for every target, by their real names.
fn dependency_names(manifest: &Table) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let holders = targets.filter_map(Value::as_table).chain([manifest]);
    let tables = holders.flat_map(|holder| {
        ["dependencies", "dev-dependencies", "build-dependencies"]
            .into_iter()
            .filter_map(|key| holder.get(key).and_then(Value::as_table))
    });
    let real_name =
        |(key, value): (&String, &Value)| value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
    tables.flat_map(|table| table.iter().map(real_name)).collect()
}

/// Client crates named outside their folder, and a core that is not pure.
pub fn check_source(file: &SourceFile) -> Vec<Finding> {
    let code = code_only(&file.text);
    let mut findings = Vec::new();
    if file.path.starts_with("host/") {
        for (client, _, folder) in CLIENTS.iter().filter(|(_, _, folder)| !file.path.starts_with(folder)) {
            let path = format!("{}::", client.replace('-', "_"));
            findings.extend(occurrences(file, &code, &path, &format!("only {folder} names this crate")));
        }
    }
    if file.path.starts_with("host/core/src/") {
        for (pattern, why) in IMPURE {
            findings.extend(occurrences_in_paths(file, &code, pattern, why));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(path: &str, dependencies: &str) -> Vec<Finding> {
        check_manifest(&SourceFile { path: path.to_owned(), text: dependencies.to_owned() })
    }

    #[test]
    fn an_edge_that_is_not_in_the_map_is_found_in_every_table_and_under_any_name() {
        let good = "[dependencies]\nhost-core.workspace = true\n";
        assert_eq!(manifest("host/store/Cargo.toml", good), []);
        for bad in [
            "[dependencies]\nhost-broker.workspace = true\n",
            "[dev-dependencies]\nhost-broker = { path = \"../broker\" }\n",
            "[build-dependencies]\nhost-app.workspace = true\n",
            "[dependencies]\ninnocent = { package = \"host-engine\", path = \"../engine\" }\n",
            "[target.'cfg(unix)'.dependencies]\nhost-runtime.workspace = true\n",
        ] {
            assert_eq!(manifest("host/store/Cargo.toml", bad).len(), 1, "{bad}");
        }
        assert_eq!(manifest("guest-sdk/rust/Cargo.toml", good).len(), 1);
        assert_eq!(manifest("plugins/x/Cargo.toml", good).len(), 1);
    }

    #[test]
    fn a_room_outside_the_map_is_found() {
        assert_eq!(manifest("host/extra/Cargo.toml", "[package]\nname = \"host-extra\"\n").len(), 1);
    }

    #[test]
    fn client_crates_stay_in_their_room() {
        let wasmtime = "[dependencies]\nwasmtime-wasi.workspace = true\n";
        assert_eq!(manifest("host/runtime/Cargo.toml", wasmtime), []);
        assert_eq!(manifest("host/app/Cargo.toml", wasmtime).len(), 1);
        assert_eq!(manifest("host/engine/Cargo.toml", "[dependencies]\nanyhow = \"1\"\n").len(), 1);
        assert_eq!(manifest("host/app/Cargo.toml", "[dependencies]\nanyhow = \"1\"\n"), []);
    }

    #[test]
    fn a_client_named_outside_its_folder_is_found() {
        let source =
            |path: &str, text: &str| check_source(&SourceFile { path: path.to_owned(), text: text.to_owned() }).len();
        assert_eq!(source("host/store/src/backends/fjall.rs", "use fjall::Database;\n"), 0);
        assert_eq!(source("host/store/src/projection.rs", "use fjall::Database;\n"), 1);
        assert_eq!(source("host/store/src/projection.rs", "// fjall::Database would do\n"), 0);
        assert_eq!(source("host/app/src/wiring.rs", "wasmtime::Engine::default();\n"), 1);
        assert_eq!(source("host/app/src/wiring.rs", "use host_store::backends::fjall::FjallTables;\n"), 0);
    }

    #[test]
    fn an_impure_core_is_found() {
        let source = |text: &str| {
            check_source(&SourceFile { path: "host/core/src/a.rs".to_owned(), text: text.to_owned() }).len()
        };
        assert_eq!(source("let now = std::time::SystemTime::now();\n"), 1);
        assert_eq!(source("pub async fn f() {}\n"), 1);
        assert_eq!(source("use std::time::{Duration, SystemTime};\n"), 0);
    }
}
