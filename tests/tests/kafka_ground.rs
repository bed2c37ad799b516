//! The ground that every test on Kafka stands on. Goal: the cluster of the harness is a real one whose nodes can be
//! killed, paused and brought back without a loss, it goes away with the test, and the foreign client sees what is
//! committed and nothing else. Method: the foreign client writes and reads; the harness kills in between.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::{Command, Stdio};

use saga_tests::check::until;
use saga_tests::kafka::Cluster;
use saga_tests::kafka::foreign::{End, Outgoing, Record};

fn keyed<'a>(key: &'a str, value: &'a str) -> Outgoing<'a> {
    Outgoing { key: Some(key), value, headers: &[] }
}

fn values(records: &[Record]) -> BTreeSet<&str> {
    records.iter().map(|record| record.value.as_deref().expect("a value")).collect()
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let foreign = Cluster::shared().foreign();
    foreign.create("ground.as-written", 4);
    let headers = [("kind", "first"), ("kind", "second"), ("grüße", "😀")];
    let whole = Outgoing { key: Some("k"), value: "{\"a\":\"ä\\n\"}", headers: &headers };
    let places = foreign.produce("ground.as-written", &[whole, Outgoing { value: "", ..Outgoing::default() }]);
    let mut records = foreign.consume(&["ground\\.as-written"]);
    records.sort_by_key(|record| record.key.is_none());
    let [keyed, bare] = records.as_slice() else { panic!("two records: {records:?}") };
    assert_eq!(places, [(keyed.partition, keyed.offset), (bare.partition, bare.offset)]);
    assert_eq!((keyed.key.as_deref(), keyed.json()["a"].as_str()), (Some("k"), Some("ä\n")));
    assert_eq!(keyed.header("kind"), Some("first"));
    assert_eq!(keyed.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((bare.key.as_deref(), bare.value.as_deref(), bare.headers.len()), (None, Some(""), 0));
}

#[test]
fn only_committed_records_are_seen() {
    let foreign = Cluster::shared().foreign();
    foreign.create("ground.transactions", 1);
    let write = |end: End<'_>, value: &str| foreign.produce_in(end, "ground.transactions", &[keyed("k", value)]);
    write(End::Commit("ground-1"), "committed");
    write(End::Abort("ground-2"), "aborted");
    let mut following = foreign.follow(&["ground\\.transactions", "ground\\.later"]);
    assert_eq!(following.next("the committed record").value.as_deref(), Some("committed"));

    write(End::Open("ground-3"), "open");
    foreign.produce("ground.transactions", &[keyed("k", "behind")]);
    assert_eq!(values(&foreign.consume(&["ground\\.transactions"])), BTreeSet::from(["committed"]));
    // Another producer of the same name fences the one that died, and what was behind it is released.
    write(End::Commit("ground-3"), "after");
    assert_eq!(following.next("what was behind").value.as_deref(), Some("behind"));
    assert_eq!(following.next("what came after").value.as_deref(), Some("after"));
    assert_eq!(values(&foreign.consume(&["ground\\.transactions"])), BTreeSet::from(["after", "behind", "committed"]));

    foreign.create("ground.later", 1);
    foreign.produce("ground.later", &[keyed("k", "later")]);
    assert_eq!(following.next("a record of a topic that came later").topic, "ground.later");
}

#[test]
fn a_topic_that_is_not_there_is_told() {
    let foreign = Cluster::shared().foreign();
    let asked = std::panic::catch_unwind(|| foreign.consume(&["ground\\.nowhere"]));
    let said = asked.expect_err("there is no such topic");
    let said = said.downcast_ref::<String>().expect("a text");
    assert!(said.contains("there is no topic ground\\.nowhere"), "{said}");
}

/// Two of three go on when one is killed or paused, and nothing acknowledged is missing when all are back.
#[test]
fn three_nodes_lose_nothing_when_one_dies_and_another_sleeps() {
    let mut cluster = Cluster::start(3);
    let foreign = cluster.foreign();
    foreign.create("ground.deaths", 4);
    let mut written = Vec::new();
    let mut write = |what: &str| {
        let records: Vec<String> = (0..20).map(|number| format!("{what} {number}")).collect();
        let outgoing: Vec<Outgoing<'_>> = records.iter().map(|record| keyed(record, record)).collect();
        foreign.produce_in(End::Commit("ground-deaths"), "ground.deaths", &outgoing);
        written.extend(records);
    };
    cluster.kill(3);
    assert!(cluster.nodes().map(|node| cluster.is_alive(node)).eq([true, true, false]));
    write("without node 3");
    cluster.restart(3);
    cluster.wait_ready();
    // Without the third in sync again, no write would be acknowledged now.
    cluster.pause(2);
    write("beside a paused node");
    cluster.resume(2);
    let records = foreign.consume(&["ground\\.deaths"]);
    assert_eq!(records.len(), written.len(), "each once");
    assert_eq!(values(&records), written.iter().map(String::as_str).collect());
}

/// The cluster of a test program that is killed ends by itself: its runner's input is closed by the kernel.
#[test]
fn a_cluster_goes_away_with_whoever_started_it() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let script = saga_tests::tidy::tree::root().join("scripts").join("kafka");
    let dir = folder.path().join("cluster");
    // A process between us and the script, to be killed in place of a test program. It holds the pipe's only end.
    let line = r#"mkfifo "$2"; "$0" run --dir "$1" <"$2" 2>/dev/null & exec 3>"$2"; exec sleep 600"#;
    let mut starter = Command::new("sh");
    starter.arg("-c").arg(line).arg(script).arg(&dir).arg(folder.path().join("pipe"));
    let mut starter = starter.stdout(Stdio::piped()).spawn().expect("a shell can be started");
    let mut address = [0; 9];
    starter.stdout.as_mut().expect("it was asked for").read_exact(&mut address).expect("the cluster serves");
    assert_eq!(&address, b"127.0.0.1");
    assert!(dir.join("node-1").is_dir());
    starter.kill().expect("our own child can be killed");
    starter.wait().expect("our own child can be waited for");
    until("the cluster and its data are gone", || (!dir.exists()).then_some(()));
}
