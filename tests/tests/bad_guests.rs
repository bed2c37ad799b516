//! Every program that misbehaves, dropped into one running host. Goal: each is contained within its limits, the host
//! and the neighbours live, nothing of a failed call remains, and `saga errors` or `saga plugins` shows the cause in
//! words. Method: a table of program, what becomes of its saga, and the words; all sagas run at once beside a healthy
//! one.

use std::collections::BTreeSet;

use saga_tests::check;
use saga_tests::guests::{self, Guest};
use saga_tests::host::Host;
use saga_tests::installation::Installation;
use serde_json::{Value, json};

/// What becomes of a program and of the saga that is sent through it.
enum Ends {
    /// It is never served; `saga plugins` has these words.
    Rejected(&'static [&'static str]),
    /// The saga stands before a person with a failure of this kind and these words.
    Fails(&'static str, &'static [&'static str]),
    /// It is well in `handle`; its compensation stands before a person.
    FailsToUndo(&'static str, &'static [&'static str]),
    /// The saga turns round for this kind of reason.
    Compensates(&'static str, &'static [&'static str]),
    /// It is tried again later, and is among the errors until then.
    IsRetried(&'static [&'static str]),
    /// What it tries is refused or cut, and it answers well.
    Completes,
}

use Ends::{Compensates, Completes, Fails, FailsToUndo, IsRetried, Rejected};

struct Case {
    guest: &'static str,
    body: &'static str,
    manifest: &'static str,
    ends: Ends,
}

const fn case(guest: &'static str, ends: Ends) -> Case {
    Case { guest, body: "{\"refuser\":{\"reject\":\"no\"}}", manifest: "", ends }
}

const fn asked(guest: &'static str, body: &'static str, ends: Ends) -> Case {
    Case { guest, body, manifest: "", ends }
}

const TIME: &str = "call took longer than 400ms; raise [limits] time";
const MEMORY: &str = "more than the 67108864 allowed; raise [limits] memory";
const BINDINGS: &str = "what is no value of its interface";

#[rustfmt::skip]
const CASES: &[Case] = &[
    // It never ends.
    case("loop_in_handle", Fails("time-limit", &[TIME, "spin_for_ever"])),
    case("loop_in_compensate", FailsToUndo("time-limit", &[TIME])),
    case("loop_at_start", Rejected(&["does not come to life: has not started after 5s"])),
    case("loops_after_answer", Fails("time-limit", &[TIME])),
    case("realloc_loops", Fails("time-limit", &[TIME])),
    case("sleeps", Fails("time-limit", &[TIME, "waiting for the host"])),
    case("absurd_sleep", Fails("time-limit", &[TIME, "waiting for the host"])),
    case("config_storm", Fails("time-limit", &[TIME])),
    case("random_storm", Fails("time-limit", &[TIME])),
    case("clock_storm", Fails("time-limit", &[TIME])),
    case("listing_storm", Fails("time-limit", &[TIME])),
    case("print_flood", Fails("time-limit", &[TIME, "complained"])),
    case("read_storm", Fails("trap", &["a call may read 4096 keys"])),
    case("retries_for_ever", Fails("retry-exhausted", &["the moon is not full"])),
    case("absurd_pause", IsRetried(&["come back in spring"])),
    case("waits_for_nobody", Compensates("wait-timeout", &["he said he would come"])),
    // It takes too much.
    case("memory_bomb", Fails("memory-limit", &[MEMORY])),
    case("grows_at_once", Fails("memory-limit", &[MEMORY])),
    case("memory_at_start", Rejected(&["does not come to life", "more than the 67108864 allowed"])),
    case("table_bomb", Fails("memory-limit", &["a table of 32001 elements, more than the 32000 a plugin may have"])),
    case("table_at_start", Rejected(&["cannot be compiled", "size of 1000000 which exceeds the limit of 32000"])),
    case("many_memories", Rejected(&["cannot be compiled", "memories count of 8 exceeds"])),
    case("stack_overflow", Fails("trap", &["overflowed its stack", "deeper"])),
    case("recursion_through_host", Fails("trap", &["overflowed its stack", "deeper"])),
    case("leaks_handles", Fails("trap", &["handle"])),
    case("leaks", Completes),
    asked("output_flood", "\"body\"", Fails("output-limit", &["answered a body of", "raise [limits] output"])),
    Case {
        guest: "giant_compensation_log", body: "1", manifest: "[limits]\nmemory = \"1GiB\"\ntime = \"30s\"",
        ends: Fails("output-limit", &["more than 16777216 bytes at once", "raise [limits] output"]),
    },
    case("giant_key", Fails("trap", &["a giant key is taken", "a key may have 1024 bytes"])),
    case("giant_value", Fails("output-limit", &["more than 16777216 bytes at once"])),
    case("keyvalue_limits", Completes),
    case("emit_giant", Fails("trap", &["a giant event is taken", "more than the 2097152 allowed"])),
    case("event_flood", Completes),
    case("log_flood", Completes),
    case("log_giants", Completes),
    asked("deep_json", "1", Completes),
    // It answers nonsense.
    asked("invalid_json", "\"body\"", Fails("invalid-output", &["answered a body that is not a JSON value", "{'single'"])),
    case("invalid_json_in_compensate", FailsToUndo("invalid-output", &["answered a body", "undone!"])),
    case("answers_nan", Fails("invalid-output", &["answered a body", "NaN"])),
    case("invalid_utf8", Fails("invalid-output", &["a text that is not UTF-8; encode every text as UTF-8"])),
    case("text_outside_memory", Fails("invalid-output", &[BINDINGS, "out of bounds"])),
    case("text_of_gigabytes", Fails("invalid-output", &[BINDINGS, "out of bounds"])),
    case("unknown_outcome", Fails("invalid-output", &[BINDINGS, "discriminant"])),
    case("crooked_pointer", Fails("invalid-output", &[BINDINGS, "not aligned"])),
    case("realloc_outside_memory", Fails("invalid-output", &[BINDINGS, "realloc"])),
    // It breaks off.
    asked("panic_text", "\"bolts\"", Fails("trap", &["plugin panicked", "the stock of \"bolts\" went negative"])),
    case("panic_huge_text", Fails("trap", &["plugin panicked", "begins xxx", "ends"])),
    case("panic_at_start", Rejected(&["does not come to life", "dies before it lives"])),
    case("panic_in_compensate", FailsToUndo("trap", &["the booking is not found any more"])),
    asked("trap_after_writes", "\"trap\"", Fails("trap", &["after the writes"])),
    case("traps_at_start", Rejected(&["does not come to life", "plugin panicked"])),
    case("realloc_traps", Fails("trap", &["plugin panicked"])),
    case("calls_while_called", Fails("trap", &["cannot leave component instance"])),
    case("exits", Fails("trap", &["ended itself with exit code"])),
    case("exits_well", Fails("trap", &["ended itself with exit code 0"])),
    case("wild_pointer", Fails("trap", &["plugin trapped", "out of bounds memory access"])),
    case("wild_call", Fails("trap", &["plugin trapped", "table"])),
    case("nan_clock", Fails("trap", &["plugin panicked", "Duration"])),
    // It is not what a step must be, or wants what it is not given.
    case("missing_export", Rejected(&["exports no saga:step/step@0.1.0; export `handle` and `compensate`"])),
    case("other_version", Rejected(&["made for saga:step@9.1.0", "build it against the version"])),
    case("wrong_types", Rejected(&["not a valid component", "build it again against the wit of this host"])),
    case("unknown_import", Rejected(&["imports what no host serves: acme:nuclear/button@1.0.0"])),
    Case {
        guest: "wants_everything", body: "1", manifest: "none",
        ends: Rejected(&["does not grant it: add grants = [", "\"config\"", "\"keyvalue\"", "\"events\""]),
    },
    case("reaches_out", Completes),
    case("keeps_a_bucket", Completes),
];

const MANIFEST: &str = r#"
grants = ["config", "keyvalue", "events"]
[keyvalue]
shared = ["rates"]
[events]
topics = ["orders.placed"]
[retry]
max-attempts = 2
initial = "1ms"
max = "1ms"
[retry.compensate]
max-attempts = 2
initial = "1ms"
max = "1ms"
[retry.fault]
max-attempts = 1
"#;

/// For those that only time can end. The others get long enough for a machine on which all of them run at once.
const SHORT: &str = "[limits]\ntime = \"400ms\"";
const LONG: &str = "[limits]\ntime = \"30s\"";

/// What the whole process may take while all of them run at once: what a host takes by itself, and for each of the few
/// that grow to their limits the 64 MiB of one call, or its copy in the host.
const RESIDENT_KIB_MAX: u64 = 1 << 20;

fn name(guest: &str) -> String {
    guest.replace('_', "-")
}

fn address(guest: &str) -> String {
    format!("bad.guests.{}", name(guest))
}

fn installation() -> Installation {
    let installation = Installation::with_instruments(&["one", "refuser"]);
    installation.use_case("play", &["one"], "");
    for case in CASES {
        let steps = match case.ends {
            FailsToUndo(..) => vec![address(case.guest), "test.instrument.refuser".to_owned()],
            Rejected(_) | Fails(..) | Compensates(..) | IsRetried(_) | Completes => vec![address(case.guest)],
        };
        installation.use_case_of(&name(case.guest), &steps, "");
    }
    installation
}

fn drop_in(host: &Host, case: &Case, guest: &Guest) {
    let manifest = match case.manifest {
        "none" => String::new(),
        "" => match case.ends {
            Fails("time-limit", _) | FailsToUndo("time-limit", _) => format!("{MANIFEST}{SHORT}"),
            Rejected(_) | Fails(..) | FailsToUndo(..) | Compensates(..) | IsRetried(_) | Completes => {
                format!("{MANIFEST}{LONG}")
            }
        },
        more => format!("{MANIFEST}{more}"),
    };
    host.installation.manifest(&address(case.guest), &manifest);
    host.installation.plugin(&address(case.guest), &guest.wasm);
}

#[test]
fn each_is_contained_shown_in_words_and_leaves_nothing_behind() {
    let guests = guests::all();
    let listed: BTreeSet<&str> = CASES.iter().map(|case| case.guest).collect();
    let bad: BTreeSet<&str> =
        guests.iter().filter(|(_, guest)| guest.misbehaves).map(|(name, _)| name.as_str()).collect();
    assert_eq!(listed, bad, "every program that misbehaves is in the table, and no other");
    assert!(bad.len() >= 30, "{} programs", bad.len());

    let host = Host::start(installation());
    CASES.iter().for_each(|case| drop_in(&host, case, &guests[case.guest]));
    for case in CASES {
        shown(&host, case);
    }
    let started: Vec<(&Case, String)> =
        CASES.iter().filter(|case| !matches!(case.ends, Rejected(_))).map(|case| (case, start(&host, case))).collect();
    for _ in 0..20 {
        assert_eq!(host.api.run("play", &json!({}))["status"], "completed", "a neighbour beside all of them");
    }
    let wrong: Vec<String> = started.iter().filter_map(|(case, id)| judge(&host, case, id).err()).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), started.len(), wrong.join("\n"));

    let peak = host.peak_resident_kib();
    assert!(peak < RESIDENT_KIB_MAX, "the host took {peak} KiB at most");
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed", "a neighbour after all of them");
    for (guest, keys) in [
        ("trap_after_writes", vec![]),
        ("listing_storm", vec![]),
        ("read_storm", vec![]),
        ("panic_in_compensate", vec!["booked"]),
    ] {
        let left: Vec<String> = check::bucket(&host, &address(guest), None).into_keys().collect();
        assert_eq!(left, keys, "{guest}");
    }
}

/// Wait until the host says what it makes of the file.
fn shown(host: &Host, case: &Case) {
    let address = address(case.guest);
    match &case.ends {
        Rejected(words) => {
            let plugin = check::until(&format!("a verdict on {address}"), || host.api.plugin(&address));
            let reason = plugin["reason"].as_str().unwrap_or_default();
            assert_eq!(plugin["state"], "rejected", "{address}: {plugin}");
            assert!(words.iter().all(|word| reason.contains(word)), "{address}: {reason}");
        }
        Fails(..) | FailsToUndo(..) | Compensates(..) | IsRetried(_) | Completes => {
            check::until(&format!("{address} serves"), || {
                let plugin = host.api.plugin(&address)?;
                assert_ne!(plugin["state"], "rejected", "{address}: {plugin}");
                Some(())
            });
        }
    }
}

fn start(host: &Host, case: &Case) -> String {
    let body: Value = serde_json::from_str(case.body).expect("the table has JSON");
    check::until(&format!("use case {} is in force", case.guest), || {
        let path = format!("/v1/use-cases/{}/sagas", name(case.guest));
        let answer = host.api.post(&path, &[], &body.to_string()).expect("the host is up");
        (answer.status == 202).then(|| answer.body["global-id"].as_str().expect("an id").to_owned())
    })
}

fn judge(host: &Host, case: &Case, id: &str) -> Result<(), String> {
    let (status, kind, words) = match &case.ends {
        Fails(kind, words) => ("failed", *kind, *words),
        FailsToUndo(kind, words) => ("compensation-failed", *kind, *words),
        Compensates(kind, words) => ("compensated", *kind, *words),
        IsRetried(words) => ("running", "retrying", *words),
        Completes | Rejected(_) => ("completed", "", &[][..]),
    };
    let saga = check::until(&format!("{} rests", case.guest), || {
        // A body may nest deeper than this test's own parser goes.
        let path = format!("/v1/sagas?use-case={}", name(case.guest));
        let saga = host.api.ask(&path)["sagas"].as_array()?.iter().find(|saga| saga["global-id"] == id)?.clone();
        let moves = matches!(saga["status"].as_str(), Some("running" | "compensating" | "waiting"));
        (!moves || status == "running").then_some(saga)
    });
    if saga["status"] != status {
        return Err(format!(
            "{}: {saga}, wanted {status}; {:#?}",
            case.guest,
            host.api.get_text(&format!("/v1/sagas/{id}"))
        ));
    }
    if kind.is_empty() || status == "compensated" {
        let text = host.api.get_text(&format!("/v1/sagas/{id}"));
        let said = kind.is_empty() || words.iter().chain(&[kind]).all(|word| text.contains(word));
        return if said { Ok(()) } else { Err(format!("{}: {text}", case.guest)) };
    }
    let group = check::error_of(&host.api, id);
    let reason = group["reason"].as_str().unwrap_or_default();
    if group["kind"] != kind || !words.iter().all(|word| reason.contains(word)) {
        return Err(format!("{}: {} {reason:?}, wanted {kind} {words:?}", case.guest, group["kind"]));
    }
    let ran = host.saga(&["errors", "--use-case", &name(case.guest), "--json"]);
    if ran.status != 0 || !ran.out.contains(&json!(words[0]).to_string().trim_matches('"').to_owned()) {
        return Err(format!("{}: saga errors says {ran:?}", case.guest));
    }
    Ok(())
}
