//! Components that take the place of example steps: the same steps, written in another language.

use std::path::Path;

use anyhow::Context as _;

use crate::embedded::STEPS;
use crate::exit::Stop;

/// A component in place of the example step of its address.
#[derive(Debug)]
pub struct Other {
    pub address: &'static str,
    pub wasm: Vec<u8>,
    pub manifest: String,
}

/// Every `<address>.wasm` of the folder with its manifest; each must be of an example step.
pub fn read(folder: &Path) -> anyhow::Result<Vec<Other>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut others = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
        let Some(named) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".wasm")) else { continue };
        let Some(step) = STEPS.iter().find(|step| step.address == named) else {
            return Err(Stop::usage(unknown(&path)).into());
        };
        let beside = path.with_extension("toml");
        let manifest = std::fs::read_to_string(&beside).with_context(|| {
            format!("reading {}; saga build --out writes it beside the component", beside.display())
        })?;
        let wasm = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        others.push(Other { address: step.address, wasm, manifest });
    }
    others.sort_by_key(|other| other.address);
    match others.is_empty() {
        true => Err(Stop::usage(format!("{} holds no <address>.wasm", folder.display())).into()),
        false => Ok(others),
    }
}

fn unknown(path: &Path) -> String {
    let known: Vec<&str> = STEPS.iter().map(|step| step.address).collect();
    let path = path.display();
    format!("{path} is no step of the demo, which has {}; copy it into the plugins folder instead", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_stands_for_the_example_of_its_address() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("shop.billing.payment.wasm"), "other").expect("writing");
        let error = read(folder.path()).expect_err("it has no manifest");
        assert!(format!("{error:#}").contains("shop.billing.payment.toml"), "{error:#}");
        std::fs::write(file("shop.billing.payment.toml"), "grants = []").expect("writing");
        let others = read(folder.path()).expect("both files are there");
        assert_eq!((others.len(), others[0].address, &*others[0].wasm), (1, "shop.billing.payment", &b"other"[..]));
    }

    #[test]
    fn what_is_no_step_of_the_demo_is_refused_with_those_there_are() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(read(folder.path()).expect_err("nothing is there").to_string().contains("holds no"));
        std::fs::write(folder.path().join("a.b.c.wasm"), "").expect("writing");
        let told = read(folder.path()).expect_err("an unknown step").to_string();
        assert!(told.contains("a.b.c.wasm") && told.contains("shop.inventory.stock"), "{told}");
    }
}
