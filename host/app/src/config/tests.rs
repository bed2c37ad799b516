//! The configuration against the promises of its documentation.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its own input has failed")]

use super::*;

fn read(text: &str) -> Result<Config, String> {
    resolve(Some(("saga.toml", text)), BTreeMap::new()).map(|(config, _)| config).map_err(|error| error.to_string())
}

fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_key_has_a_default() {
    let config = read("").unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:7070");
    assert_eq!(config.limits.body, Size(1 << 20));
    assert_eq!(config.store.kind, StoreKind::Embedded);
}

#[test]
fn every_key_reads_back_what_it_writes() {
    let defaults = Config::default();
    // What is not set has no value that a file could hold.
    for key in KEYS.iter().filter(|key| (key.get)(&defaults) != "(none)") {
        let written = (key.get)(&defaults);
        let (section, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let config = read(&format!("{header}{name} = {written}")).unwrap();
        assert_eq!((key.get)(&config), written, "{}", key.path);
    }
}

#[test]
fn every_key_can_be_set_from_the_environment_which_wins() {
    let file = "listen = \"127.0.0.1:1\"\n[limits]\nbody = \"2MiB\"\n[store]\nkind = \"embedded\"\n";
    let set = environment(&[
        ("SAGA_LISTEN", "127.0.0.1:2"),
        ("SAGA_LIMITS_BODY", "3MiB"),
        ("SAGA_LIMITS_IN_FLIGHT", "17"),
        ("SAGA_STORE_KIND", "memory"),
        ("SAGA_STORE_ADDRESS", "postgresql://saga:hidden@db/saga"),
        ("SAGA_BROKER_KIND", "embedded"),
        ("SAGA_TOKEN", "0123456789abcdef"),
    ]);
    let (config, _) = resolve(Some(("saga.toml", file)), set).unwrap();
    assert_eq!(config.listen.port(), 2);
    assert_eq!(config.limits.body, Size(3 << 20));
    assert_eq!(config.limits.in_flight, 17);
    assert_eq!(config.store.kind, StoreKind::Memory);
    assert_eq!(config.token.as_ref().unwrap().reveal(), "0123456789abcdef");
    assert_eq!(config.store.address.as_ref().unwrap().reveal(), "postgresql://saga:hidden@db/saga");
    assert!(KEYS.iter().all(|key| !(key.get)(&config).contains("hidden")), "an address may hold a password");
}

#[test]
fn a_mistake_names_file_line_field_and_cure() {
    let wrong = [
        (
            "listen = \"127.0.0.1:7070\"\nlisetn = 1\n",
            "saga.toml:2: lisetn: there is no such key; did you mean `listen`?",
        ),
        (
            "\n[limits]\nbody = \"a lot\"\n",
            "saga.toml:3: limits.body: \"a lot\" is not a size; write it like \"64KiB\", \"1MiB\" or as a number of bytes",
        ),
        (
            "[broker]\nkind = \"kafak\"\n",
            "saga.toml:2: broker.kind: \"kafak\" is not one of its values; write \"embedded\" or \"kafka\"",
        ),
        ("body = 3\n", "saga.toml:1: body: there is no such key; did you mean `limits.body`?"),
        (
            "limits = 3\n",
            "saga.toml:1: limits: this is a table of keys, not a value; write [limits] on a line of its own and its keys below",
        ),
        (
            "[retention]\nfinished = [1]\n",
            "saga.toml:2: retention.finished: one text or number is expected here; see docs/configuration.md for the form of each key",
        ),
        (
            "\n\nlisten = \"0.0.0.0:7070\"\n",
            "saga.toml:3: listen: 0.0.0.0:7070 can be reached from other machines and no token is set; set `token` (SAGA_TOKEN), or listen on 127.0.0.1",
        ),
        (
            "[limits]\nsteps = 4000\n",
            "saga.toml:2: limits.steps: 4000 steps is out of range; write a number from 1 to 1024",
        ),
        (
            "[limits]\nin-flight = 5000\n",
            "saga.toml:2: limits.in-flight: 5000 calls at once is more than a host can hold; write a number from 1 to 4096",
        ),
        (
            "[limits]\nin-flight = 0\n",
            "saga.toml:2: limits.in-flight: 0 lets nothing through; write 1 or more, or leave the key out",
        ),
    ];
    for (text, told) in wrong {
        assert_eq!(read(text).unwrap_err(), told, "{text}");
    }
}

#[test]
fn what_is_not_toml_is_told_with_its_line() {
    let told = read("listen = \"127.0.0.1:7070\"\nlimits = {\n").unwrap_err();
    assert!(told.starts_with("saga.toml:2: "), "{told}");
    assert!(!told.contains("\n\n"), "{told}");
}

#[test]
fn every_mistake_of_a_file_is_told_at_once() {
    let told = read("lisetn = 1\n[limits]\nbody = \"x\"\nsteps = -1\n").unwrap_err();
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn a_mistake_of_the_environment_names_the_variable() {
    let told = resolve(None, environment(&[("SAGA_LIMITS_BODY", "big")])).unwrap_err().to_string();
    assert!(told.starts_with("environment: SAGA_LIMITS_BODY: "), "{told}");
    let told = resolve(None, environment(&[("SAGA_LISTEN", "0.0.0.0:1")])).unwrap_err().to_string();
    assert!(told.starts_with("environment: SAGA_LISTEN: "), "{told}");
}

#[test]
fn a_misspelt_variable_is_warned_about_and_a_foreign_one_is_not() {
    let set = environment(&[("SAGA_LIMIT_BODY", "1MiB"), ("SAGA_SERVICE_HOST", "10.0.0.1"), ("SAGA_HOST", "http://x")]);
    let (_, warnings) = resolve(None, set).unwrap();
    assert_eq!(
        warnings,
        ["the environment variable SAGA_LIMIT_BODY names no key and is ignored; did you mean SAGA_LIMITS_BODY?"]
    );
}

#[test]
fn a_token_is_never_shown() {
    let config = read("token = \"0123456789abcdef\"").unwrap();
    assert!(!format!("{config:?}").contains("0123456789"));
    assert!(KEYS.iter().all(|key| !(key.get)(&config).contains("0123456789")));
    assert!(read("token = \"short\"").unwrap_err().contains("openssl rand"));
}

#[test]
fn folders_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("saga.toml");
    std::fs::write(&file, "data-dir = \"state\"\nplugins-dir = \"/srv/plugins\"\n").unwrap();
    let loaded = load(Some(&file)).unwrap();
    assert_eq!(loaded.config.data_dir, folder.path().join("state"));
    assert_eq!(loaded.config.plugins_dir, PathBuf::from("/srv/plugins"));
    assert_eq!(loaded.config.use_cases_dir, folder.path().join("use-cases"));
}

#[test]
fn a_named_file_must_exist() {
    let told = load(Some(Path::new("/nowhere/other.toml"))).unwrap_err().to_string();
    assert!(told.starts_with("other.toml: it cannot be read"), "{told}");
}

/// The page promises to list every key, so it is compared with the list.
#[test]
fn the_documentation_lists_exactly_the_keys_that_exist() {
    let page = include_str!("../../../../docs/configuration.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .filter(|row: &Vec<&str>| row.len() == 4 && row[1].starts_with("`SAGA_"))
        .collect();
    let documented: Vec<(String, String, String, String)> = rows
        .iter()
        .map(|row| {
            let plain = |text: &str| text.trim_matches('`').to_owned();
            (plain(row[0]), plain(row[1]), plain(row[2]), row[3].to_owned())
        })
        .collect();
    let defaults = Config::default();
    let existing: Vec<(String, String, String, String)> = KEYS
        .iter()
        .map(|key| {
            let default = match key.path {
                "host-name" => "(the machine's name)".to_owned(),
                _ => (key.get)(&defaults),
            };
            (key.path.to_owned(), key.variable(), default, key.about.to_owned())
        })
        .collect();
    assert_eq!(documented, existing);
}
