//! Stands in for the parts of the contract that a step's manifest does not grant: each of their functions says so, in
//! the way in which the contract tells errors. So the SDK can import them all, and the component imports what is
//! granted.

use host_core::manifest::Grant;

use super::runtime::interface;

/// Before the path of what stands in.
const ABSENT: &str = "/saga:absent/";

/// The path of what stands in for an interface; none if it is none that could be granted.
pub(super) fn path(specifier: &str) -> Option<String> {
    Grant::ALL.iter().any(|grant| interface(*grant) == specifier).then(|| format!("{ABSENT}{specifier}"))
}

/// The module at such a path.
pub(super) fn module(path: &str) -> Option<String> {
    let specifier = path.strip_prefix(ABSENT)?;
    let grant = Grant::ALL.into_iter().find(|grant| interface(*grant) == specifier)?;
    let (tag, functions) = match grant {
        Grant::Config => ("io", &["get", "getAll"][..]),
        Grant::KeyValue => ("access-denied", &["open"][..]),
        Grant::Events => ("topic-refused", &["emit", "signal"][..]),
    };
    let words = format!("not granted; add `{}` to the grants in the step's manifest", grant.as_str());
    Some(format!(
        "const absent = () => {{ throw {{ tag: {tag:?}, val: {words:?} }}; }};\nexport default {{ {} }};\n",
        functions.iter().map(|name| format!("{name}: absent")).collect::<Vec<_>>().join(", ")
    ))
}
