//! `saga doctor` and a Kafka cluster. Goal: what a cluster lacks for the promises is told, each with its setting, and
//! of one that lacks nothing nothing is said. Method: real clusters of one node and of three, before and after a host
//! has made its topics, and one in which somebody else made a work queue that forgets.

use std::collections::BTreeSet;

use saga_tests::check::until;
use saga_tests::host::{Host, Ran, free_port, run_saga};
use saga_tests::installation::Installation;
use saga_tests::kafka::Cluster;
use serde_json::{Value, json};

fn installation(cluster: &Cluster, prefix: &str) -> Installation {
    let installation = Installation::with_instruments(&["one"]);
    let bootstrap = cluster.bootstrap();
    installation.config(&format!(
        "[broker]\nkind = \"kafka\"\nbootstrap = \"{bootstrap}\"\nprefix = \"{prefix}\"\npartitions = 3\n"
    ));
    installation
}

/// Ask with and without a host that runs.
fn doctor(installation: &Installation, host: &str, more: &[&str]) -> Ran {
    let config = installation.path().join("saga.toml");
    let config = config.to_str().expect("a plain path");
    run_saga(&[&["doctor", "--config", config, "--host", host], more].concat(), &[])
}

fn nobody() -> String {
    format!("http://127.0.0.1:{}", free_port())
}

fn findings(ran: &Ran) -> Vec<Value> {
    let document: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    document["cluster"].as_array().expect("the cluster was looked at").clone()
}

/// The settings that are not fine, with their grades.
fn faults(findings: &[Value]) -> BTreeSet<(String, String)> {
    let text = |finding: &Value, member: &str| finding[member].as_str().expect("a text").to_owned();
    let all = findings.iter().map(|finding| (text(finding, "setting"), text(finding, "grade")));
    all.filter(|(_, grade)| grade != "fine").collect()
}

fn set(faults: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    faults.iter().map(|(setting, grade)| ((*setting).to_owned(), (*grade).to_owned())).collect()
}

fn url(host: &Host) -> String {
    format!("http://{}", host.address())
}

#[test]
fn one_node_is_weak_and_no_problem() {
    let cluster = Cluster::shared();
    let weak = set(&[("nodes", "weak"), ("replication factor", "weak")]);
    let before = installation(cluster, "weak.");
    let ran = doctor(&before, &nobody(), &["--json"]);
    assert_eq!(ran.status, 3, "no problem, and no host: {ran:?}");
    // Of the topics that will be made; the cluster's own may be there already.
    let found = faults(&findings(&ran));
    assert!(found.is_superset(&weak) && found.iter().all(|(_, grade)| grade == "weak"), "{}", ran.out);

    let host = Host::start(before);
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
    let ran = doctor(&host.installation, &url(&host), &["--json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let found = findings(&ran);
    assert_eq!(faults(&found), weak, "{}", ran.out);
    let copies = found.iter().find(|finding| finding["setting"] == "replication factor").expect("it was found");
    let of = copies["of"].as_array().expect("the topics");
    for topic in ["weak.test.instrument.one.in", "weak.saga.journal", "__consumer_offsets", "__transaction_state"] {
        assert!(of.contains(&json!(topic)), "{copies}");
    }
    assert_eq!((&copies["value"], &copies["should-be"]), (&json!("1"), &json!("3 or more")));

    let text = doctor(&host.installation, &url(&host), &[]).out;
    for word in ["1 node, 13 topics", "warning     cluster", "nodes: 1 (the cluster), should be: 3 or more", "cure: "] {
        assert!(text.contains(word), "{word} is missing:\n{text}");
    }
}

#[test]
fn three_nodes_as_they_should_be_have_no_fault() {
    let mut cluster = Cluster::start(3);
    let before = installation(&cluster, "good.");
    let ran = doctor(&before, &nobody(), &["--json"]);
    assert_eq!(faults(&findings(&ran)), set(&[]), "{}", ran.out);

    let mut host = Host::start(before);
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
    cluster.wait_ready();
    let ran = doctor(&host.installation, &url(&host), &["--json"]);
    assert_eq!((ran.status, faults(&findings(&ran))), (0, set(&[])), "{}", ran.out);
    let text = doctor(&host.installation, &url(&host), &[]).out;
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(" cluster        ")).collect();
    assert!(matches!(lines.as_slice(), [line] if line.starts_with("ok ")), "{text}");

    // That a node is away is told, as soon as the others know.
    host.terminate();
    cluster.kill(3);
    until("the doctor misses a node", || {
        let found = faults(&findings(&doctor(&host.installation, &nobody(), &["--json"])));
        let weak = |setting: &str| found.contains(&(setting.to_owned(), "weak".to_owned()));
        (weak("nodes") && weak("in-sync replicas")).then_some(())
    });
}

#[test]
fn a_work_queue_that_forgets_is_a_problem() {
    let cluster = Cluster::shared();
    let installation = installation(cluster, "forgets.");
    let topic = "forgets.test.instrument.one.in";
    let settings = ["max.message.bytes=5000000", "message.timestamp.after.max.ms=9223372036854775807"];
    cluster.foreign().create_with(topic, 3, &[&settings[..], &["retention.ms=604800000"]].concat());
    let host = Host::start(installation);
    let ran = doctor(&host.installation, &url(&host), &["--json"]);
    assert_eq!(ran.status, 1, "{ran:?}");
    let found = findings(&ran);
    let broken: Vec<&Value> = found.iter().filter(|finding| finding["grade"] == "broken").collect();
    let [broken] = broken.as_slice() else { panic!("one is broken: {}", ran.out) };
    assert_eq!((&broken["setting"], &broken["of"]), (&json!("retention.ms"), &json!([topic])));
    assert_eq!((&broken["value"], &broken["should-be"]), (&json!("604800000"), &json!("-1")));
    let cure = broken["cure"].as_str().expect("a text");
    assert!(cure.contains(&format!("--entity-name {topic} --add-config retention.ms=-1")), "{cure}");
    let text = doctor(&host.installation, &url(&host), &[]).out;
    assert!(text.contains("problem     cluster        retention.ms: 604800000"), "{text}");
}

#[test]
fn a_cluster_that_does_not_answer_is_a_problem() {
    let installation = Installation::empty();
    let port = free_port();
    installation.config(&format!("[broker]\nkind = \"kafka\"\nbootstrap = \"127.0.0.1:{port}\"\n"));
    let ran = doctor(&installation, &nobody(), &[]);
    assert_eq!(ran.status, 1, "{ran:?}");
    assert!(ran.out.contains("problem     cluster") && ran.out.contains("broker.bootstrap"), "{}", ran.out);
}
