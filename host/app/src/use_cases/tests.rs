//! The rules of the folder, by its files.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its own input has failed")]

use host_engine::UseCases as _;

use super::*;

const SHOP_1: &str = "name = \"shop\"\nversion = 1\nowner = \"a\"\ndescription = \"d\"\nsteps = [\"a.b.c\"]\n";
const SHOP_1_OTHER: &str = "name = \"shop\"\nversion = 1\nowner = \"a\"\ndescription = \"d\"\nsteps = [\"a.b.d\"]\n";
const SHOP_2: &str = "name = \"shop\"\nversion = 2\nowner = \"a\"\ndescription = \"d\"\nsteps = [\"a.b.d\"]\n";

fn shop() -> UseCaseName {
    UseCaseName::try_new("shop").unwrap()
}

struct Installation {
    root: tempfile::TempDir,
    use_cases: Arc<UseCases>,
}

impl Installation {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let use_cases = Self::open(&root);
        Self { root, use_cases }
    }

    fn open(root: &tempfile::TempDir) -> Arc<UseCases> {
        UseCases::open(root.path().join("use-cases"), Some(root.path().join("kept"))).unwrap()
    }

    fn restart(&mut self) {
        self.use_cases = Self::open(&self.root);
    }

    fn take(&self, files: &[(&str, &str)]) {
        self.use_cases.take(&Files::of(files));
    }

    fn first_step(&self) -> String {
        self.use_cases.current(&shop()).unwrap().steps[0].to_string()
    }
}

#[test]
fn a_new_version_takes_the_place_and_the_old_one_stays_for_its_sagas() {
    let mut host = Installation::new();
    host.take(&[("shop.toml", SHOP_1)]);
    host.take(&[("shop.toml", SHOP_2)]);
    host.restart();
    host.take(&[("shop.toml", SHOP_2)]);
    assert_eq!(host.first_step(), "a.b.d");
    let old = host.use_cases.version(&UseCaseRef { name: shop(), version: 1 }).unwrap();
    assert_eq!(old.steps[0].as_str(), "a.b.c");
    assert_eq!(host.use_cases.problems(), Vec::<String>::new());
}

#[test]
fn a_version_never_changes_its_meaning_not_even_across_a_restart() {
    let mut host = Installation::new();
    host.take(&[("shop.toml", SHOP_1)]);
    host.take(&[("shop.toml", SHOP_1_OTHER)]);
    assert_eq!(host.first_step(), "a.b.c");
    let told = host.use_cases.problems();
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("shop.toml: version: ") && told[0].contains("raise it to 2"), "{told:?}");
    host.restart();
    host.take(&[("shop.toml", SHOP_1_OTHER)]);
    assert!(host.use_cases.current(&shop()).is_none());
    assert_eq!(host.use_cases.problems().len(), 1);
}

#[test]
fn words_may_change_without_a_new_version() {
    let host = Installation::new();
    host.take(&[("shop.toml", SHOP_1)]);
    host.take(&[("shop.toml", &SHOP_1.replace("owner = \"a\"", "owner = \"b\""))]);
    assert_eq!(host.use_cases.problems(), Vec::<String>::new());
    assert_eq!(host.use_cases.current(&shop()).unwrap().owner, "b");
}

#[test]
fn an_earlier_version_can_be_put_back_and_an_unknown_lower_one_cannot() {
    let host = Installation::new();
    host.take(&[("shop.toml", SHOP_1)]);
    host.take(&[("shop.toml", &SHOP_2.replace("version = 2", "version = 3"))]);
    host.take(&[("shop.toml", SHOP_1)]);
    assert_eq!(host.first_step(), "a.b.c");
    host.take(&[("shop.toml", SHOP_2)]);
    assert_eq!(host.first_step(), "a.b.c");
    assert!(host.use_cases.problems()[0].contains("lower than 3"), "{:?}", host.use_cases.problems());
}

#[test]
fn a_broken_file_leaves_the_definition_in_force_and_a_removed_one_withdraws_it() {
    let host = Installation::new();
    host.take(&[("shop.toml", SHOP_1)]);
    host.take(&[("shop.toml", "name = ")]);
    assert_eq!(host.first_step(), "a.b.c");
    assert!(!host.use_cases.problems().is_empty());
    host.take(&[]);
    assert!(host.use_cases.current(&shop()).is_none());
    assert!(host.use_cases.version(&UseCaseRef { name: shop(), version: 1 }).is_some());
    assert_eq!(host.use_cases.problems(), Vec::<String>::new());
}

#[test]
fn a_file_must_bear_the_name_of_its_use_case() {
    let host = Installation::new();
    host.take(&[("shop.toml", SHOP_1), ("copy-of-shop.toml", SHOP_1)]);
    let told = host.use_cases.problems();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("copy-of-shop.toml:1: name: "), "{told:?}");
}

#[test]
fn a_schema_is_checked_when_it_is_read_and_when_a_body_comes() {
    let host = Installation::new();
    let with_schema = format!("{SHOP_1}body-schema = \"shop.json\"\n");
    let schema = r#"{"type":"object","required":["order-id"],"properties":{"amount":{"type":"number","minimum":0}}}"#;
    host.take(&[("shop.toml", &with_schema), ("shop.json", schema)]);
    assert_eq!(host.use_cases.problems(), Vec::<String>::new());
    let definition = host.use_cases.definition(&shop()).unwrap();
    let check = |text: &str| definition.check_body(&Json::try_from_text(text).unwrap());
    assert_eq!(check(r#"{"order-id":"1","amount":2}"#), Ok(()));
    assert!(check(r#"{"amount":2}"#).unwrap_err().contains("order-id"));
    assert!(check(r#"{"order-id":"1","amount":-2}"#).unwrap_err().starts_with("at /amount: "));

    for (name, text, told) in [
        ("shop.json", "{", "shop.json is not JSON"),
        ("shop.json", "{\"type\": 7}", "is not a JSON Schema"),
        ("other.json", "{}", "shop.json does not exist"),
    ] {
        let host = Installation::new();
        host.take(&[("shop.toml", &with_schema), (name, text)]);
        assert!(host.use_cases.problems()[0].contains(told), "{:?}", host.use_cases.problems());
    }
}

#[test]
fn a_schema_outside_the_folder_is_refused() {
    for name in ["../shop.json", "/etc/shop.json", "a/shop.json", "shop.txt"] {
        let host = Installation::new();
        host.take(&[("shop.toml", &format!("{SHOP_1}body-schema = \"{name}\"\n"))]);
        assert!(host.use_cases.problems()[0].contains("body-schema"), "{name}: {:?}", host.use_cases.problems());
    }
}

#[test]
fn a_trigger_on_a_topic_of_a_step_is_refused() {
    for topic in ["a.b.c.in", "saga.commands"] {
        let host = Installation::new();
        host.take(&[("shop.toml", &format!("{SHOP_1}trigger-topic = \"{topic}\"\n"))]);
        assert!(host.use_cases.problems()[0].contains("trigger-topic"), "{topic}: {:?}", host.use_cases.problems());
    }
}

#[tokio::test]
async fn a_file_that_is_dropped_in_comes_into_force() {
    let host = Installation::new();
    let stop = CancellationToken::new();
    let mut revisions = host.use_cases.revisions();
    let watching = tokio::spawn(host.use_cases.clone().watch(stop.clone()));
    std::fs::write(host.root.path().join("use-cases/shop.toml"), SHOP_1).unwrap();
    let in_force = async {
        while host.use_cases.current(&shop()).is_none() {
            revisions.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), in_force)
        .await
        .expect("the folder is looked at several times a second");
    stop.cancel();
    watching.await.unwrap();
}
