//! Files that are not what they must be, put into the folders of one running host. Goal: each is refused with words
//! that name the thing and the cure, in `saga plugins`, `saga use-cases`, `saga doctor` and the log, and what served
//! before serves on. Method: a table for each folder; every case ruins a file of its own, in one move.

use std::os::unix::fs::symlink;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use saga_tests::host::{Host, Ran};
use saga_tests::installation::{INSTRUMENT_MANIFEST, Installation, instrument_address};
use saga_tests::{artefacts, check, guests};
use serde_json::{Value, json};

/// What is put in the place of a good file. All of it can be done by root, whom no mode of a file stops.
enum Ruin {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A pipe that nobody writes to: whoever reads it waits for ever.
    Pipe,
    LinkTo(&'static str),
}

use Ruin::{Bytes, LinkTo, Pipe};

impl Ruin {
    /// Put it there in one move: a file that is gone for a moment is a removed one.
    fn put(&self, place: &Path) {
        let beside = place.with_extension("beside");
        match self {
            Bytes(bytes) => std::fs::write(&beside, bytes).expect("the folder is ours"),
            Pipe => mkfifo(&beside, Mode::S_IRWXU).expect("the file system has pipes"),
            LinkTo(target) => symlink(target, &beside).expect("the file system has links"),
        }
        std::fs::rename(&beside, place).expect("both are in one folder");
    }
}

fn text(text: &str) -> Ruin {
    Bytes(text.as_bytes().to_vec())
}

/// What is ruined of a step, with what, and the words of the refusal: the thing, and the cure.
struct Plugin {
    case: &'static str,
    ending: &'static str,
    with: Ruin,
    words: [&'static str; 2],
}

fn plugin(case: &'static str, ending: &'static str, with: Ruin, words: [&'static str; 2]) -> Plugin {
    Plugin { case, ending, with, words }
}

fn manifest(more: &str) -> Ruin {
    text(&format!("{more}\n{INSTRUMENT_MANIFEST}"))
}

#[rustfmt::skip]
fn plugins() -> Vec<Plugin> {
    let good = std::fs::read(artefacts::instrument()).expect("the instrument was built");
    let guests = guests::all();
    let guest = |name: &str| Bytes(guests[name].wasm.clone());
    vec![
        plugin("text", "wasm", text("#!/bin/sh"), ["not a wasm file", "build the step for the target wasm32-wasip2"]),
        plugin("empty", "wasm", text(""), ["not a wasm file", "build the step for the target wasm32-wasip2"]),
        plugin("module", "wasm", Bytes(b"\0asm\x01\0\0\0".to_vec()), ["a core wasm module, not a component", "wasm-tools component new"]),
        plugin("half", "wasm", Bytes(good[..good.len() / 2].to_vec()), ["not a valid component", "copy the whole file"]),
        plugin("version", "wasm", guest("other_version"), ["made for saga:step@9.1.0", "build it against the version the host serves"]),
        plugin("export", "wasm", guest("missing_export"), ["exports no saga:step/step@0.1.0", "export `handle` and `compensate`"]),
        plugin("import", "wasm", guest("unknown_import"), ["imports what no host serves: acme:nuclear/button", "a step may import"]),
        plugin("types", "wasm", guest("wrong_types"), ["not a valid component", "build it again against the wit"]),
        plugin("pipe", "wasm", Pipe, ["test.instrument.pipe.wasm is no file but a pipe", "put the file itself in its place"]),
        plugin("link-out", "wasm", LinkTo("/etc/passwd"), ["link-out.wasm is a link out of the plugins folder", "copy the file into the folder"]),
        plugin("link-device", "wasm", LinkTo("/dev/zero"), ["link-device.wasm is a link out of the plugins folder", "copy the file"]),
        plugin("link-broken", "wasm", LinkTo("nowhere"), ["link-broken.wasm is a link that leads nowhere", "copy the file into the folder"]),
        plugin("link-self", "wasm", LinkTo("test.instrument.link-self.wasm"), ["link-self.wasm is a link that leads nowhere", "copy the file"]),
        plugin("grant", "toml", text("grants = []"), ["the manifest does not grant it", "add grants = ["]),
        plugin("unknown-key", "toml", manifest("concurency = 4"), ["test.instrument.unknown-key.toml:1: concurency: there is no such key", "did you mean concurrency?"]),
        plugin("wrong-type", "toml", manifest("concurrency = \"many\""), ["wrong-type.toml:1: concurrency: ", "write a whole number"]),
        plugin("no-toml", "toml", text("grants: [events]"), ["test.instrument.no-toml.toml:1", "write it as TOML"]),
        plugin("no-utf8", "toml", Bytes(vec![0xff, 0xfe]), ["no-utf8.toml is not UTF-8", "write it as UTF-8 text"]),
        plugin("endless", "toml", Bytes(vec![b'#'; 300 << 10]), ["test.instrument.endless.toml has 307200 bytes", "write a shorter manifest"]),
        plugin("manifest-pipe", "toml", Pipe, ["manifest-pipe.toml is no file but a pipe", "put the file itself in its place"]),
        plugin("manifest-link", "toml", LinkTo("/etc/passwd"), ["manifest-link.toml is a link out of the plugins folder", "copy the file"]),
    ]
}

#[test]
fn a_bad_plugin_or_manifest_leaves_the_old_version_serving_and_says_why() {
    let cases = plugins();
    let names: Vec<&str> = cases.iter().map(|case| case.case).collect();
    let installation = Installation::with_instruments(&names);
    names.iter().for_each(|name| installation.use_case(name, &[name], ""));
    let host = Host::start(installation);
    let before: Vec<String> = names.iter().map(|name| check::serving(&host.api, &instrument_address(name))).collect();
    for case in &cases {
        let file = format!("{}.{}", instrument_address(case.case), case.ending);
        case.with.put(&host.installation.path().join("plugins").join(file));
    }
    for (case, digest) in cases.iter().zip(&before) {
        let address = instrument_address(case.case);
        let reason = refusal(&host, &address);
        assert!(case.words.iter().all(|words| reason.contains(words)), "{}: {reason}", case.case);
        let ended = host.api.run(case.case, &json!({}));
        let saga = host.api.saga(ended["global-id"].as_str().expect("an id"));
        assert_eq!(check::call(&saga, 0, "handle")["digest"], digest.as_str(), "{}: {saga:#}", case.case);
    }
    let told: Vec<&str> = cases.iter().map(|case| case.words[0]).collect();
    assert_told(&host, &["plugins", "--json"], &told);
    assert_told(&host, &["doctor", "--json", "--config", &config(&host)], &told);
    assert_logged(&host, &told);
}

/// Why the file of this step is refused.
fn refusal(host: &Host, address: &str) -> String {
    check::until(&format!("the file of {address} is refused"), || {
        let plugins = host.api.ask("/v1/plugins");
        // What is not even looked into is shown by the name of its file.
        let is_it = |plugin: &&Value| plugin["address"] == address || plugin["address"] == format!("{address}.wasm");
        let mut of_step = plugins["plugins"].as_array()?.iter().filter(is_it);
        of_step.find_map(|plugin| plugin["reason"].as_str().map(str::to_owned))
    })
}

fn config(host: &Host) -> String {
    host.installation.path().join("saga.toml").to_str().expect("a plain path").to_owned()
}

/// The verb ends with the status that says no, and its page has all these words.
fn assert_told(host: &Host, verb: &[&str], words: &[&str]) {
    let ran: Ran = host.saga(verb);
    assert_eq!(ran.status, 1, "{verb:?}: {ran:?}");
    let missing: Vec<&&str> = words.iter().filter(|words| !ran.out.contains(&escaped(words))).collect();
    assert!(missing.is_empty(), "{verb:?} does not say {missing:#?}:\n{}", ran.out);
}

/// As it stands inside a JSON text.
fn escaped(words: &str) -> String {
    json!(words).to_string().trim_matches('"').to_owned()
}

fn assert_logged(host: &Host, words: &[&str]) {
    let log = std::fs::read_to_string(host.installation.path().join("host.err")).expect("the host logs");
    let missing: Vec<&&str> =
        words.iter().filter(|words| !log.contains(**words) && !log.contains(&escaped(words))).collect();
    assert!(missing.is_empty(), "the log does not say {missing:#?}:\n{log}");
}

#[test]
fn a_file_whose_name_or_kind_is_wrong_is_shown_and_nothing_of_it_serves() {
    let host = Host::start(Installation::with_instruments(&["one"]));
    let folder = host.installation.path().join("plugins");
    let good = std::fs::read(artefacts::instrument()).expect("the instrument was built");
    std::fs::create_dir(folder.join("test.instrument.folder.wasm")).expect("the folder is ours");
    std::fs::create_dir(folder.join("below")).expect("the folder is ours");
    let cases = [
        (
            "Test.Instrument.Upper.wasm",
            "must be the step's address",
            "rename it to <domain>.<subdomain>.<service>.wasm",
        ),
        ("two.parts.wasm", "must be the step's address", "rename it to"),
        ("test.instrument.später.wasm", "must be the step's address", "rename it to"),
        ("test.instrument.one.WASM", "two files for test.instrument.one", "remove the other"),
        (
            "test.instrument.alone.WASM",
            "the ending must be written .wasm",
            "rename the file to test.instrument.alone.wasm",
        ),
        ("below/test.instrument.below.wasm", "", ""),
    ];
    for (file, _, _) in cases {
        std::fs::write(folder.join(file), &good).expect("the folder is ours");
    }
    let folder_case = ("test.instrument.folder", "is no file but a folder", "put the file itself in its place");
    for (file, words, cure) in cases.into_iter().chain([folder_case]).filter(|(_, words, _)| !words.is_empty()) {
        let reason = refusal(&host, file);
        assert!(reason.contains(words) && reason.contains(cure), "{file}: {reason}");
    }
    let serving: Vec<Value> = host.api.ask("/v1/plugins")["plugins"].as_array().expect("a list").clone();
    let serving: Vec<&Value> =
        serving.iter().filter(|plugin| plugin["state"] == "serving").map(|plugin| &plugin["address"]).collect();
    assert_eq!(serving, ["test.instrument.one"], "a folder below is not looked into, and links make no second step");
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
}

/// A definition that is in force, what its file is replaced by, and the words of the refusal.
struct Definition {
    name: &'static str,
    with: Ruin,
    words: [&'static str; 2],
}

fn definition(name: &'static str, with: Ruin, words: [&'static str; 2]) -> Definition {
    Definition { name, with, words }
}

/// The text of a definition with one of its lines replaced, and another added.
fn changed(name: &str, line: &str, by: &str) -> Ruin {
    let whole = format!(
        "name = \"{name}\"\nversion = 1\nowner = \"tests\"\ndescription = \"a scenario\"\nsteps = [\"test.instrument.one\"]\n"
    );
    let start = whole.find(&format!("\n{line}")).map_or(0, |line_break| line_break + 1);
    let end = start + whole[start..].find('\n').expect("it ends");
    text(&format!("{}{by}{}", &whole[..start], &whole[end..]))
}

#[rustfmt::skip]
fn definitions() -> Vec<Definition> {
    vec![
        definition("unknown-key", changed("unknown-key", "owner", "owner = \"tests\"\nstep = 1"), ["unknown-key.toml:4: step: there is no such key", "did you mean steps?"]),
        definition("wrong-type", changed("wrong-type", "version", "version = \"one\""), ["wrong-type.toml:2: version: ", "write a whole number"]),
        definition("empty-list", changed("empty-list", "steps", "steps = []"), ["empty-list.toml:5: steps: it has no valid step", "name at least one"]),
        definition("no-list", changed("no-list", "steps", "steps = \"test.instrument.one\""), ["no-list.toml:5: steps: ", "write"]),
        definition("bad-address", changed("bad-address", "steps", "steps = [\"one\"]"), ["bad-address.toml:5: steps: step address", "write addresses of the form domain.subdomain.service"]),
        definition("no-steps", changed("no-steps", "steps", ""), ["no-steps.toml: steps: ", "write steps = ["]),
        definition("other-name", changed("other-name", "name", "name = \"renamed\""), ["other-name.toml:1: name: \"renamed\" is not the name of its file", "write the file's name"]),
        definition("other-steps", changed("other-steps", "steps", "steps = [\"test.instrument.two\"]"), ["other-steps.toml: version: version 1 was accepted before", "raise it to 2"]),
        definition(
            "trigger",
            changed("trigger", "owner", "owner = \"tests\"\ntrigger-topic = \"test.instrument.two.in\""),
            ["trigger.toml: trigger-topic: test.instrument.two.in is a topic of a step", "name a topic of your own"],
        ),
        definition("no-toml", text("{\"name\": 1}"), ["no-toml.toml:1", "write it as TOML"]),
        definition("no-utf8", Bytes(vec![0xff, 0xfe]), ["no-utf8.toml: it cannot be read: stream did not contain valid UTF-8", "put a file of UTF-8 text in its place"]),
        definition("endless", Bytes(vec![b'#'; 2 << 20]), ["endless.toml: it cannot be read: it has more than 1048576 bytes", "put a file"]),
        definition("pipe", Pipe, ["pipe.toml: it cannot be read: it is no file but a folder, a pipe or a device", "put a file"]),
        definition("link-out", LinkTo("/etc/passwd"), ["link-out.toml: it cannot be read: it is a link out of the use-cases folder", "put a file"]),
        definition("link-device", LinkTo("/dev/zero"), ["link-device.toml: it cannot be read: it is a link out of", "put a file"]),
        definition("link-broken", LinkTo("nowhere"), ["link-broken.toml: it cannot be read", "is it a link that leads nowhere?"]),
    ]
}

#[test]
fn a_bad_use_case_leaves_the_old_one_in_force_and_says_why() {
    let cases = definitions();
    let installation = Installation::with_instruments(&["one", "two"]);
    cases.iter().for_each(|case| installation.use_case(case.name, &["one"], ""));
    let host = Host::start(installation);
    let folder = host.installation.path().join("use-cases");
    for case in &cases {
        case.with.put(&folder.join(format!("{}.toml", case.name)));
    }
    // A copy under another name is a second file for one use case.
    std::fs::copy(folder.join("play.toml"), folder.join("copy-of-play.toml")).expect("the folder is ours");
    let copy = "copy-of-play.toml:1: name: \"play\" is not the name of its file";
    let told: Vec<&str> = cases.iter().map(|case| case.words[0]).chain([copy]).collect();
    let problems = check::until("every file is refused", || {
        let page = host.api.ask("/v1/use-cases");
        let problems: Vec<String> =
            page["problems"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        (problems.len() >= told.len()).then_some(problems)
    });
    for case in &cases {
        let is_told = problems.iter().any(|problem| case.words.iter().all(|words| problem.contains(words)));
        assert!(is_told, "{}: {:?} in {problems:#?}", case.name, case.words);
        assert_eq!(host.api.run(case.name, &json!({}))["status"], "completed", "{}", case.name);
    }
    assert_told(&host, &["use-cases", "--json"], &told);
    assert_told(&host, &["doctor", "--json", "--config", &config(&host)], &told);
    assert_logged(&host, &told);
}

#[test]
fn a_host_starts_beside_bad_files_and_serves_the_good_ones() {
    let installation = Installation::with_instruments(&["one", "two"]);
    installation.use_case("other", &["one"], "");
    let path = |name: &str| installation.path().join(name);
    Pipe.put(&path("plugins/test.instrument.two.wasm"));
    Pipe.put(&path("plugins/test.instrument.three.toml"));
    Pipe.put(&path("use-cases/piped.toml"));
    LinkTo("/dev/zero").put(&path("use-cases/play.toml"));
    let host = Host::start(installation);
    assert_eq!(host.api.run("other", &json!({}))["status"], "completed");
    refusal(&host, "test.instrument.two");
}

/// Neither is refused: another service may serve the step, and a circle may be meant. Both are said where one looks.
#[test]
fn a_step_that_nobody_serves_and_a_circle_of_triggers_are_said_and_not_refused() {
    let installation = Installation::with_instruments(&["one"]);
    installation.use_case_of("abroad", &["far.away.service"], "");
    installation.use_case("circle", &["one"], "trigger-topic = \"test.events\"");
    let host = Host::start(installation);
    let circle = "use cases may start each other for ever: circle → circle; make sure that a step ends the circle";
    assert_told(&host, &["use-cases", "--json"], &[circle]);
    let abroad = "abroad has steps that are not served here: far.away.service; its sagas stop there unless";
    assert_told(&host, &["doctor", "--json", "--config", &config(&host)], &[circle, abroad]);
    assert_eq!(host.api.run("play", &json!({}))["status"], "completed");
}
