//! A data folder that an earlier version wrote. Goal: it opens, and every saga in it can be shown and goes on; or it is
//! refused and left alone, with its format and the version to run. Method: folders that were written by the hosts of
//! their time lie in the tree (`fixtures/data-folder`), one for each format; their clock is put back to that time.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use saga_tests::check;
use saga_tests::host::{Host, free_port, run_saga};
use saga_tests::installation::{INSTRUMENT_MANIFEST, Installation, instrument_address};
use saga_tests::interpose::Interposed;

/// When a fixture is opened, after it was written: its longest retry (an hour) is due, and no wait (a day) is over.
const AGE: Duration = Duration::from_secs(2 * 3600);

/// What the fixtures hold: each saga and how it stood when its host was killed.
const SAGAS: [(&str, &str); 7] = [
    ("completed", "completed"),
    ("compensated", "compensated"),
    ("waiting", "waiting"),
    ("closed", "closed"),
    ("failed", "failed"),
    ("unserved", "running"),
    ("delayed", "running"),
];

fn fixtures() -> Vec<(u32, PathBuf)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/data-folder");
    let entries = std::fs::read_dir(folder).expect("the fixtures lie beside the tests").flatten();
    let format_of =
        |path: &PathBuf| path.file_name()?.to_str()?.strip_prefix("format-")?.split('.').next()?.parse().ok();
    let mut found: Vec<(u32, PathBuf)> =
        entries.map(|entry| entry.path()).filter_map(|path| Some((format_of(&path)?, path))).collect();
    found.sort();
    found
}

/// An installation with the data of a fixture, the steps of today and the use cases of then.
fn installation(fixture: &PathBuf) -> Installation {
    let installation = Installation::with_instruments(&["one", "two"]);
    let unpacked = Command::new("tar").arg("-xzf").arg(fixture).arg("-C").arg(installation.path()).status();
    assert!(unpacked.expect("tar can be started").success());
    for name in ["one", "two"] {
        installation.manifest(&instrument_address(name), INSTRUMENT_MANIFEST);
    }
    installation
}

#[test]
fn data_of_an_earlier_format_opens_whole_or_is_refused_with_the_version_to_run() {
    let fixtures = fixtures();
    assert!(!fixtures.is_empty());
    for (format, path) in fixtures {
        let installation = installation(&path);
        let database = installation.path().join("data/db");
        let before = std::fs::read(database.join("0.jnl")).expect("the fixture has a log");
        let config = installation.path().join("saga.toml");
        let data = installation.path().join("data");
        let text = |path: &PathBuf| path.to_str().expect("a plain path").to_owned();
        if host_store::embedded::FORMAT == format {
            opens_whole(host_of_then(installation));
            continue;
        }
        let listen = format!("127.0.0.1:{}", free_port());
        let environment = [("SAGA_LISTEN", &*listen), ("SAGA_DATA_DIR", &*text(&data))];
        let ran = run_saga(&["run", "--config", &text(&config)], &environment);
        assert_eq!(ran.status, 1, "format {format}: {ran:?}");
        for word in [&*format!("format {format}"), "version of saga"] {
            assert!(ran.err.contains(word), "format {format}: {word:?} is missing: {}", ran.err);
        }
        assert!(std::fs::read(database.join("0.jnl")).expect("it is there").starts_with(&before), "it is left alone");
    }
}

/// A host for which the fixture was written `AGE` ago: whatever waits or is kept for days must not end by the fixture's
/// age.
fn host_of_then(installation: Installation) -> Host {
    let log = installation.path().join("data/db/0.jnl");
    let written = log.metadata().and_then(|file| file.modified()).expect("the archive keeps its files' times");
    let clock = Interposed::new(&installation.path().join("control"), &installation.path().join("data"));
    clock.clock_behind(SystemTime::now().duration_since(written + AGE).unwrap_or_default());
    let environment = clock.environment();
    let environment: Vec<_> = environment.iter().map(|(key, value)| (*key, value.as_str())).collect();
    Host::start_with(installation, &environment)
}

fn opens_whole(mut host: Host) {
    assert_eq!(host.api.list("").len(), SAGAS.len());
    for (id, status) in SAGAS {
        let saga = check::status(&host.api, id, status);
        assert!(saga["steps"].as_array().is_some_and(|steps| !steps.is_empty()), "{saga:#}");
    }
    assert_eq!(host.api.errors().len(), 2, "one stands, one is being retried");
    // What waited goes on, and what stood obeys its operator.
    host.api.signal("go");
    check::status(&host.api, "waiting", "completed");
    host.api.act("failed", "close", "the fixture's own fault");
    check::status(&host.api, "failed", "closed");
    host.installation.serve_instrument("far");
    check::status(&host.api, "unserved", "completed");
    // Its delay ended long before this run: it comes by itself as soon as its step is served.
    host.installation.serve_instrument("slow");
    check::status(&host.api, "delayed", "completed");
    // And what it wrote since is read after the next start as well.
    host.kill();
    host.start_again();
    for id in ["completed", "waiting", "unserved", "delayed"] {
        assert_eq!(host.api.saga(id)["status"], "completed", "{id}");
    }
}

#[test]
fn data_of_a_later_format_is_refused_with_the_version_to_run() {
    use host_core::table::{Batch, Durability, Table, Tables as _};

    let installation = Installation::with_instruments(&["one"]);
    let database = installation.path().join("data/db");
    std::fs::create_dir_all(&database).expect("the folder is ours");
    let tables = host_store::backends::fjall::FjallTables::open(&database).expect("it is new");
    let mut batch = Batch::default();
    let later = host_store::embedded::FORMAT + 1;
    batch.put(Table::Meta, &b"format"[..], later.to_be_bytes().to_vec());
    tables.write(batch, Durability::Synced).expect("the tables take the batch");
    drop(tables);
    let path = |name: &str| installation.path().join(name).to_str().expect("a plain path").to_owned();
    let listen = format!("127.0.0.1:{}", free_port());
    let environment = [("SAGA_LISTEN", &*listen), ("SAGA_DATA_DIR", &*path("data"))];
    let ran = run_saga(&["run", "--config", &path("saga.toml")], &environment);
    assert_eq!(ran.status, 1, "{ran:?}");
    for word in [&*format!("format {later}"), "run the newer version of saga"] {
        assert!(ran.err.contains(word), "{word:?} is missing: {}", ran.err);
    }
}
