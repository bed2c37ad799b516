//! TLS and SASL towards a real Kafka. Goal: with each mechanism a host starts and its sagas end, a renewed token keeps
//! every client of the host logged in, and a cluster that does not let the host in is told in words, soon, with the
//! setting and without a secret. Method: hosts as processes, configured as an operator would, against the listeners
//! of one cluster; Apache's own client reads by the plain one what was committed.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use saga_tests::api::Api;
use saga_tests::check::{self, until};
use saga_tests::host::{Host, run_saga};
use saga_tests::installation::{Installation, instrument_address};
use saga_tests::kafka::Cluster;
use saga_tests::kafka::judge::judge;
use saga_tests::kafka::secure::token;
use saga_tests::tidy::tree::root;
use serde_json::json;

/// A host that is refused says so within this time: it tries for five seconds, and a busy machine is slow.
const REFUSED_MAX: Duration = Duration::from_secs(25);

const STEPS: [&str; 2] = ["one", "two"];

/// One for all: listeners do not disturb each other, and each host has a prefix.
fn cluster() -> &'static Cluster {
    static SECURE: OnceLock<Cluster> = OnceLock::new();
    SECURE.get_or_init(Cluster::start_secure)
}

/// A file of the cluster as a setting's value.
fn file(name: &str) -> String {
    cluster().secure_file(name).to_str().expect("a plain path").to_owned()
}

/// `[broker.client]`, with the authority of the brokers.
fn client(protocol: &str, more: &str) -> String {
    format!("security.protocol={protocol};ssl.ca.location={};{more}", file("ca.pem"))
}

fn login(mechanism: &str, password: &str) -> String {
    client("sasl_ssl", &format!("sasl.mechanisms={mechanism};sasl.username=saga;sasl.password={password}"))
}

fn certificate(name: &str) -> String {
    let (pem, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
    client("ssl", &format!("ssl.certificate.location={pem};ssl.key.location={key}"))
}

fn environment<'a>(bootstrap: &'a str, prefix: &'a str, client: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("SAGA_BROKER_KIND", "kafka"),
        ("SAGA_BROKER_BOOTSTRAP", bootstrap),
        ("SAGA_BROKER_PREFIX", prefix),
        ("SAGA_BROKER_PARTITIONS", "2"),
        ("SAGA_BROKER_CLIENT", client),
    ]
}

/// The blocks of docs/kafka.md, in their order, with this cluster's files and password.
fn documented() -> [String; 4] {
    let page = std::fs::read_to_string(root().join("docs").join("kafka.md")).expect("the page is in the tree");
    let (_, section) = page.split_once("### Logging in\n").expect("the page has the section");
    let (section, _) = section.split_once("\n### ").expect("another section follows");
    let blocks = section.split("```toml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    let blocks = blocks.map(|block| {
        block
            .replace("/etc/saga/ca.pem", &file("ca.pem"))
            .replace("/etc/saga/host.", &file("client."))
            .replace("/var/run/secrets/kafka/token", &file("token"))
            .replace('…', "saga-secret")
    });
    blocks.collect::<Vec<_>>().try_into().expect("TLS, mutual TLS, a password, a token")
}

fn a_saga_completes(listener: &str, prefix: &str, config: &str) {
    let bootstrap = cluster().listener(listener);
    let installation = Installation::with_instruments(&STEPS);
    installation.config(config);
    let mut environment = environment(&bootstrap, prefix, "");
    environment.retain(|(key, _)| *key != "SAGA_BROKER_CLIENT");
    let host = Host::start_with(installation, &environment);
    let outcome = host.api.run("play", &json!({}));
    assert_eq!(outcome["status"], "completed", "{outcome}");
    assert_eq!(judge(cluster(), &prefix.replace('.', "\\.")), 1);
}

#[test]
fn a_saga_completes_over_tls() {
    let [tls, _, _, _] = documented();
    a_saga_completes("tls", "tls.", &tls);
}

#[test]
fn a_saga_completes_over_tls_with_a_certificate_of_the_host() {
    let [_, mutual_tls, _, _] = documented();
    a_saga_completes("mtls", "mtls.", &mutual_tls);
}

#[test]
fn a_saga_completes_with_a_password_by_each_mechanism() {
    let [_, _, password, _] = documented();
    for mechanism in ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] {
        let config = password.replace("SCRAM-SHA-512", mechanism);
        a_saga_completes("sasl", &format!("{}.", mechanism.to_ascii_lowercase()), &config);
    }
}

#[test]
fn a_saga_completes_with_a_token() {
    let [_, _, _, token] = documented();
    a_saga_completes("sasl", "token.", &token);
}

/// A file is replaced whole, as those who renew tokens do.
fn renew(path: &Path, token: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, token).expect("the folder is ours");
    std::fs::rename(&beside, path).expect("the folder is ours");
}

fn completes(api: &Api) {
    let outcome = api.run("play", &json!({}));
    assert_eq!(outcome["status"], "completed", "{outcome}");
}

/// Renews a token every few seconds, as long as the sender of the stop lives.
fn renewing(path: PathBuf, good_for: i64) -> SyncSender<()> {
    let (stop, stopped) = sync_channel(0);
    renew(&path, &token(0, good_for));
    std::thread::spawn(move || {
        while stopped.recv_timeout(Duration::from_secs(3)) == Err(RecvTimeoutError::Timeout) {
            renew(&path, &token(0, good_for));
        }
    });
    stop
}

/// The sessions of this listener end with their tokens, so that whoever goes on has used a later one.
#[test]
fn every_client_of_a_host_goes_on_with_the_token_that_is_there_when_the_last_one_has_expired() {
    const GOOD_FOR: i64 = 20;
    let bootstrap = cluster().listener("sasl");
    let client = client("sasl_ssl", "");
    // In the folder of `saga.toml`, by a name that is relative to it.
    let installation = Installation::with_stateless_instruments(&STEPS);
    let path = installation.path().join("token");
    let mut environment = environment(&bootstrap, "oauth.", &client);
    // Of several hosts, each follows and asks how far it is as well.
    environment.extend([("SAGA_BROKER_OAUTH_TOKEN_FILE", "token"), ("SAGA_BROKER_HOSTS", "several")]);
    let renewing = renewing(path, GOOD_FOR);
    let host = Host::start_with(installation, &environment);
    let process = host.process_id();
    let since = Instant::now();
    let mut sagas = 0;
    // Past the end of the first token, and of the one that took its place.
    while since.elapsed() < Duration::from_secs(2 * GOOD_FOR as u64) {
        completes(&host.api);
        sagas += 1;
        std::thread::sleep(Duration::from_millis(200));
    }
    // Who makes topics has done nothing since the start, who lists them neither.
    let late = Installation::with_stateless_instruments(&["three"]);
    let address = instrument_address("three");
    host.installation.manifest(&address, &late.manifest_text(&address));
    host.installation.plugin(&address, &late.plugin_bytes(&address));
    host.installation.use_case("more", &["one", "two", "three"], "");
    check::serving(&host.api, &address);
    until("the use case is known", || {
        host.api.post("/v1/use-cases/more/sagas", &[("prefer", "wait=30")], "{}").ok().filter(|it| it.status == 200)
    });
    assert!(host.api.topic(&format!("{address}.in")).is_some(), "the topics are listed");
    assert_eq!(host.process_id(), process);
    drop(renewing);
    assert_eq!(judge(cluster(), "oauth\\."), sagas + 1);
}

#[test]
fn a_token_that_is_not_renewed_is_complained_of_and_its_successor_mends_it() {
    let bootstrap = cluster().listener("sasl");
    let client = client("sasl_ssl", "");
    let installation = Installation::with_instruments(&STEPS);
    let path = installation.path().join("token");
    let mut environment = environment(&bootstrap, "late.", &client);
    environment.push(("SAGA_BROKER_OAUTH_TOKEN_FILE", "token"));
    // However long the start takes, there is a good token; then there is none.
    let renewing = renewing(path.clone(), 20);
    let host = Host::start_with(installation, &environment);
    completes(&host.api);
    drop(renewing);
    until("it is told", || host.log_tail().contains("(broker.oauth-token-file) expired at").then_some(()));
    assert!(host.log_tail().contains("and there is no newer one"), "{}", host.log_tail());
    until("the cluster has closed the sessions", || host.log_tail().contains("the Kafka client").then_some(()));
    renew(&path, &token(0, 3600));
    completes(&host.api);
    assert!(!host.log_tail().contains("eyJ"), "a token was printed");
}

/// A host that must not start: what it said, in time.
fn refused(environment: &[(&str, &str)], words: &[&str]) {
    let installation = Installation::empty();
    let config = installation.path().join("saga.toml");
    let since = Instant::now();
    let all = [environment, &[("SAGA_LISTEN", "127.0.0.1:0")]].concat();
    let ran = run_saga(&["run", "--config", config.to_str().expect("a plain path")], &all);
    let took = since.elapsed();
    assert_ne!(ran.status, 0, "it ran: {}", ran.out);
    for word in words {
        assert!(ran.err.contains(word), "{word:?} is missing after {took:?}:\n{}", ran.err);
    }
    for secret in ["saga-secret", "wrong-word", "eyJ"] {
        assert!(!ran.err.contains(secret) && !ran.out.contains(secret), "a secret was printed:\n{}", ran.err);
    }
    assert!(took < REFUSED_MAX, "it took {took:?}:\n{}", ran.err);
}

#[test]
fn a_cluster_that_does_not_let_the_host_in_is_told_with_the_setting() {
    let (tls, mtls, sasl) = (cluster().listener("tls"), cluster().listener("mtls"), cluster().listener("sasl"));
    let other_ca = client("ssl", "").replace(&file("ca.pem"), &file("other-ca.pem"));
    let no_ca = client("ssl", "").replace(&file("ca.pem"), "/nowhere/ca.pem");
    let by_password = ["reaching it at", "broker.bootstrap", "SASL authentication error", "sasl.password"];
    for (bootstrap, client, words) in [
        (&sasl, login("PLAIN", "wrong-word"), &by_password[..]),
        (&sasl, login("SCRAM-SHA-512", "wrong-word"), &by_password),
        (&sasl, login("GSSAPI", "wrong-word"), &["GSSAPI", "this build has PLAIN"]),
        (&tls, other_ca, &["certificate verify failed", "ssl.ca.location"]),
        (&tls, no_ca, &["ssl.ca.location failed"]),
        (&mtls, client("ssl", ""), &["ssl.certificate.location", "ssl.key.location"]),
        (&mtls, certificate("other"), &["ssl.certificate.location", "an authority that they trust"]),
        (&tls, login("PLAIN", "wrong-word"), &["this listener wants no login", "security.protocol"]),
        (&cluster().bootstrap().to_owned(), client("ssl", ""), &["this listener has no TLS", "security.protocol"]),
    ] {
        refused(&environment(bootstrap, "refused.", &client), words);
    }
}

#[test]
fn a_token_that_is_no_good_is_told_with_the_file() {
    let bootstrap = cluster().listener("sasl");
    let client = client("sasl_ssl", "");
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("token");
    let name = path.to_str().expect("a plain path");
    let mut environment = environment(&bootstrap, "refused.", &client);
    environment.push(("SAGA_BROKER_OAUTH_TOKEN_FILE", name));
    refused(&environment, &[name, "broker.oauth-token-file", "cannot be read"]);
    for (text, words) in [
        (String::new(), "is empty"),
        ("opaque".to_owned(), "is no JSON Web Token"),
        (token(-7200, -3600), "s ago; whoever writes the file must renew it"),
        // Made in the future: only the cluster objects to that.
        (token(3600, 7200), "SASL authentication error"),
    ] {
        renew(&path, &text);
        refused(&environment, &["broker.oauth-token-file", words]);
    }
}

#[test]
fn settings_that_contradict_each_other_are_told_before_anything_is_asked() {
    let no_mechanism = client("sasl_ssl", "");
    let in_the_clear = login("PLAIN", "saga-secret").replace("sasl_ssl", "plaintext");
    let password = login("PLAIN", "saga-secret");
    for (client, more, words) in [
        (&no_mechanism, &[][..], &["SAGA_BROKER_CLIENT", "sasl.mechanisms is missing"][..]),
        (&in_the_clear, &[], &["SAGA_BROKER_CLIENT", "so nobody logs in", "sasl_ssl"]),
        (
            &password,
            &[("SAGA_BROKER_OAUTH_TOKEN_FILE", "/token")],
            &["SAGA_BROKER_OAUTH_TOKEN_FILE", "sasl.mechanisms is PLAIN"],
        ),
        (&"secret;word".to_owned(), &[], &["SAGA_BROKER_CLIENT", "no setting"]),
    ] {
        let environment = [&environment("127.0.0.1:1", "refused.", client), more].concat();
        refused(&environment, words);
    }
}
