//! A host that may not make topics. Goal: what is missing at its start is told at once, whole, and in lines that make
//! it; with these topics it works. Method: a real cluster, and a client that is not ours does what the lines say.

use saga_tests::host::{Host, free_port, run_saga};
use saga_tests::installation::Installation;
use saga_tests::kafka::Cluster;
use serde_json::json;

/// The driver's, the engine's, what starts a saga, and three of each of two steps: one that is served and publishes
/// events, one that is only named.
const TOPICS: [&str; 17] = [
    "orders.placed",
    "saga.commands",
    "saga.delayed.10s",
    "saga.delayed.2h",
    "saga.delayed.5m",
    "saga.delayed.long",
    "saga.host",
    "saga.journal",
    "saga.signals",
    "saga.state",
    "test.events",
    "test.instrument.elsewhere.compensate",
    "test.instrument.elsewhere.error",
    "test.instrument.elsewhere.in",
    "test.instrument.one.compensate",
    "test.instrument.one.error",
    "test.instrument.one.in",
];

/// A line that makes a topic.
struct Line {
    topic: String,
    partitions: u32,
    settings: Vec<String>,
}

fn lines(said: &str) -> Vec<Line> {
    let lines = said.lines().filter_map(|line| line.split_once("kafka-topics.sh ")).map(|(_, line)| line);
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name: &str| {
            let pairs = words.windows(2).filter(move |pair| pair[0] == name);
            pairs.map(|pair| pair[1].to_owned()).collect::<Vec<_>>()
        };
        let partitions = after("--partitions")[0].parse().expect("a number");
        Line { topic: after("--topic")[0].clone(), partitions, settings: after("--config") }
    };
    let mut lines: Vec<_> = lines.map(line).collect();
    lines.sort_unstable_by(|a, b| a.topic.cmp(&b.topic));
    lines
}

/// What a host says that does not start.
fn refusal(installation: &Installation) -> String {
    let config = installation.path().join("saga.toml");
    let listen = format!("127.0.0.1:{}", free_port());
    let config = config.to_str().expect("a plain path");
    let ran = run_saga(&["run", "--config", config, "--listen", &listen], &[]);
    assert_ne!(ran.status, 0, "it started: {ran:?}");
    ran.err
}

fn make(cluster: &Cluster, lines: &[Line]) {
    let foreign = cluster.foreign();
    for Line { topic, partitions, settings } in lines {
        foreign.create_with(topic, *partitions, &settings.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn all_that_is_missing_is_told_at_once_and_the_lines_make_it() {
    let cluster = Cluster::shared();
    let installation = Installation::with_instruments(&["one"]);
    installation.use_case("away", &["one", "elsewhere"], "trigger-topic = \"orders.placed\"");
    let bootstrap = cluster.bootstrap();
    installation.config(&format!(
        "[broker]\nkind = \"kafka\"\nbootstrap = \"{bootstrap}\"\nprefix = \"told.\"\npartitions = 2\n\
        create-topics = false\n"
    ));
    let said = refusal(&installation);
    for word in ["17 topics are missing in the cluster", "broker.create-topics is false", "what they must be:"] {
        assert!(said.contains(word), "{word} is missing:\n{said}");
    }
    let told = lines(&said);
    let names: Vec<&str> = told.iter().filter_map(|line| line.topic.strip_prefix("told.")).collect();
    assert_eq!(names, TOPICS, "{said}");

    // With the driver's own alone the rest is told, and nothing else.
    let (own, rest): (Vec<Line>, Vec<Line>) = told.into_iter().partition(|line| {
        ["told.saga.delayed.", "told.saga.host", "told.saga.journal", "told.saga.state"]
            .iter()
            .any(|begin| line.topic.starts_with(begin))
    });
    make(cluster, &own);
    let told: Vec<_> = lines(&refusal(&installation)).into_iter().map(|line| line.topic).collect();
    assert_eq!(told, rest.iter().map(|line| line.topic.clone()).collect::<Vec<_>>());

    make(cluster, &rest);
    let host = Host::start(installation);
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
    let config = host.installation.path().join("saga.toml");
    let doctor = host.saga(&["doctor", "--json", "--config", config.to_str().expect("a plain path")]);
    assert_eq!(doctor.status, 0, "what the lines make is what the doctor wants: {}", doctor.out);
}
