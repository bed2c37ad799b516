//! Goal: files are dropped, replaced and removed while calls run; no call is lost or changes its version, a bad file
//! leaves the good one serving, and an old version can still undo what it did.
//! Method: a folder that is followed by the watching service, or looked at by `rescan` where the moment matters.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use host_core::id::{BucketName, Digest, Direction};
use host_core::outcome::FaultKind;
use host_runtime::{Hook, KeyValues, PluginState, Plugins, PluginsOptions, StepRunner as _};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::support::{Installation, STEP, Stage, address, assert_fault, body, call, guest, one, shown, states};

const FILE: &str = "test.guests.step.wasm";

/// Follows the folder until it is dropped.
struct Watched {
    stop: CancellationToken,
    service: tokio::task::JoinHandle<()>,
}

impl Watched {
    fn new(plugins: &Plugins) -> Self {
        let (stop, plugins) = (CancellationToken::new(), plugins.clone());
        let until = stop.clone();
        let service = tokio::spawn(async move { plugins.watch(until).await.expect("the folder can be watched") });
        Self { stop, service }
    }

    async fn end(self) {
        self.stop.cancel();
        self.service.await.unwrap();
    }
}

fn serving(plugins: &Plugins) -> Option<Digest> {
    plugins.snapshot().serving(&address(STEP)).and_then(|plugin| plugin.digest)
}

#[tokio::test]
async fn a_dropped_replaced_and_removed_file_is_followed() {
    let installation = Installation::new();
    let plugins = installation.open().await;
    let watched = Watched::new(&plugins);
    let stage = Stage { installation, plugins: plugins.clone(), key_values: Arc::default() };
    assert_fault(&stage.handle("0").await, FaultKind::Unavailable, &["put test.guests.step.wasm"]);

    stage.installation.serve(STEP, "version_1");
    shown(&plugins, "the dropped file", |plugins| plugins.len() == 1).await;
    assert_eq!(body(&stage.handle("0").await), "1");
    let first = serving(&plugins);

    stage.installation.serve(STEP, "version_2");
    shown(&plugins, "the new file", |plugins| {
        plugins.iter().any(|plugin| plugin.state == PluginState::Serving && plugin.digest != first)
    })
    .await;
    assert_eq!(body(&stage.handle("0").await), "2");

    stage.installation.remove(FILE);
    shown(&plugins, "nothing", |plugins| plugins.is_empty()).await;
    assert!(plugins.manifest(&address(STEP)).is_none());
    watched.end().await;
}

#[tokio::test]
async fn a_half_written_file_leaves_the_old_version_serving_until_it_is_whole() {
    let stage = one("version_1", "").await;
    let plugins = &stage.plugins;
    let watched = Watched::new(plugins);
    let wasm = std::fs::read(guest("version_2")).unwrap();
    stage.installation.write(FILE, &wasm[..wasm.len() / 2]);
    shown(plugins, "the refusal", |plugins| plugins.iter().any(|plugin| plugin.state == PluginState::Rejected)).await;
    assert_eq!(body(&stage.handle("0").await), "1");
    let states = states(plugins, FILE);
    assert_eq!(states.len(), 2);
    assert!(states[1].1.contains("not a valid component"), "{states:?}");

    stage.installation.write(FILE, &wasm);
    shown(plugins, "the whole file", |plugins| plugins.len() == 1 && plugins[0].state == PluginState::Serving).await;
    assert_eq!(body(&stage.handle("0").await), "2");
    watched.end().await;
}

#[tokio::test]
async fn a_broken_file_leaves_the_old_version_serving_and_says_so() {
    let stage = one("version_1", "").await;
    for (bytes, words) in [
        (b"not wasm at all".to_vec(), "not a wasm file"),
        (Vec::new(), "not a wasm file"),
        (std::fs::read(guest("missing_export")).unwrap(), "exports no saga:step/step"),
        (std::fs::read(guest("panic_at_start")).unwrap(), "dies before it lives"),
        (std::fs::read(guest("keyvalue")).unwrap(), "add grants = [\"keyvalue\"]"),
    ] {
        stage.installation.write(FILE, &bytes);
        stage.plugins.rescan().await;
        let states = states(&stage.plugins, FILE);
        let rejected: Vec<_> = states.iter().filter(|(state, _)| *state == PluginState::Rejected).collect();
        assert!(rejected.len() == 1 && rejected[0].1.contains(words), "{words}: {states:?}");
        assert_eq!(body(&stage.handle("0").await), "1");
    }
}

#[tokio::test]
async fn a_change_of_the_manifest_alone_reloads() {
    let stage = one("config", "grants = [\"config\"]\n[config]\ncurrency = \"EUR\"").await;
    assert!(body(&stage.handle("0").await).contains("EUR"));
    let digest = serving(&stage.plugins);
    stage.installation.manifest(STEP, "grants = [\"config\"]\n[config]\ncurrency = \"USD\"");
    stage.plugins.rescan().await;
    assert!(body(&stage.handle("0").await).contains("USD"));
    assert_eq!(serving(&stage.plugins), digest);

    stage.installation.manifest(STEP, "grants = [\"nonsense\"]");
    stage.plugins.rescan().await;
    let states = states(&stage.plugins, FILE);
    assert!(states.iter().any(|(_, reason)| reason.contains("test.guests.step.toml") && reason.contains("nonsense")));
    assert!(body(&stage.handle("0").await).contains("USD"), "the old manifest governs on");

    stage.installation.remove("test.guests.step.toml");
    stage.plugins.rescan().await;
    let states = crate::support::states(&stage.plugins, FILE);
    assert!(states.iter().any(|(_, reason)| reason.contains("does not grant it")), "{states:?}");
}

/// Key-values whose reads wait to be let through.
#[derive(Default)]
struct Gate {
    entered: AtomicU32,
    arrived: tokio::sync::Notify,
    through: Option<Semaphore>,
}

#[async_trait]
impl KeyValues for Gate {
    async fn get(&self, _: &BucketName, _: &str) -> Result<Option<Bytes>, String> {
        self.entered.fetch_add(1, Ordering::SeqCst);
        self.arrived.notify_one();
        if let Some(through) = &self.through {
            through.acquire().await.unwrap().forget();
        }
        Ok(None)
    }

    async fn keys(&self, _: &BucketName, _: Option<&str>, _: usize) -> Result<Vec<Arc<str>>, String> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn calls_in_flight_end_on_the_version_they_began_with() {
    let stage = one("keyvalue_faulty_store", "grants = [\"keyvalue\"]").await;
    let watched = Watched::new(&stage.plugins);
    let old = serving(&stage.plugins);
    let gate = Arc::new(Gate { through: Some(Semaphore::new(0)), ..Gate::default() });
    let (plugins, key_values) = (stage.plugins.clone(), gate.clone());
    let running = tokio::spawn(async move { plugins.call(call(STEP, Direction::Handle, "\"old\""), key_values).await });
    gate.arrived.notified().await;

    stage.installation.serve(STEP, "version_2");
    shown(&stage.plugins, "the old one draining", |plugins| {
        let draining = plugins.iter().find(|plugin| plugin.state == PluginState::Draining);
        draining.is_some_and(|plugin| plugin.digest == old && plugin.in_flight.count() == 1)
    })
    .await;
    assert_eq!(body(&stage.handle("0").await), "2", "new calls go to the new version");

    gate.through.as_ref().unwrap().add_permits(1);
    let report = running.await.unwrap();
    assert_eq!((body(&report), report.digest), ("\"old\"", old));
    shown(&stage.plugins, "the old one gone", |plugins| plugins.len() == 1).await;
    watched.end().await;
}

#[tokio::test]
async fn calls_in_flight_end_though_their_file_was_removed() {
    let stage = one("keyvalue_faulty_store", "grants = [\"keyvalue\"]").await;
    let gate = Arc::new(Gate { through: Some(Semaphore::new(0)), ..Gate::default() });
    let (plugins, key_values) = (stage.plugins.clone(), gate.clone());
    let running = tokio::spawn(async move { plugins.call(call(STEP, Direction::Handle, "1"), key_values).await });
    gate.arrived.notified().await;
    stage.installation.remove(FILE);
    stage.plugins.rescan().await;
    assert_eq!(states(&stage.plugins, FILE), [(PluginState::Draining, String::new())]);
    gate.through.as_ref().unwrap().add_permits(1);
    assert_eq!(body(&running.await.unwrap()), "1");
    stage.plugins.rescan().await;
    assert!(stage.plugins.snapshot().plugins.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_is_lost_while_versions_change_and_neighbours_do_not_notice() {
    let stage = one("version_1", "").await;
    stage.installation.serve("test.guests.neighbour", "echo");
    stage.plugins.rescan().await;
    let watched = Watched::new(&stage.plugins);
    let stop = Arc::new(AtomicBool::new(false));
    let caller = |step: &'static str| {
        let (plugins, stop) = (stage.plugins.clone(), stop.clone());
        let key_values = stage.key_values.clone();
        tokio::spawn(async move {
            let mut bodies = std::collections::BTreeMap::<(String, Option<Digest>), u32>::new();
            while !stop.load(Ordering::SeqCst) {
                let report = plugins.call(call(step, Direction::Handle, "0"), key_values.clone()).await;
                *bodies.entry((body(&report).to_owned(), report.digest)).or_default() += 1;
            }
            bodies
        })
    };
    let (steps, neighbours) = (caller(STEP), caller("test.guests.neighbour"));
    for (turn, program) in ["version_2", "version_1", "version_2"].into_iter().enumerate() {
        let before = serving(&stage.plugins);
        stage.installation.serve(STEP, program);
        shown(&stage.plugins, &format!("turn {turn}"), |plugins| {
            let serves = |plugin: &&host_runtime::PluginInfo| {
                plugin.state == PluginState::Serving && plugin.name() == STEP && plugin.digest != before
            };
            plugins.iter().any(|plugin| serves(&plugin))
        })
        .await;
    }
    stop.store(true, Ordering::SeqCst);
    let (steps, neighbours) = (steps.await.unwrap(), neighbours.await.unwrap());
    let kinds: Vec<_> = steps.keys().map(|(body, _)| body.as_str()).collect();
    assert_eq!(kinds, ["1", "2"], "each answer goes with one digest");
    assert_eq!(neighbours.len(), 1);
    watched.end().await;
}

#[tokio::test]
async fn compensation_runs_on_the_version_that_did_the_work_also_after_a_restart() {
    let stage = one("version_1", "").await;
    let done = stage.handle("0").await;
    stage.installation.serve(STEP, "version_2");
    stage.plugins.rescan().await;
    let mut undo = call(STEP, Direction::Compensate, "0");
    undo.digest = done.digest;
    let report = stage.plugins.call(undo.clone(), stage.key_values.clone()).await;
    assert_eq!((body(&report), report.digest), ("-1", done.digest));
    assert_eq!(body(&stage.compensate("0").await), "-2", "without a pin the serving version runs");

    let Stage { installation, plugins, key_values } = stage;
    drop(plugins);
    let restarted = installation.open().await;
    let report = restarted.call(undo.clone(), key_values.clone()).await;
    assert_eq!((body(&report), report.digest), ("-1", done.digest));

    installation.manifest(STEP, "[limits]\noutput = 1024");
    restarted.rescan().await;
    assert_eq!(body(&restarted.call(undo, key_values).await), "-1", "under the manifest of today");
}

#[tokio::test]
async fn a_version_that_is_not_here_is_unavailable_with_the_cure() {
    let stage = one("version_1", "").await;
    stage.installation.serve("test.guests.other", "version_2");
    stage.plugins.rescan().await;
    let mut undo = call(STEP, Direction::Compensate, "0");
    undo.digest = Some(Digest([7; 32]));
    let report = stage.plugins.call(undo.clone(), stage.key_values.clone()).await;
    assert_fault(&report, FaultKind::Unavailable, &["sha256:0707", "is not here", "serve that file once"]);

    undo.digest = stage.plugins.snapshot().serving(&address("test.guests.other")).unwrap().digest;
    let report = stage.plugins.call(undo, stage.key_values.clone()).await;
    assert_fault(&report, FaultKind::Unavailable, &["is not here"]);
    assert!(report.effects.writes.is_empty(), "code of another step never runs under this one's grants");
}

#[tokio::test]
async fn an_old_version_gets_no_grant_that_was_taken_away() {
    let stage = one("keyvalue_faulty_store", "grants = [\"keyvalue\"]").await;
    let old = serving(&stage.plugins);
    stage.installation.serve(STEP, "version_2");
    stage.installation.manifest(STEP, "");
    stage.plugins.rescan().await;
    let mut undo = call(STEP, Direction::Compensate, "0");
    undo.digest = old;
    let report = stage.plugins.call(undo, stage.key_values.clone()).await;
    assert_fault(&report, FaultKind::Unavailable, &["cannot be loaded", "add grants = [\"keyvalue\"]"]);
}

#[tokio::test]
async fn a_second_start_compiles_nothing() {
    let installation = Installation::new();
    installation.serve(STEP, "version_1");
    installation.serve("test.guests.other", "version_2");
    let compiled = |plugins: &Plugins| {
        let snapshot = plugins.snapshot();
        assert_eq!(snapshot.plugins.len(), 2);
        snapshot.plugins.iter().filter(|plugin| !plugin.compile_time.is_zero()).count()
    };
    assert_eq!(compiled(&installation.open().await), 2);
    assert_eq!(compiled(&installation.open().await), 0);
}

#[tokio::test]
async fn a_damaged_or_foreign_cache_file_is_made_again() {
    let stage = one("version_1", "").await;
    let Stage { installation, plugins, key_values } = stage;
    drop(plugins);
    let code = |end: &str| {
        let entries = std::fs::read_dir(installation.cache_dir()).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|found| found == end)).unwrap()
    };
    let whole = std::fs::read(code("cwasm")).unwrap();
    let mut rotten = whole.clone();
    rotten[whole.len() / 2] ^= 0x40;
    let foreign = b"from another engine altogether".to_vec();
    let sum_of = |bytes: &[u8]| {
        use sha2::Digest as _;
        Digest(sha2::Sha256::digest(bytes).into()).to_string()
    };
    for (bytes, sum) in [
        (whole[..whole.len() / 2].to_vec(), None),
        (Vec::new(), None),
        (rotten, None),
        // The sum fits, so only the engine itself can refuse it.
        (foreign.clone(), Some(sum_of(&foreign))),
    ] {
        std::fs::write(code("cwasm"), &bytes).unwrap();
        if let Some(sum) = sum {
            std::fs::write(code("sum"), sum).unwrap();
        }
        let plugins = installation.open().await;
        assert!(!plugins.snapshot().plugins[0].compile_time.is_zero());
        let report = plugins.call(call(STEP, Direction::Handle, "0"), key_values.clone()).await;
        assert_eq!(body(&report), "1");
        assert_eq!(std::fs::read(code("cwasm")).unwrap(), whole, "made anew");
    }
}

#[tokio::test]
async fn files_that_cannot_be_steps_are_shown_with_the_reason() {
    let installation = Installation::new();
    let wasm = std::fs::read(guest("echo")).unwrap();
    installation.write("Not.An.Address.wasm", &wasm);
    installation.write("two.words.wasm", &wasm);
    installation.write("shop.orders.order.wasm", &wasm);
    installation.write("shop.orders.order.WASM", &wasm);
    installation.write(".hidden.wasm", &wasm);
    installation.write("notes.txt", b"none of ours");
    let dir = installation.plugins_dir();
    std::fs::create_dir(dir.join("a.folder.here.wasm")).unwrap();
    std::os::unix::fs::symlink(guest("echo"), dir.join("a.link.out.wasm")).unwrap();
    std::os::unix::fs::symlink("nowhere", dir.join("a.link.broken.wasm")).unwrap();
    std::os::unix::fs::symlink("shop.orders.order.wasm", dir.join("a.link.inside.wasm")).unwrap();
    let plugins = installation.open().await;
    let shown: Vec<_> = plugins
        .snapshot()
        .plugins
        .iter()
        .map(|plugin| (plugin.file.clone(), plugin.reason.clone().unwrap_or_default()))
        .collect();
    let expected = [
        ("Not.An.Address.wasm", "must be the step's address"),
        ("a.folder.here.wasm", "is no file"),
        ("a.link.broken.wasm", "leads nowhere"),
        ("a.link.inside.wasm", ""),
        ("a.link.out.wasm", "out of the plugins folder"),
        ("shop.orders.order.WASM", "two files for shop.orders.order"),
        ("shop.orders.order.wasm", ""),
        ("two.words.wasm", "must be the step's address"),
    ];
    assert_eq!(shown.len(), expected.len(), "{shown:?}");
    for ((file, reason), (expected, words)) in shown.iter().zip(expected) {
        assert_eq!(file, expected);
        assert!(reason.contains(words) && reason.is_empty() == words.is_empty(), "{file}: {reason}");
    }
    assert_eq!(plugins.snapshot().addresses().count(), 2);
}

#[tokio::test]
async fn a_file_over_the_bound_is_refused() {
    let installation = Installation::new();
    installation.serve(STEP, "echo");
    let options = PluginsOptions { plugin_bytes_max: 1000, ..installation.options() };
    let plugins = Plugins::open(options).await.unwrap();
    let states = states(&plugins, FILE);
    assert!(states[0].1.contains("more than the 1000 allowed"), "{states:?}");
}

#[tokio::test]
async fn the_hook_is_called_for_a_good_file_that_replaces_one_and_for_nothing_else() {
    let installation = Installation::new();
    installation.serve(STEP, "version_1");
    let calls = Arc::new(AtomicU32::new(0));
    let hook = Hook::new({
        let calls = calls.clone();
        move || _ = calls.fetch_add(1, Ordering::Relaxed)
    });
    let options = PluginsOptions { before_replacing: Some(hook), ..installation.options() };
    let plugins = Plugins::open(options).await.unwrap();
    assert_eq!(calls.load(Ordering::Relaxed), 0, "nothing was replaced");
    std::fs::write(installation.plugins_dir().join(FILE), "not wasm").unwrap();
    plugins.rescan().await;
    assert_eq!(calls.load(Ordering::Relaxed), 0, "a bad file replaces nothing");
    installation.serve(STEP, "version_2");
    plugins.rescan().await;
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_folder_that_vanishes_stops_nothing() {
    let stage = one("version_1", "").await;
    let dir = stage.installation.plugins_dir();
    let aside = dir.with_extension("aside");
    std::fs::rename(&dir, &aside).unwrap();
    stage.plugins.rescan().await;
    assert_eq!(body(&stage.handle("0").await), "1");
    std::fs::rename(&aside, &dir).unwrap();
    stage.installation.serve(STEP, "version_2");
    stage.plugins.rescan().await;
    assert_eq!(body(&stage.handle("0").await), "2");
}

#[tokio::test]
async fn the_watching_service_ends_when_told() {
    let stage = one("echo", "").await;
    Watched::new(&stage.plugins).end().await;
    assert_eq!(body(&stage.handle("0").await), "0", "calls go on without it");
}
