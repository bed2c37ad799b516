//! What is said, and what goes on by itself, while something is wrong with a server that was well: it restarts, it is
//! held up, connections are short, the tables are gone.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use host_core::id::Lsn;
use host_store::backends::postgres::Options;
use host_store::conformance::sample::bucket;
use host_store::conformance::shared::{taken, text, unit};
use host_store::shared::{Error, Remedy, SharedState, SharedUnit, limits};

use crate::open;
use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_goes_on_by_itself_when_the_server_is_back() {
    let server = Server::start(&[]);
    let state = open(&server.options()).await;
    let mine = bucket("test.step.s1");
    taken(&*state, &[unit("a", Lsn(0), &[], &[(&mine, "k", Some("1"))], "")]).await;
    tokio::task::block_in_place(|| server.crash());
    let reading = tokio::spawn({
        let (state, mine) = (state.clone(), mine.clone());
        async move { text(&*state, &mine, "k").await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!reading.is_finished(), "it waits for the server");
    tokio::task::block_in_place(|| server.restart());
    assert_eq!(reading.await.expect("the task does not fail").as_deref(), Some("1"));
    taken(&*state, &[unit("b", Lsn(0), &[], &[(&mine, "k", Some("2"))], "")]).await;
}

/// Holds the turn, as a host that stands still, until it is dropped.
struct Holder(Child);

impl Holder {
    fn hold(server: &Server, schema: &str) -> Self {
        let mut command = Command::new("psql");
        let script = format!("BEGIN; SELECT FROM {schema}.turn FOR UPDATE; SELECT pg_sleep(60)");
        command.args(["--no-psqlrc", "--quiet", "--command", &script, server.address()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let holder = Self(child.expect("psql can be run"));
        let sleeping =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name = 'psql'";
        while server.sql(sleeping) == "0" {
            std::thread::sleep(Duration::from_millis(20));
        }
        holder
    }

    fn let_go(mut self, server: &Server) {
        server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
        self.0.wait().expect("our own child can be waited for");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_too_long_is_told_for_what_and_others_read_on() {
    let server = Server::start(&[]);
    let (statement_max, patience) = (Duration::from_millis(500), Duration::ZERO);
    let options = Options { statement_max, patience, connections_max: 2, ..server.options() };
    let state = open(&options).await;
    let holder = tokio::task::block_in_place(|| Holder::hold(&server, &options.schema));
    let apply = |saga: &'static str| {
        let state = state.clone();
        async move { state.apply(&[unit(saga, Lsn(0), &[], &[], "x")]).await.map(|_| ()) }
    };
    let (first, read) = tokio::join!(apply("a"), state.snapshot());
    read.expect("a read waits for nobody");
    let error = first.expect_err("somebody else has the turn");
    assert_eq!(error.remedy(), Remedy::Again);
    let said = error.to_string();
    let words = ["127.0.0.1", "committing key-values and outcomes", "statement timeout", "pg_stat_activity"];
    words.iter().for_each(|word| assert!(said.contains(word), "{word:?} is not in: {said}"));

    tokio::task::block_in_place(|| holder.let_go(&server));
    state.apply(&[unit("a", Lsn(0), &[], &[], "x")]).await.expect("the turn is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_all_busy_are_told_as_such() {
    let server = Server::start(&[]);
    let options = Options { connections_max: 1, patience: Duration::ZERO, ..server.options() };
    let options = Options { statement_max: Duration::from_millis(1500), ..options };
    let state = open(&options).await;
    state.snapshot().await.expect("it is connected");
    let holder = tokio::task::block_in_place(|| Holder::hold(&server, &options.schema));
    // The one connection waits for the turn; the second in the queue for it would have to wait twice as long.
    let apply = |saga: &'static str| {
        let state = state.clone();
        async move { state.apply(&[unit(saga, Lsn(0), &[], &[], "x")]).await.map(|_| ()) }
    };
    let answers = tokio::join!(apply("a"), apply("b"), apply("c"));
    let errors = [answers.0, answers.1, answers.2].map(|answer| answer.expect_err("somebody else has the turn"));
    assert!(errors.iter().all(|error| error.remedy() == Remedy::Again), "{errors:?}");
    let exhausted = errors.iter().find(|error| matches!(error, Error::Exhausted { .. }));
    let said = exhausted.unwrap_or_else(|| panic!("{errors:?}")).to_string();
    let words = ["all 1 connections", "127.0.0.1", "give the host more connections"];
    words.iter().for_each(|word| assert!(said.contains(word), "{word:?} is not in: {said}"));
    tokio::task::block_in_place(|| holder.let_go(&server));
}

#[tokio::test]
async fn a_server_that_has_no_room_for_a_connection_says_so() {
    let server = Server::start(&["--set", "max_connections=4", "--set", "superuser_reserved_connections=0"]);
    let options = server.options();
    let state = open(&Options { patience: Duration::ZERO, connections_max: 9, ..options.clone() }).await;
    let reads = (0..9).map(|_| {
        let state = state.clone();
        async move { state.snapshot().await.map(|_| ()) }
    });
    let reads: tokio::task::JoinSet<_> = reads.collect();
    let errors: Vec<Error> = reads.join_all().await.into_iter().filter_map(Result::err).collect();
    let said = errors.first().expect("nine are more than four").to_string();
    assert!(said.contains("max_connections"), "{said}");
    assert!(errors.iter().all(|error| error.remedy() == Remedy::Again));
    drop(state);
    open(&options).await.snapshot().await.expect("others have room again");
}

#[tokio::test]
async fn tables_that_are_gone_are_a_persons_business() {
    let server = Server::shared();
    let options = Options { patience: Duration::from_secs(60), ..server.options() };
    let state = open(&options).await;
    state.snapshot().await.expect("it is connected");
    server.sql(&format!("DROP SCHEMA {} CASCADE", options.schema));
    let error = state.snapshot().await.expect_err("the tables are gone");
    assert_eq!(error.remedy(), Remedy::Operator, "{error}");
    assert!(error.to_string().contains("bring them back"), "{error}");
}

#[tokio::test]
async fn more_than_one_commit_takes_is_refused_before_anything_is_sent() {
    let state = open(&Server::shared().options()).await;
    let outcome = Some(Bytes::from(vec![0; limits::APPLY_BYTES_MAX + 1]));
    let big = SharedUnit { outcome, ..unit("a", Lsn(0), &[], &[], "") };
    let error = state.apply(&[big]).await.expect_err("it is too large");
    assert_eq!(error.remedy(), Remedy::GiveUp, "{error}");
    assert_eq!(state.snapshot().await.expect("it answers"), Lsn(0));
}

/// A call that is given up in the middle: its connection is closed and nothing stays open on the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_cancelled_holds_nobody_up() {
    let server = Server::start(&[]);
    let options = Options { connections_max: 1, ..server.options() };
    let state = open(&options).await;
    let mine = bucket("test.step.s1");
    for round in 0..100u64 {
        let saga = format!("cancelled-{round}");
        let units = [unit(&saga, Lsn(0), &[], &[(&mine, &saga, Some("x"))], "x")];
        let cancelled = tokio::time::timeout(Duration::from_micros(50 * round), state.apply(&units)).await;
        let applied = state.apply(&units).await.expect("it gets its turn");
        assert!(applied.units[0].is_ok(), "{cancelled:?}, {applied:?}");
    }
    assert_eq!(state.keys(&mine, None, 1000).await.expect("the keys are readable").len(), 100);
}
