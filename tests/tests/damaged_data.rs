//! A data folder that a bad disk has changed while no host ran. Goal: nothing acknowledged is ever left out in silence.
//! The start is refused, the file and the place are named, nothing is changed, and a good copy brings everything back;
//! what a crash alone can tear is cut off instead. Method: the files of a killed host, byte by byte.

use std::path::{Path, PathBuf};

use saga_tests::api::text;
use saga_tests::check;
use saga_tests::host::{Host, Ran, free_port, run_saga};
use saga_tests::installation::Installation;
use serde_json::json;

/// A killed host with a dozen acknowledged sagas, and their ids.
fn killed() -> (Host, Vec<String>) {
    let mut host = Host::start(Installation::with_instruments(&["one", "two"]));
    let ids = (0..12).map(|number| text(&host.api.run("play", &json!({"number": number})), "global-id")).collect();
    host.kill();
    (host, ids)
}

fn log_of(host: &Host) -> PathBuf {
    host.installation.path().join("data/db/0.jnl")
}

/// Behind the last byte that is not a reserved zero.
fn end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1)
}

/// Run the host where it must not start.
fn refused(host: &Host) -> Ran {
    let folder = host.installation.path();
    let path = |name: &str| folder.join(name).to_str().expect("a plain path").to_owned();
    let listen = format!("127.0.0.1:{}", free_port());
    let environment = [("SAGA_LISTEN", &*listen), ("SAGA_DATA_DIR", &*path("data"))];
    let ran = run_saga(&["run", "--config", &path("saga.toml")], &environment);
    assert_eq!(ran.status, 1, "{ran:?}");
    ran
}

fn says(ran: &Ran, words: &[&str]) {
    for word in words {
        assert!(ran.err.contains(word), "{word:?} is missing: {}", ran.err);
    }
}

fn has_all(host: &Host, ids: &[String]) {
    for id in ids {
        assert_eq!(host.api.saga(id)["status"], "completed", "{id}");
    }
}

const CURES: [&str; 3] = ["nothing was changed", "bring the folder back from a copy", "saga doctor --accept-loss"];

#[test]
fn a_log_that_is_damaged_inside_is_refused_with_its_place_and_a_good_copy_brings_everything_back() {
    let (mut host, ids) = killed();
    let log = log_of(&host);
    let good = std::fs::read(&log).expect("the log is there");
    let end = end(&good);
    for at in [end / 7, end / 2, end * 3 / 4] {
        let mut bad = good.clone();
        bad[at] ^= 0x11;
        std::fs::write(&log, &bad).expect("the folder is ours");
        let ran = refused(&host);
        says(&ran, &["0.jnl", "damaged at byte", "acknowledged"]);
        says(&ran, &CURES);
        assert!(std::fs::read(&log).expect("the log is there") == bad, "nothing was changed");
    }
    std::fs::write(&log, &good).expect("the folder is ours");
    host.start_again();
    has_all(&host, &ids);
}

#[test]
fn a_log_that_lost_its_end_is_refused_with_what_is_missing() {
    let (mut host, ids) = killed();
    let log = log_of(&host);
    let good = std::fs::read(&log).expect("the log is there");
    let mut bad = good.clone();
    let end = end(&good);
    bad[end - 2_000..].fill(0);
    std::fs::write(&log, &bad).expect("the folder is ours");
    let ran = refused(&host);
    says(&ran, &["0.jnl", "it ends with batch", "more were acknowledged, up to batch"]);
    says(&ran, &CURES);
    std::fs::write(&log, &good).expect("the folder is ours");
    host.start_again();
    has_all(&host, &ids);
}

#[test]
fn half_a_record_behind_the_last_is_cut_off_and_everything_acknowledged_is_there() {
    let (mut host, ids) = killed();
    let log = log_of(&host);
    let mut torn = std::fs::read(&log).expect("the log is there");
    let end = end(&torn);
    let half = torn[..100].to_vec();
    torn[end..end + half.len()].copy_from_slice(&half);
    std::fs::write(&log, &torn).expect("the folder is ours");
    host.start_again();
    has_all(&host, &ids);
    assert!(host.log_tail().contains("the torn end of the log is cut off"), "{}", host.log_tail());
}

#[test]
fn a_person_may_give_up_what_is_lost_and_everything_before_it_is_there() {
    let (mut host, ids) = killed();
    let log = log_of(&host);
    let mut bad = std::fs::read(&log).expect("the log is there");
    let end = end(&bad);
    bad[end / 2] ^= 0x11;
    std::fs::write(&log, &bad).expect("the folder is ours");
    refused(&host);
    let data = host.installation.path().join("data");
    let config = host.installation.path().join("saga.toml");
    let arguments = ["doctor", "--accept-loss", "--config", config.to_str().expect("a plain path")];
    let environment = [("SAGA_DATA_DIR", data.to_str().expect("a plain path"))];
    let ran = run_saga(&arguments, &environment);
    assert_eq!(ran.status, 0, "{ran:?}");
    let kept = ran.out.lines().find_map(|line| line.strip_prefix("the folder as it was is kept in "));
    let kept = PathBuf::from(kept.unwrap_or_else(|| panic!("it names the copy: {ran:?}")));
    assert!(std::fs::read(kept.join("0.jnl")).expect("the copy has the log") == bad, "the copy is as it was");
    host.start_again();
    let found: Vec<_> =
        ids.iter().map(|id| host.api.get(&format!("/v1/sagas/{id}")).expect("it is up").status).collect();
    // A prefix of the acknowledged: the log is one sequence.
    let there = found.iter().take_while(|status| **status == 200).count();
    assert!(there >= 3 && there < ids.len(), "{found:?}");
    assert!(found[there..].iter().all(|status| *status == 404), "{found:?}");
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
    host.kill();
    // Where nothing is damaged, nothing is given up.
    let ran = run_saga(&arguments, &environment);
    assert!(ran.status == 0 && ran.out.contains("nothing is damaged"), "{ran:?}");
    host.start_again();
    assert_eq!(host.api.saga(&ids[0])["status"], "completed");
}

/// The only folder of the database whose tables hold the text.
fn table_with(folder: &Path, text: &[u8]) -> PathBuf {
    let keyspaces = std::fs::read_dir(folder.join("keyspaces")).expect("there are keyspaces").flatten();
    let tables = keyspaces.flat_map(|keyspace| std::fs::read_dir(keyspace.path().join("tables")).into_iter().flatten());
    tables
        .flatten()
        .map(|table| table.path())
        .find(|path| std::fs::read(path).is_ok_and(|bytes| bytes.windows(text.len()).any(|window| window == text)))
        .expect("the rows were written out")
}

#[test]
fn a_saga_whose_rows_cannot_be_read_stands_alone_and_the_file_is_named() {
    use host_core::table::Table;
    use host_store::backends::fjall::FjallTables;

    let mut host = Host::start(Installation::with_instruments(&["one", "two"]));
    let ids: Vec<String> = (0..40).map(|number| format!("saga-{number:02}")).collect();
    for id in &ids {
        // Text that does not compress, so that the sagas fill several blocks.
        let noise: String = (0..150).map(|_| fastrand::u64(..).to_string()).collect();
        let body = json!({"noise": noise, "two": {"wait": format!("go/{id}")}});
        let headers = [("global-id", id.as_str())];
        let answer = host.api.post("/v1/use-cases/play/sagas", &headers, &body.to_string()).expect("the host is up");
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    for id in &ids {
        check::status(&host.api, id, "waiting");
    }
    assert!(host.terminate().success());
    // As after a long run: the rows lie in a table file, and no longer in the log.
    let database = host.installation.path().join("data/db");
    let tables = FjallTables::open(&database).expect("no host holds it");
    tables.flush(Table::Journal).expect("the rows can be written out");
    drop(tables);
    let table = table_with(&database, b"saga-00");
    let mut bytes = std::fs::read(&table).expect("the table is there");
    bytes[2_000] ^= 0x40;
    std::fs::write(&table, &bytes).expect("the folder is ours");

    host.start_again();
    let answers: Vec<_> = ids.iter().map(|id| host.api.get(&format!("/v1/sagas/{id}")).expect("it is up")).collect();
    let bad: Vec<&String> =
        ids.iter().zip(&answers).filter(|(_, answer)| answer.status == 500).map(|(id, _)| id).collect();
    let good: Vec<&String> =
        ids.iter().zip(&answers).filter(|(_, answer)| answer.status == 200).map(|(id, _)| id).collect();
    assert_eq!(bad.len() + good.len(), ids.len(), "{answers:?}");
    assert!(!bad.is_empty() && good.len() > 20, "{} bad, {} good", bad.len(), good.len());
    let folder = host.installation.path().display().to_string();
    assert!(answers.iter().all(|answer| !answer.body.to_string().contains(&folder)), "no path of the host is told");
    let name = table.strip_prefix(host.installation.path()).expect("it lies there").display().to_string();
    assert!(host.log_tail().contains(&name), "the log names the file: {}", host.log_tail());
    // The neighbours go on, and so do new sagas.
    for id in &ids {
        host.api.signal(&format!("go/{id}"));
    }
    for id in &good {
        check::status(&host.api, id, "completed");
    }
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
    assert!(host.api.is_ready());
}
