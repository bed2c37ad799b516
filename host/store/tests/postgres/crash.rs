//! A commit that is killed between any two of its steps. Goal: the outcome is there with everything that belongs to it,
//! or nothing is; asked again, the unit counts once; and what was acknowledged is there. Method: a proxy lets something
//! happen before each message of the protocol in turn, from either side, until the commit is over before it happens.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host_core::id::Lsn;
use host_store::backends::postgres::{Options, PostgresState};
use host_store::conformance::sample::bucket;
use host_store::conformance::shared::{message_id, text, unit};
use host_store::shared::{Applied, Error, Remedy, SharedState, SharedUnit, Taken};

use crate::open;
use crate::proxy::{Proxy, Side, Then};
use crate::server::Server;

/// A host behind a proxy, and one that asks the server itself.
struct Stage {
    server: Arc<Server>,
    proxy: Proxy,
    /// How the host behind the proxy is connected.
    options: Options,
    witness: Arc<PostgresState>,
}

impl Stage {
    async fn set(server: Arc<Server>, patience: Duration) -> Self {
        let direct = server.options();
        let witness = open(&direct).await;
        let proxy = Proxy::start(server.port()).await;
        let address = format!("postgresql://postgres@127.0.0.1:{}/postgres?sslmode=disable", proxy.port);
        let host_name = direct.schema.clone();
        let options = Options { address, host_name, connections_max: 1, patience, ..direct };
        Self { server, proxy, options, witness }
    }

    /// Two units that count up the same two keys, so that half a commit could be seen, and one that is removed.
    async fn units(&self, round: usize) -> [SharedUnit; 2] {
        let (mine, other) = (bucket("test.step.s1"), bucket("test.step.s2"));
        let begun = self.witness.snapshot().await.expect("the witness answers");
        let after = self.count().await[0] + 1;
        let after = after.to_string();
        let gone = round.is_multiple_of(2).then_some("x");
        [
            unit(&format!("a-{round}"), begun, &[(&mine, "k")], &[(&mine, "k", Some(&after))], &after),
            unit(&format!("b-{round}"), begun, &[], &[(&other, "k", Some(&after)), (&other, "gone", gone)], &after),
        ]
    }

    /// The server goes on with what had reached it when a connection was cut. Wait until it has found out.
    fn until_nobody_works(&self) {
        let name = &self.options.host_name;
        let sessions =
            format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}' AND state <> 'idle'");
        tokio::task::block_in_place(|| {
            while self.server.sql(&sessions) != "0" {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
    }

    async fn count(&self) -> [u64; 2] {
        let mut counts = [0; 2];
        for (count, name) in counts.iter_mut().zip(["test.step.s1", "test.step.s2"]) {
            let text = text(&*self.witness, &bucket(name), "k").await;
            *count = text.map_or(0, |text| text.parse().expect("a number"));
        }
        counts
    }

    async fn outcomes(&self, units: &[SharedUnit]) -> [bool; 2] {
        let mut there = [false; 2];
        for (there, unit) in there.iter_mut().zip(units) {
            *there = self.witness.outcome(&unit.message_id).await.expect("the witness answers").is_some();
        }
        there
    }

    /// Commit with something happening, and hold what is there afterwards to the promise. Answers whether it happened.
    async fn play(
        &self,
        side: Side,
        messages: usize,
        happening: impl FnOnce() -> Then + Send + 'static,
        recover: impl FnOnce(),
    ) -> bool {
        let host = open(&self.options).await;
        // Connected and prepared: what is counted is the commit alone.
        host.snapshot().await.expect("the host is connected");
        let round = messages + usize::from(side == Side::Server) * 1000;
        let units = self.units(round).await;
        let before = self.count().await;
        assert_eq!(before[0], before[1]);
        self.proxy.after(side, messages, happening);
        let applied = host.apply(&units).await;
        let happened = self.proxy.disarm().await;
        recover();
        let there = self.outcomes(&units).await;
        let at = format!("{side:?}, message {messages}, {applied:?}");
        assert_eq!(there[0], there[1], "half a batch: {at}");
        let expected = before[0] + u64::from(there[0]);
        assert_eq!(self.count().await, [expected; 2], "outcomes without values, or the reverse: {at}");
        match &applied {
            Ok(_) => assert!(there[0], "what was acknowledged is gone: {at}"),
            Err(error) => assert_eq!(error.remedy(), Remedy::Again, "{error}"),
        }
        self.once_more(&host, &units, there[0]).await;
        assert_eq!(self.count().await, [before[0] + 1; 2], "it counts once: {at}");
        happened
    }

    /// The message comes again, to a host whose connection is perhaps gone.
    async fn once_more(&self, host: &PostgresState, units: &[SharedUnit], was_there: bool) {
        let applied = loop {
            match host.apply(units).await {
                Ok(applied) => break applied,
                Err(error) => assert_eq!(error.remedy(), Remedy::Again, "{error}"),
            }
        };
        for (unit, taken) in units.iter().zip(applied.units) {
            let outcome = unit.outcome.clone().expect("these have one");
            assert_eq!(taken, Ok(if was_there { Taken::Before(outcome) } else { Taken::Now }));
        }
    }
}

async fn cut_at_every_message(patience: Duration) {
    let stage = Stage::set(Arc::new(Server::start(&[])), patience).await;
    for side in [Side::Client, Side::Server] {
        let mut messages = 0;
        while stage.play(side, messages, || Then::Cut, || stage.until_nobody_works()).await {
            messages += 1;
        }
        assert!(messages > 15, "{messages} messages are no commit");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_anywhere_leaves_all_or_nothing() {
    cut_at_every_message(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_terminated_anywhere_leaves_all_or_nothing() {
    let stage = Stage::set(Arc::new(Server::start(&[])), Duration::ZERO).await;
    for side in [Side::Client, Side::Server] {
        let mut messages = 0;
        loop {
            let (server, name) = (stage.server.clone(), stage.options.host_name.clone());
            // Without words for the end of the backend: what is on its way stays on its way.
            let terminate = move || {
                let sessions =
                    format!("FROM pg_stat_activity WHERE application_name = '{name}' AND pid <> pg_backend_pid()");
                server.sql(&format!("SELECT pg_terminate_backend(pid, 5000) {sessions}"));
                Then::GoOn
            };
            if !stage.play(side, messages, terminate, || {}).await {
                break;
            }
            messages += 1;
        }
        assert!(messages > 15, "{messages} messages are no commit");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_anywhere_keeps_all_or_nothing() {
    let stage = Stage::set(Arc::new(Server::start(&[])), Duration::ZERO).await;
    for side in [Side::Client, Side::Server] {
        // Every start takes a second: each fourth message, from another one on for each side.
        let mut messages = usize::from(side == Side::Server);
        loop {
            let server = stage.server.clone();
            let crash = move || {
                server.crash();
                Then::GoOn
            };
            let server = &stage.server;
            if !stage.play(side, messages, crash, || tokio::task::block_in_place(|| server.restart())).await {
                break;
            }
            messages += 4;
        }
        assert!(messages > 15, "{messages} messages are no commit");
    }
}

/// With patience nobody above notices: the commit finds out by itself how its first try ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_lost_its_connection_is_made_once_without_anyone_noticing() {
    let stage = Stage::set(Arc::new(Server::start(&[])), Duration::from_secs(30)).await;
    for side in [Side::Client, Side::Server] {
        let mut messages = 0;
        loop {
            let host = open(&stage.options).await;
            host.snapshot().await.expect("the host is connected");
            let before = stage.count().await;
            let units = stage.units(messages + usize::from(side == Side::Server) * 1000).await;
            stage.proxy.after(side, messages, || Then::Cut);
            let applied = host.apply(&units).await.unwrap_or_else(|error| panic!("message {messages}: {error}"));
            assert!(applied.units.iter().all(Result::is_ok), "{applied:?}");
            assert_eq!(stage.count().await, [before[0] + 1; 2], "{side:?}, message {messages}");
            if !stage.proxy.disarm().await {
                break;
            }
            messages += 1;
        }
        assert!(messages > 15, "{messages} messages are no commit");
    }
}

/// Two hosts count up together while the server dies again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_update_is_lost_between_hosts_while_the_server_dies() {
    let server = Server::start(&[]);
    let options = server.options();
    let mine = bucket("test.step.s1");
    let mut hosts = tokio::task::JoinSet::new();
    for name in ["one", "two"] {
        hosts.spawn(host_store::conformance::shared::count_up(open(&options).await, mine.clone(), name.to_owned()));
    }
    let mut crash_count = 0;
    while !hosts.is_empty() {
        tokio::time::sleep(Duration::from_millis(30 + 20 * (crash_count % 5))).await;
        tokio::task::block_in_place(|| {
            server.crash();
            server.restart();
        });
        crash_count += 1;
        while let Some(done) = hosts.try_join_next() {
            done.expect("no task fails");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let state = open(&options).await;
    assert_eq!(text(&*state, &mine, "count").await.as_deref(), Some("200"), "after {crash_count} crashes");
    let outcomes = server.sql(&format!("SELECT outcome FROM {}.outcome", options.schema));
    assert_eq!(outcomes.lines().collect::<HashSet<_>>().len(), 200, "each count is one message's");
    assert!(crash_count > 1, "the server died {crash_count} times");
}

/// A host that stands still in the middle of its commit, as a paused machine does, holds the others up for seconds; its
/// commit is then gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_stands_still_in_its_commit_loses_its_turn() {
    let stage = Stage::set(Arc::new(Server::start(&[])), Duration::ZERO).await;
    let host = open(&stage.options).await;
    host.snapshot().await.expect("the host is connected");
    let units = stage.units(0).await;
    // The first round trip is thirteen messages; the second is held.
    stage.proxy.after(Side::Client, 13, || {
        std::thread::sleep(Duration::from_secs(8));
        Then::GoOn
    });
    let mine = bucket("test.step.s1");
    let still = tokio::spawn(async move { (host.apply(&units).await, host, units) });
    while stage.server.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") == "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let begun = std::time::Instant::now();
    let other = unit("other", Lsn(0), &[], &[(&mine, "k", Some("7"))], "7");
    let taken = stage.witness.apply(&[other]).await.expect("it gets its turn");
    assert_eq!(taken.units, [Ok(Taken::Now)]);
    assert!(begun.elapsed() < Duration::from_secs(8), "it waited for the other host to wake up");
    let (applied, host, units) = still.await.expect("the task does not fail");
    assert_lost_its_turn(&applied);
    let again = host.apply(&units).await.expect("it is connected anew");
    assert!(again.units[0].is_err(), "what it read was overwritten while it stood still");
    assert_eq!(stage.witness.outcome(&message_id("a-0")).await.expect("the witness answers"), None::<Bytes>);
}

fn assert_lost_its_turn(applied: &Result<Applied, Error>) {
    let error = applied.as_ref().expect_err("its session was ended");
    assert_eq!(error.remedy(), Remedy::Again, "{error}");
}
