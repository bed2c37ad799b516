//! How a schema is opened: by several hosts at once, by a user with few rights, over TLS, and where it is refused.

use std::time::Duration;

use host_store::backends::postgres::{Options, PostgresState};
use host_store::conformance::sample::bucket;
use host_store::shared::{Error, Remedy, SharedState as _};

use crate::open;
use crate::server::Server;

pub(crate) async fn refused(options: &Options) -> Error {
    let options = Options { patience: Duration::ZERO, ..options.clone() };
    PostgresState::open(&options).await.map(|_| ()).expect_err("it cannot be opened")
}

fn assert_says(error: &Error, remedy: Remedy, words: &[&str]) {
    let text = error.to_string();
    words.iter().for_each(|word| assert!(text.contains(word), "{word:?} is not in: {text}"));
    assert_eq!(error.remedy(), remedy, "{text}");
}

#[tokio::test]
async fn hosts_that_open_at_once_make_the_tables_once() {
    let options = Server::shared().options();
    let opening: tokio::task::JoinSet<_> = (0..8)
        .map(|_| {
            let options = options.clone();
            async move { open(&options).await }
        })
        .collect();
    opening.join_all().await;
    let versions = Server::shared().sql(&format!("SELECT version FROM {}.schema_version", options.schema));
    assert_eq!(versions, "1");
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused_and_left_alone() {
    let options = Server::shared().options();
    drop(open(&options).await);
    Server::shared().sql(&format!("INSERT INTO {}.schema_version (version) VALUES (99)", options.schema));
    let error = refused(&options).await;
    assert_says(
        &error,
        Remedy::Operator,
        &[&options.schema, "is of version 99, this program knows 1", "run the version"],
    );
    assert!(matches!(error, Error::Newer { found: 99, known: 1, .. }));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named_with_its_port_and_never_the_password() {
    let address = "postgresql://saga:s3cret@127.0.0.1:1/orders";
    let error = refused(&Options::new(address)).await;
    assert_says(&error, Remedy::Again, &["127.0.0.1:1/orders (user saga)", "refused", "see whether the server runs"]);
    assert!(!format!("{error} {error:?}").contains("s3cret"));
}

#[tokio::test]
async fn a_database_that_is_not_there_is_refused_with_the_cure() {
    let address = format!("postgresql://postgres@127.0.0.1:{}/nowhere", Server::shared().port());
    assert_says(&refused(&Options::new(&address)).await, Remedy::Operator, &["nowhere", "create the database"]);
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_id_is_refused_with_the_cure() {
    let server = Server::shared();
    server.sql("CREATE DATABASE bytes ENCODING 'SQL_ASCII' TEMPLATE template0");
    let address = format!("postgresql://postgres@127.0.0.1:{}/bytes", server.port());
    assert_says(&refused(&Options::new(&address)).await, Remedy::Operator, &["SQL_ASCII", "ENCODING 'UTF8'"]);
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_taken_for_the_primary() {
    let server = Server::shared();
    server.sql("CREATE DATABASE standby");
    server.sql("ALTER DATABASE standby SET default_transaction_read_only TO on");
    let address = format!("postgresql://postgres@127.0.0.1:{}/standby", server.port());
    assert_says(&refused(&Options::new(&address)).await, Remedy::Again, &["standby", "does not allow writes"]);
}

#[tokio::test]
async fn a_user_without_rights_is_told_what_to_ask_for_and_then_works() {
    let server = Server::shared();
    server.sql("CREATE ROLE modest LOGIN");
    let address = format!("postgresql://modest@127.0.0.1:{}/postgres", server.port());
    let options = Options { address, ..server.options() };
    assert_says(&refused(&options).await, Remedy::Operator, &["permission denied", "CREATE SCHEMA"]);
    server.sql(&format!("CREATE SCHEMA {} AUTHORIZATION modest", options.schema));
    let state = open(&options).await;
    assert_eq!(state.value(&bucket("test/shared"), "k").await.expect("it may read"), None);
}

#[tokio::test]
async fn a_wrong_password_is_refused_and_not_repeated() {
    let server = Server::start(&[]);
    server.sql("CREATE ROLE saga LOGIN SUPERUSER PASSWORD 'r1ght'");
    let hba = server.folder().join("data").join("pg_hba.conf");
    let rules = "host all postgres 127.0.0.1/32 trust\nhost all saga 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(hba, rules).expect("the file is ours");
    server.sql("SELECT pg_reload_conf()");
    let with =
        |password: &str| Options::new(&format!("postgresql://saga{password}@127.0.0.1:{}/postgres", server.port()));
    // The server reads its rules when it gets to it.
    while PostgresState::open(&with("")).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    open(&with(":r1ght")).await;
    let error = refused(&with(":wr0ng")).await;
    assert_says(&error, Remedy::Operator, &["user saga", "check the user and the password"]);
    assert!(!format!("{error} {error:?}").contains("wr0ng"));
    assert_says(&refused(&with("")).await, Remedy::Operator, &["password missing", "check the user and the password"]);
}

#[tokio::test]
async fn tls_is_checked_where_it_is_required() {
    let server = Server::start(&["--tls"]);
    let named = |host: &str| format!("postgresql://postgres@{host}:{}/postgres?sslmode=require", server.port());
    let ca_file = Some(server.folder().join("server.crt"));
    for host in ["127.0.0.1", "localhost"] {
        let options = Options { ca_file: ca_file.clone(), ..Options::new(&named(host)) };
        let state = open(&options).await;
        state.snapshot().await.expect("it answers over TLS");
        let over_tls =
            "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'saga'";
        assert_eq!(server.sql(over_tls), "t");
    }
    let unknown = refused(&Options::new(&named("127.0.0.1"))).await;
    assert_says(&unknown, Remedy::Operator, &["certificate verify failed", "name its authority"]);
    // The certificate is for another name than this one of the same machine.
    let address = format!("{}&hostaddr=127.0.0.1", named("another.invalid"));
    let options = Options { ca_file, ..Options::new(&address) };
    assert_says(&refused(&options).await, Remedy::Operator, &["certificate verify failed"]);
    open(&Options::new(&named("127.0.0.1").replace("require", "prefer"))).await;

    let plain = Options::new(&format!("{}?sslmode=require", Server::shared().address()));
    assert_says(&refused(&plain).await, Remedy::Operator, &["TLS", "let the server speak TLS"]);
}
