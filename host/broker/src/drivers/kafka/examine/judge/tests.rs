//! Every finding, both ways: a cluster as it should be, and one thing after the other changed.

use super::super::super::options::Hosts;
use super::super::facts::{OFFSETS_TOPIC, PartitionFacts, TRANSACTIONS_TOPIC, TopicFacts};
use super::*;

const QUEUE: &str = "p.a.b.c.in";
const STATE: &str = "p.saga.state";
const JOURNAL: &str = "p.saga.journal";
const DELAYED: &str = "p.saga.delayed.10s";
const TRIGGER: &str = "p.orders.placed";

fn options() -> KafkaOptions {
    KafkaOptions { prefix: "p.".to_owned(), hosts: Hosts::Several, ..KafkaOptions::new("node:9092", "host") }
}

fn needed() -> Vec<TopicName> {
    let more = ["a.b.c.in", "a.b.c.compensate", "a.b.c.error", "a.b.d.in", "orders.placed", "saga.signals"];
    let more = more.map(|name| TopicName::try_new(name).expect("a topic name"));
    wanted::own(&options()).into_iter().chain(more).collect()
}

fn known<const N: usize>(pairs: [(&str, &str); N]) -> Settings {
    Settings::Known(pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn set(settings: &mut Settings, name: &str, value: Option<&str>) {
    let Settings::Known(values) = settings else { panic!("they are known") };
    match value {
        Some(value) => values.insert(name.to_owned(), value.to_owned()),
        None => values.remove(name),
    };
}

const WHOLE: PartitionFacts = PartitionFacts { has_leader: true, replicas: 3, in_sync: 3 };

fn topic(wanted: &Wanted) -> TopicFacts {
    let mut settings = known([("min.insync.replicas", "2"), ("unclean.leader.election.enable", "false")]);
    wanted.settings.iter().for_each(|(name, value)| set(&mut settings, name, Some(value)));
    TopicFacts { is_internal: false, partitions: vec![WHOLE; 4], settings }
}

/// Three nodes and all topics, as docs/guarantees.md wants them.
fn good() -> Facts {
    let node = known([
        ("transaction.max.timeout.ms", "900000"),
        ("group.min.session.timeout.ms", "6000"),
        ("group.max.session.timeout.ms", "1800000"),
        ("offset.metadata.max.bytes", "4096"),
        ("offsets.retention.minutes", "10080"),
        ("default.replication.factor", "3"),
        ("min.insync.replicas", "2"),
        ("offsets.topic.replication.factor", "3"),
        ("transaction.state.log.replication.factor", "3"),
        ("transaction.state.log.min.isr", "2"),
    ]);
    let ours = needed().into_iter().map(|name| Wanted::of(&options(), &name));
    let mut topics: BTreeMap<_, _> = ours.map(|wanted| (wanted.name.clone(), topic(&wanted))).collect();
    for name in [OFFSETS_TOPIC, TRANSACTIONS_TOPIC] {
        let settings = known([("min.insync.replicas", "2"), ("unclean.leader.election.enable", "false")]);
        topics.insert(name.to_owned(), TopicFacts { is_internal: true, partitions: vec![WHOLE; 4], settings });
    }
    Facts { nodes: (1..=3).map(|id| (id, node.clone())).collect(), topics }
}

/// What is not fine.
fn faults(options: &KafkaOptions, facts: &Facts) -> Vec<Finding> {
    let findings = judge(options, &needed(), facts);
    assert!(findings.is_sorted_by_key(|finding| std::cmp::Reverse(finding.grade)), "the worst first");
    findings.into_iter().filter(|finding| finding.grade != Grade::Fine).collect()
}

fn the_fault(facts: &Facts) -> Finding {
    let [fault] = <[Finding; 1]>::try_from(faults(&options(), facts)).expect("one fault");
    assert!(!fault.cure.is_empty() && !fault.promise.is_empty() && !fault.should_be.is_empty(), "{fault:?}");
    fault
}

/// The one fault of a cluster that is good but for one setting of one topic.
fn of_topic(name: &str, setting: &str, value: &str) -> Finding {
    let mut facts = good();
    set(&mut facts.topics.get_mut(name).expect("it is there").settings, setting, Some(value));
    let fault = the_fault(&facts);
    assert_eq!((fault.setting, fault.value.as_str(), fault.of.clone()), (setting, value, vec![name.to_owned()]));
    fault
}

fn topic_is_fine_with(name: &str, setting: &str, value: Option<&str>) {
    let mut facts = good();
    set(&mut facts.topics.get_mut(name).expect("it is there").settings, setting, value);
    assert_eq!(faults(&options(), &facts), [], "{name} {setting} {value:?}");
}

fn of_node(setting: &str, value: &str) -> Finding {
    let mut facts = good();
    set(facts.nodes.get_mut(&2).expect("it is there"), setting, Some(value));
    let fault = the_fault(&facts);
    assert_eq!((fault.setting, fault.value.as_str(), fault.of.clone()), (setting, value, vec!["node 2".to_owned()]));
    fault
}

fn node_is_fine_with(setting: &str, value: Option<&str>) {
    let mut facts = good();
    facts.nodes.values_mut().for_each(|node| set(node, setting, value));
    assert_eq!(faults(&options(), &facts), [], "{setting} {value:?}");
}

fn of_partition(name: &str, change: impl FnOnce(&mut PartitionFacts)) -> Finding {
    let mut facts = good();
    change(&mut facts.topics.get_mut(name).expect("it is there").partitions[3]);
    let fault = the_fault(&facts);
    assert_eq!(fault.of, [name]);
    fault
}

#[test]
fn a_good_cluster_has_no_fault_and_everything_was_looked_at() {
    assert_eq!(faults(&options(), &good()), []);
    let findings = judge(&options(), &needed(), &good());
    let mut settings: Vec<&str> = findings.iter().map(|finding| finding.setting).collect();
    settings.sort_unstable();
    let expected = [
        "cleanup.policy",
        "group.max.session.timeout.ms",
        "group.min.session.timeout.ms",
        "in-sync replicas",
        "leader",
        "max.message.bytes",
        "message.timestamp.after.max.ms",
        "message.timestamp.type",
        "min.insync.replicas",
        "nodes",
        "offset.metadata.max.bytes",
        "offsets.retention.minutes",
        "partitions",
        "replication factor",
        "retention.bytes",
        "retention.ms",
        "topics",
        "transaction.max.timeout.ms",
        "unclean.leader.election.enable",
    ];
    assert_eq!(settings, expected, "each once");
}

#[test]
fn fewer_than_three_nodes_are_weak() {
    let mut facts = good();
    facts.nodes.remove(&3);
    let fault = the_fault(&facts);
    assert_eq!((fault.grade, fault.setting, fault.value.as_str()), (Grade::Weak, "nodes", "2"));
    facts.nodes.extend(good().nodes.into_iter().map(|(id, node)| (id + 2, node)));
    assert_eq!(faults(&options(), &facts), [], "more do as well");
}

#[test]
fn copies_leaders_and_those_in_sync_are_counted() {
    let fault = of_partition(QUEUE, |part| part.has_leader = false);
    assert_eq!((fault.grade, fault.setting, fault.value.as_str()), (Grade::Broken, "leader", "none on partition 3"));
    let fault = of_partition(QUEUE, |part| part.in_sync = 2);
    let found = (fault.grade, fault.setting, fault.value.as_str());
    assert_eq!(found, (Grade::Weak, "in-sync replicas", "not all on partition 3"));
    let fault = of_partition(TRANSACTIONS_TOPIC, |part| part.in_sync = 1);
    let found = (fault.grade, fault.setting, fault.value.as_str());
    assert_eq!(found, (Grade::Broken, "in-sync replicas", "too few to write on partition 3"));
    let mut facts = good();
    facts.topics.get_mut(OFFSETS_TOPIC).expect("it is there").partitions[0] =
        PartitionFacts { replicas: 4, in_sync: 4, ..WHOLE };
    assert_eq!(faults(&options(), &facts), [], "more do as well");
}

#[test]
fn fewer_than_three_copies_are_weak_also_of_the_clusters_own_topics() {
    let mut facts = good();
    for (name, found) in &mut facts.topics {
        let alone = PartitionFacts { replicas: 1, in_sync: 1, ..WHOLE };
        if [QUEUE, OFFSETS_TOPIC].contains(&name.as_str()) {
            found.partitions.iter_mut().for_each(|part| *part = alone);
            set(&mut found.settings, "min.insync.replicas", Some("1"));
            // Nobody else is there to lead.
            set(&mut found.settings, "unclean.leader.election.enable", Some("true"));
        }
    }
    let fault = the_fault(&facts);
    assert_eq!((fault.grade, fault.setting, fault.value.as_str()), (Grade::Weak, "replication factor", "1"));
    assert_eq!(
        (fault.of.as_slice(), fault.should_be.as_str()),
        (&[OFFSETS_TOPIC.to_owned(), QUEUE.to_owned()][..], "3 or more")
    );
}

#[test]
fn copies_that_must_have_a_write_are_more_than_one_and_not_all() {
    assert_eq!(of_topic(QUEUE, "min.insync.replicas", "1").grade, Grade::Weak);
    let fault = of_topic(QUEUE, "min.insync.replicas", "3");
    assert_eq!((fault.grade, fault.should_be.as_str()), (Grade::Weak, "2"));
    assert_eq!(
        fault.cure,
        "kafka-configs.sh --bootstrap-server node:9092 --alter --entity-type topics --entity-name p.a.b.c.in \
        --add-config min.insync.replicas=2"
    );
    assert_eq!(of_topic(TRANSACTIONS_TOPIC, "min.insync.replicas", "1").grade, Grade::Weak);
    assert_eq!(of_topic(QUEUE, "min.insync.replicas", "4").grade, Grade::Weak);
}

#[test]
fn a_node_that_was_behind_must_not_lead() {
    assert_eq!(of_topic(QUEUE, "unclean.leader.election.enable", "true").grade, Grade::Weak);
    assert_eq!(of_topic(TRIGGER, "unclean.leader.election.enable", "true").grade, Grade::Weak);
}

#[test]
fn a_work_queue_that_forgets_is_broken() {
    for name in [QUEUE, DELAYED, "p.saga.signals"] {
        for (setting, value) in [
            ("retention.ms", "604800000"),
            ("retention.bytes", "1000"),
            ("cleanup.policy", "compact"),
            ("cleanup.policy", "compact,delete"),
        ] {
            assert_eq!(of_topic(name, setting, value).grade, Grade::Broken, "{name} {setting}");
        }
    }
}

#[test]
fn state_that_is_not_compacted_is_broken_or_grows() {
    assert_eq!(of_topic(STATE, "cleanup.policy", "delete").grade, Grade::Broken);
    assert_eq!(of_topic(STATE, "cleanup.policy", "compact,delete").grade, Grade::Broken);
    let mut facts = good();
    let settings = &mut facts.topics.get_mut(STATE).expect("it is there").settings;
    for (name, value) in [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")] {
        set(settings, name, Some(value));
    }
    assert_eq!(the_fault(&facts).grade, Grade::Weak);
}

#[test]
fn a_log_is_kept_for_as_long_as_the_host_says_or_longer() {
    assert_eq!(of_topic(JOURNAL, "cleanup.policy", "compact").grade, Grade::Broken);
    assert_eq!(of_topic(JOURNAL, "retention.ms", "1000").grade, Grade::Weak);
    assert_eq!(of_topic("p.a.b.c.error", "retention.bytes", "1000").grade, Grade::Weak);
    topic_is_fine_with(JOURNAL, "retention.ms", Some("-1"));
    topic_is_fine_with(JOURNAL, "retention.bytes", Some("-1"));
    topic_is_fine_with(JOURNAL, "retention.ms", Some("9999999999999"));
    topic_is_fine_with(TRIGGER, "retention.ms", Some("1000"));
    topic_is_fine_with(TRIGGER, "cleanup.policy", Some("compact"));
}

#[test]
fn what_a_host_writes_must_be_taken() {
    let fault = of_topic(QUEUE, "max.message.bytes", "1048588");
    assert_eq!((fault.grade, fault.should_be.as_str()), (Grade::Broken, "4194304 or more"));
    topic_is_fine_with(QUEUE, "max.message.bytes", Some("5000000"));
    assert_eq!(of_topic(STATE, "message.timestamp.type", "LogAppendTime").grade, Grade::Weak);
    assert_eq!(of_topic(QUEUE, "message.timestamp.after.max.ms", "3600000").grade, Grade::Weak);
    topic_is_fine_with(QUEUE, "message.timestamp.after.max.ms", None);
}

#[test]
fn nodes_must_take_what_a_host_asks_for() {
    assert_eq!(of_node("transaction.max.timeout.ms", "9999").grade, Grade::Broken);
    node_is_fine_with("transaction.max.timeout.ms", Some("10000"));
    assert_eq!(of_node("group.min.session.timeout.ms", "10001").grade, Grade::Broken);
    node_is_fine_with("group.min.session.timeout.ms", Some("10000"));
    assert_eq!(of_node("group.max.session.timeout.ms", "9999").grade, Grade::Broken);
    node_is_fine_with("group.max.session.timeout.ms", Some("10000"));
    let fault = of_node("offset.metadata.max.bytes", "4095");
    assert_eq!((fault.grade, fault.cure.as_str()), (Grade::Broken, "set offset.metadata.max.bytes=4096 on every node"));
    node_is_fine_with("offset.metadata.max.bytes", Some("8192"));
    assert_eq!(of_node("offsets.retention.minutes", "1440").grade, Grade::Weak);
    node_is_fine_with("offsets.retention.minutes", Some("20000"));
    assert_eq!(of_node("inter.broker.protocol.version", "2.4-IV1").grade, Grade::Broken);
    node_is_fine_with("inter.broker.protocol.version", Some("2.5-IV0"));
    node_is_fine_with("inter.broker.protocol.version", Some("3.9-IV0"));
}

#[test]
fn settings_of_the_clusters_own_topics_count_until_they_are_there() {
    for (name, setting) in [
        (OFFSETS_TOPIC, "offsets.topic.replication.factor"),
        (TRANSACTIONS_TOPIC, "transaction.state.log.replication.factor"),
        (TRANSACTIONS_TOPIC, "transaction.state.log.min.isr"),
    ] {
        node_is_fine_with(setting, Some("1"));
        let mut facts = good();
        facts.topics.remove(name);
        assert_eq!(faults(&options(), &facts), [], "{setting}");
        facts.nodes.values_mut().for_each(|node| set(node, setting, Some("1")));
        let faults = faults(&options(), &facts);
        assert!(faults.iter().all(|fault| fault.grade == Grade::Weak && fault.of.len() == 3), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.setting == setting), "{faults:?}");
    }
}

#[test]
fn what_may_not_be_read_is_unknown_and_not_fine() {
    let mut facts = good();
    facts.nodes.insert(2, Settings::Unknown("not authorised".to_owned()));
    let fault = the_fault(&facts);
    assert_eq!(
        (fault.grade, fault.setting, fault.of.as_slice()),
        (Grade::Unknown, "settings of nodes", &["node 2".to_owned()][..])
    );
    assert!(fault.value.contains("not authorised") && fault.cure.contains("DescribeConfigs"), "{fault:?}");

    let mut facts = good();
    for found in facts.topics.values_mut() {
        found.settings = Settings::Unknown("not authorised".to_owned());
    }
    let fault = the_fault(&facts);
    assert_eq!((fault.grade, fault.of.len()), (Grade::Unknown, facts.topics.len()));
    facts.topics.get_mut(QUEUE).expect("it is there").partitions[0].in_sync = 0;
    assert_eq!(faults(&options(), &facts)[0].grade, Grade::Broken, "what can be seen is told");

    let mut facts = good();
    set(&mut facts.topics.get_mut(QUEUE).expect("it is there").settings, "retention.ms", None);
    let fault = the_fault(&facts);
    assert_eq!(
        (fault.grade, fault.setting, fault.value.as_str()),
        (Grade::Unknown, "retention.ms", "not told by the cluster")
    );
    let mut facts = good();
    set(facts.nodes.get_mut(&1).expect("it is there"), "offset.metadata.max.bytes", None);
    assert_eq!(the_fault(&facts).grade, Grade::Unknown);
}

#[test]
fn topics_of_one_kind_are_as_wide_as_each_other() {
    let narrow = |name: &str| {
        let mut facts = good();
        facts.topics.get_mut(name).expect("it is there").partitions.truncate(2);
        facts
    };
    let fault = the_fault(&narrow(QUEUE));
    assert_eq!((fault.grade, fault.setting, fault.value.as_str()), (Grade::Weak, "partitions", "2"));
    assert_eq!((fault.of.as_slice(), fault.should_be.as_str()), (&[QUEUE.to_owned()][..], "4"));
    assert_eq!(the_fault(&narrow(DELAYED)).setting, "partitions");
    for name in ["p.a.b.c.compensate", "p.a.b.c.error", STATE, JOURNAL, TRIGGER] {
        assert_eq!(faults(&options(), &narrow(name)), [], "{name} need not be like another");
    }
}

#[test]
fn missing_topics_are_made_or_told() {
    let mut facts = good();
    facts.topics.remove(QUEUE);
    facts.topics.remove(STATE);
    assert_eq!(faults(&options(), &facts), []);
    let told = judge(&options(), &needed(), &facts).into_iter().find(|finding| finding.setting == "topics");
    assert_eq!(told.expect("it was looked at").value, "2 missing");
    let options = KafkaOptions { create_topics: false, ..options() };
    let found = faults(&options, &facts);
    let [fault] = found.as_slice() else { panic!("one fault: {found:?}") };
    assert_eq!((fault.grade, fault.value.as_str()), (Grade::Broken, "2 missing"));
    for line in ["--create --topic p.a.b.c.in --partitions 4", "--create --topic p.saga.state --partitions 4"] {
        assert!(fault.cure.contains(line), "{fault:?}");
    }
}

#[test]
fn what_will_be_made_is_judged_before() {
    let facts = || {
        let mut facts = good();
        facts.topics.remove(QUEUE);
        facts
    };
    let with = |setting: &str, value: &str| {
        let mut facts = facts();
        facts.nodes.values_mut().for_each(|node| set(node, setting, Some(value)));
        the_fault(&facts)
    };
    let mut one_copy = facts();
    for node in one_copy.nodes.values_mut() {
        set(node, "default.replication.factor", Some("1"));
        set(node, "min.insync.replicas", Some("1"));
    }
    let fault = the_fault(&one_copy);
    assert_eq!((fault.grade, fault.setting), (Grade::Weak, "replication factor"));
    assert_eq!(with("min.insync.replicas", "1").cure, "set min.insync.replicas=2 on every node");
    assert_eq!(with("default.replication.factor", "4").grade, Grade::Broken, "there are three nodes");
    let two = KafkaOptions { replication: 2, ..options() };
    let found = faults(&two, &facts());
    assert!(found.iter().any(|fault| fault.setting == "replication factor" && fault.value == "2"), "{found:?}");
}

#[test]
fn what_is_the_same_everywhere_is_told_once() {
    let mut facts = good();
    facts.nodes.values_mut().for_each(|node| set(node, "offsets.retention.minutes", Some("60")));
    for name in [QUEUE, DELAYED] {
        set(&mut facts.topics.get_mut(name).expect("it is there").settings, "retention.ms", Some("60"));
    }
    let faults = faults(&options(), &facts);
    let [broken, weak] = faults.as_slice() else { panic!("two faults: {faults:?}") };
    assert_eq!(broken.of, [QUEUE, DELAYED], "in their order");
    assert!(broken.cure.starts_with("for each: kafka-configs.sh"), "{broken:?}");
    assert_eq!(weak.of, ["node 1", "node 2", "node 3"]);
}
