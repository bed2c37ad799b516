//! The test host keeps and drops what the real one would.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::log::Level;
use crate::prelude::*;

#[derive(Serialize, Deserialize)]
struct Body {
    todo: String,
}

/// Does everything a step can do, then answers as the body says.
fn handle(ctx: &Context, body: Body) -> StepResult {
    let bucket = keyvalue::own()?;
    let count = bucket.get_json::<u32>("count")?.unwrap_or(0) + 1;
    bucket.set_json("count", &count)?;
    assert_eq!(bucket.get_json::<u32>("count")?, Some(count), "a call sees its own writes");
    events::emit("a.b.topic", &count)?;
    events::signal("key/1")?;
    info!("attempt {}", ctx.attempt);
    match body.todo.as_str() {
        "done" => Ok(done(body).with_compensation(count)),
        "reject" => reject!("no", "because {count}"),
        "retry" => retry("later").after(Duration::from_millis(5)).into(),
        "wait" => wait("key/2", "not yet").into(),
        "error" => Err(std::io::Error::other("broken pipe"))?,
        "time" => Ok(replaced((time::now(), random::u64()?, random::u64()?))),
        other => panic!("{other}"),
    }
}

fn compensate(ctx: &Context, body: Body, log: Option<u32>) -> StepResult {
    let failure = ctx.failure.as_ref().map(|failure| failure.reason.clone());
    info!("undo {log:?} because {failure:?} {}", ctx.idempotency_key);
    Ok(done(body))
}

fn host() -> TestHost {
    TestHost::new(handle, compensate)
}

#[test]
fn results_of_a_call_that_is_done_are_kept() {
    let mut host = host();
    let run = host.handle(json!({"todo": "done"}));
    assert_eq!(run.compensation::<u32>(), Some(1));
    assert_eq!(run.events, [Event { topic: "a.b.topic".into(), body: "1".into() }]);
    assert_eq!(run.signals, ["key/1"]);
    assert_eq!(host.value::<u32>("count"), Some(1));
}

#[test]
fn results_of_any_other_call_are_dropped_but_for_its_log() {
    for todo in ["reject", "retry", "wait", "error"] {
        let mut host = host().with("", "count", 5);
        let run = host.handle(json!({"todo": todo}));
        assert!(run.events.is_empty() && run.signals.is_empty(), "{todo}");
        assert_eq!(host.value::<u32>("count"), Some(5), "{todo}");
        assert!(run.logged(Level::Info, "attempt 1"), "{todo}");
    }
}

#[test]
fn each_answer_can_be_looked_at() {
    let mut host = host();
    assert_eq!(host.handle(json!({"todo": "reject"})).rejected(), &rejected("no", "because 1"));
    assert_eq!(host.handle(json!({"todo": "retry"})).retry().after, Some(Duration::from_millis(5)));
    assert_eq!(host.handle(json!({"todo": "wait"})).waits(), &wait("key/2", "not yet"));
    assert_eq!(host.handle(json!({"todo": "error"})).retry(), &retry("broken pipe"));
}

#[test]
fn a_body_that_cannot_be_read_is_refused_with_the_words_of_serde() {
    let run = host().handle(r#"{"x":1}"#);
    assert_eq!(run.rejected().code, crate::INVALID_BODY);
    assert!(run.rejected().reason.contains("missing field `todo`"), "{}", run.rejected().reason);
    let run = host().compensate(r#"{"todo":"done"}"#, Some("\"x\""));
    assert_eq!(run.rejected().code, crate::INVALID_COMPENSATION_LOG);
}

#[test]
fn an_undo_gets_the_log_the_failure_and_its_own_idempotency_key() {
    let mut host = host();
    let run = host.handle(json!({"todo": "done"}));
    let undone = host.undo(&run, Failure::rejected("a.b.c", "code", "no money"));
    assert!(undone.logged(Level::Info, "undo Some(1) because Some(\"no money\") test-saga/compensate/0"));
    let undone = host.compensate(json!({"todo": "done"}), None);
    assert!(undone.logged(Level::Info, "undo None because None"));
}

#[test]
fn a_step_without_compensate_hands_the_body_back_as_it_came() {
    let mut host = TestHost::without_compensate(handle);
    assert_eq!(host.compensate(" {\"z\": 1.10} ", Some("{}")).body(), " {\"z\": 1.10} ");
}

#[test]
fn time_and_chance_are_those_of_the_test() {
    let mut host = host().at(UNIX_EPOCH).seed(7);
    let first = host.handle(json!({"todo": "time"})).body().to_owned();
    assert!(first.starts_with(r#"[{"secs_since_epoch":0,"nanos_since_epoch":0},"#), "{first}");
    assert_ne!(host.handle(json!({"todo": "time"})).body(), first);
    assert_eq!(self::host().at(UNIX_EPOCH).seed(7).handle(json!({"todo": "time"})).body(), first);
}

#[test]
fn a_panic_of_the_step_leaves_no_world_behind() {
    let mut host = host();
    assert!(catch_unwind(AssertUnwindSafe(|| host.handle(json!({"todo": "panic"})))).is_err());
    assert!(matches!(config::get("x"), Err(config::Error::Host(text)) if text.contains("TestHost")));
}

#[test]
fn keys_are_listed_over_several_pages_in_order() {
    fn list(_ctx: &Context, _body: serde_json::Value) -> StepResult {
        let bucket = keyvalue::shared("letters")?;
        bucket.delete("k3")?;
        assert!(bucket.exists("k4")? && !bucket.exists("k3")?);
        Ok(replaced(bucket.keys()?))
    }
    let mut host = TestHost::without_compensate(list);
    for index in (0..10).rev() {
        host.put("letters", &format!("k{index}"), index);
    }
    assert_eq!(host.handle("null").body(), r#"["k0","k1","k2","k4","k5","k6","k7","k8","k9"]"#);
    assert!(host.shared_value::<u32>("letters", "k3").is_none());
}

fn folder(name: &str, files: &[(&str, &str)]) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("saga-step-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

#[test]
fn a_manifest_gives_address_config_grants_buckets_and_topics() {
    fn step(ctx: &Context, _body: serde_json::Value) -> StepResult {
        assert_eq!(ctx.address, "a.b.c-1");
        assert_eq!(config::get_all()?, [("set".into(), "test".into()), ("kept".into(), "manifest".into())]);
        keyvalue::shared("customers")?;
        assert_eq!(keyvalue::shared("others").err(), Some(keyvalue::Error::NoSuchBucket { name: "others".into() }));
        assert!(matches!(events::emit("x.y.z", &1), Err(events::Error::TopicRefused(_))));
        events::emit("a.b.topic", &1)?;
        Ok(unchanged())
    }
    let text = "grants = [\"config\", \"keyvalue\", \"events\"]\nconcurrency = 3\n\
                [config]\nset = \"m\"\nkept = \"manifest\"\n\
                [keyvalue]\nshared = [\"customers\"]\n[events]\ntopics = [\"a.b.topic\"]\n";
    let folder = folder("grants", &[("a.b.c-1.toml", text), ("Cargo.toml", "")]);
    let run = TestHost::without_compensate(step).config("set", "test").manifest_in(&folder).handle("1");
    assert_eq!(run.body(), "1");
    assert_eq!(run.events.len(), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_a_manifest_does_not_grant_is_refused_with_the_cure() {
    fn step(_ctx: &Context, todo: String) -> StepResult {
        match todo.as_str() {
            "config" => drop(config::get("x")?),
            "keyvalue" => drop(keyvalue::own()?),
            "events" => events::signal("x")?,
            other => panic!("{other}"),
        }
        Ok(unchanged())
    }
    let folder = folder("none", &[("a.b.c.toml", "")]);
    let mut host = TestHost::without_compensate(step).manifest_in(&folder);
    for capability in ["config", "keyvalue", "events"] {
        let run = host.handle(format!("{capability:?}"));
        assert!(run.retry().reason.contains(&format!("`{capability}`")), "{}", run.retry().reason);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_folder_without_exactly_one_manifest_is_refused() {
    let folder = folder("two", &[("a.b.c.toml", ""), ("a.b.d.toml", "")]);
    assert!(catch_unwind(|| host().manifest_in(&folder)).is_err());
    std::fs::remove_dir_all(folder).unwrap();
}
