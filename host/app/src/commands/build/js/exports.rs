//! What a `package.json` says about which file an import means: its `exports` and `imports`, with conditions and
//! patterns.

use serde_json::Value;

/// What this program takes where a package offers several: its own build, that for `import`, and what is for everybody.
const CONDITIONS: [&str; 3] = ["saga", "import", "default"];

/// The file that `exports` or `imports` gives for a key such as `.`, `./decimal` or `#host`; none if it gives none.
pub(super) fn target(table: &Value, key: &str) -> Option<String> {
    let is_table = table.as_object().is_some_and(|table| table.keys().any(|key| key.starts_with(['.', '#'])));
    if !is_table {
        return (key == ".").then(|| chosen(table)).flatten();
    }
    let table = table.as_object()?;
    if let Some(value) = table.get(key) {
        return chosen(value);
    }
    // The longest pattern that fits is the one that counts.
    let (rest, value) = table
        .iter()
        .filter_map(|(pattern, value)| {
            let (before, after) = pattern.split_once('*')?;
            let rest = key.strip_prefix(before)?.strip_suffix(after)?;
            (!rest.is_empty()).then_some((before.len(), rest, value))
        })
        .max_by_key(|(length, _, _)| *length)
        .map(|(_, rest, value)| (rest, value))?;
    chosen(value).map(|file| file.replace('*', rest))
}

fn chosen(value: &Value) -> Option<String> {
    match value {
        Value::String(file) => Some(file.clone()),
        Value::Array(choices) => choices.iter().find_map(chosen),
        // The first condition of the package's own order that holds.
        Value::Object(conditions) => conditions
            .iter()
            .filter(|(name, _)| CONDITIONS.contains(&name.as_str()))
            .find_map(|(_, value)| chosen(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_are_taken_in_the_order_of_the_package() {
        let exports = json!({".": {"types": "./a.d.ts", "require": "./a.cjs", "import": {"default": "./a.js"}}});
        assert_eq!(target(&exports, ".").as_deref(), Some("./a.js"));
        assert_eq!(target(&json!("./a.js"), ".").as_deref(), Some("./a.js"));
        assert_eq!(target(&json!({"default": "./d.js", "saga": "./s.js"}), ".").as_deref(), Some("./d.js"));
        assert_eq!(target(&json!({"require": "./a.cjs"}), "."), None);
    }

    #[test]
    fn names_and_patterns_lead_to_files() {
        let exports = json!({"./x": ["./x.js"], "./lib/*": "./l/*.js", "./lib/deep/*": "./d/*.js", "./no": null});
        for (key, file) in [("./x", Some("./x.js")), ("./lib/a", Some("./l/a.js")), ("./lib/deep/b", Some("./d/b.js"))]
        {
            assert_eq!(target(&exports, key).as_deref(), file, "{key}");
        }
        for key in [".", "./no", "./other", "./lib/"] {
            assert_eq!(target(&exports, key), None, "{key}");
        }
    }
}
