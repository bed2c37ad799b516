//! One function per question that scenarios ask, so that no scenario knows the shape of an answer by heart.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::{Api, text};
use crate::artefacts;
use crate::host::Host;
use crate::installation::{INSTRUMENT_MANIFEST, Installation};

/// How long something that must happen may take on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Ask until there is an answer; fail with what was waited for.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_with(PATIENCE, what, ask)
}

/// The same for what takes a time of its own.
pub fn until_with<T>(time_max: Duration, what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(time_max, ask).unwrap_or_else(|| panic!("waited in vain for {time_max:?}: {what}"))
}

/// Ask until there is an answer or the time is over.
pub fn within<T>(time_max: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if start.elapsed() > time_max {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Wait until the saga has this status, and answer the saga.
pub fn status(api: &Api, global_id: &str, status: &str) -> Value {
    let mut last = Value::Null;
    let start = Instant::now();
    loop {
        // A saga that came over a topic exists only when its message was taken up.
        if let Ok(answer) = api.get(&format!("/v1/sagas/{}", crate::api::escaped(global_id)))
            && answer.status == 200
        {
            if answer.body["status"] == status {
                return answer.body;
            }
            last = answer.body;
        }
        assert!(start.elapsed() < PATIENCE, "saga {global_id} is not {status} after {PATIENCE:?}: {last:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Wait until no saga is on its way there or back.
pub fn all_over(api: &Api) {
    until("every saga has ended", || {
        let unended = api.list("status=running").len() + api.list("status=compensating").len();
        (unended == 0).then_some(())
    });
}

/// Whether nothing happens to a saga by itself any more.
pub fn is_over(status: &str) -> bool {
    matches!(status, "completed" | "compensated" | "closed")
}

/// The path of a saga in one line: `one done, two rejected | one done`. Steps are named by the last word of their
/// address; steps that were not reached are left out.
pub fn path(saga: &Value) -> String {
    let steps = saga["steps"].as_array().expect("a saga has steps");
    let walk = |direction: &str| -> Vec<String> {
        let reached =
            steps.iter().filter(|step| !step[direction].is_null() && step[direction]["state"] != "not-reached");
        reached
            .map(|step| format!("{} {}", last_word(&text(step, "address")), text(&step[direction], "state")))
            .collect()
    };
    let (forward, mut back) = (walk("handle"), walk("compensate"));
    back.reverse();
    if back.is_empty() { forward.join(", ") } else { format!("{} | {}", forward.join(", "), back.join(", ")) }
}

fn last_word(address: &str) -> String {
    address.rsplit('.').next().unwrap_or_default().to_owned()
}

/// One call of a saga: its `handle` or `compensate` at a position.
pub fn call<'a>(saga: &'a Value, position: usize, direction: &str) -> &'a Value {
    let call = &saga["steps"][position][direction];
    assert!(call.is_object(), "there is no {direction} at {position} in {saga:#}");
    call
}

/// The group in `errors` that has this saga among its examples.
pub fn error_of(api: &Api, global_id: &str) -> Value {
    until(&format!("saga {global_id} among the errors"), || {
        api.errors().into_iter().find(|group| {
            group["examples"].as_array().is_some_and(|examples| examples.iter().any(|example| example == global_id))
        })
    })
}

/// Wait until the plugin with this address serves with a digest that is not this one, and answer the new one.
pub fn reloaded(api: &Api, address: &str, old_digest: &str) -> String {
    until(&format!("a new version of {address}"), || {
        let plugin = api.plugin(address).filter(|plugin| plugin["state"] == "serving")?;
        let digest = text(&plugin, "digest");
        (digest != old_digest).then_some(digest)
    })
}

/// Wait until the plugin serves, and answer its digest.
pub fn serving(api: &Api, address: &str) -> String {
    reloaded(api, address, "")
}

/// Everything in a bucket of a step, read the only way there is: the step's plugin is replaced by the instrument, which
/// has the same bucket because it has the same address, and is asked for it. The plugin is put back afterwards.
pub fn bucket(host: &Host, address: &str, shared: Option<&str>) -> BTreeMap<String, Value> {
    let installation = &host.installation;
    let (wasm, manifest) = (installation.plugin_bytes(address), installation.manifest_text(address));
    let old = serving(&host.api, address);
    let shared_line = shared.map(|name| format!("[keyvalue]\nshared = [\"{name}\"]\n")).unwrap_or_default();
    installation.manifest(address, &format!("grants = [\"config\", \"keyvalue\", \"events\"]\n{shared_line}"));
    let instrument = std::fs::read(artefacts::instrument()).expect("the instrument was built");
    installation.plugin(address, &instrument);
    let during = reloaded(&host.api, address, &old);

    let entries = dump(&host.api, installation, address, shared);

    installation.manifest(address, &manifest);
    installation.plugin(address, &wasm);
    reloaded(&host.api, address, &during);
    entries
}

/// The bucket of a step that the instrument serves already.
pub fn instrument_bucket(host: &Host, address: &str) -> BTreeMap<String, Value> {
    dump(&host.api, &host.installation, address, None)
}

fn dump(api: &Api, installation: &Installation, address: &str, shared: Option<&str>) -> BTreeMap<String, Value> {
    let use_case = format!("dump-{}", address.replace('.', "-"));
    if !installation.path().join("use-cases").join(format!("{use_case}.toml")).exists() {
        installation.use_case_of(&use_case, &[address], "");
        until("the use case is in force", || {
            let cases = api.ask("/v1/use-cases").to_string();
            cases.contains(&use_case).then_some(())
        });
    }
    let name = last_word(address);
    let mut entries = BTreeMap::new();
    let mut cursor = Value::Null;
    loop {
        let ended = api.run(&use_case, &json!({name.as_str(): {"dump": {"shared": shared, "cursor": cursor}}}));
        assert_eq!(ended["status"], "completed", "a dump of {address}: {ended}");
        let page = ended["body"]["entries"].as_object().expect("a page has entries").clone();
        entries.extend(page);
        cursor = ended["body"]["cursor"].clone();
        if cursor.is_null() {
            return entries;
        }
    }
}

/// The manifest of the instrument with this mark, which it tells when asked.
pub fn manifest_with_mark(mark: &str) -> String {
    INSTRUMENT_MANIFEST.replace("mark = \"first\"", &format!("mark = \"{mark}\""))
}
