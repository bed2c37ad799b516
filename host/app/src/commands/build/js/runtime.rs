//! The QuickJS that the binary carries, linked with what the contract needs: a component that has not yet read a
//! module. Where the file comes from stands beside it, in `host/app/runtime/quickjs/README.md`.

use anyhow::{Context as _, anyhow};
use host_core::manifest::Grant;
use host_runtime::STEP_VERSION;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{Linker, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, UnresolvedPackageGroup, WorldId};

use crate::commands::build::component;

const QUICKJS: &[u8] = include_bytes!("../../../../runtime/quickjs/runtime-sync.wasm");

/// As much of WASI's own package as is imported.
const RANDOM: &str = "package wasi:random@0.2.0;
interface random {
  get-random-bytes: func(len: u64) -> list<u8>;
}";

/// The interface of the contract that a grant lets in.
pub(super) fn interface(grant: Grant) -> &'static str {
    match grant {
        Grant::Config => "wasi:config/store@0.2.0-rc.1",
        Grant::KeyValue => "wasi:keyvalue/store@0.2.0-draft2",
        Grant::Events => "saga:step/events@0.1.0",
    }
}

/// The runtime and the glue between it and the contract.
pub(super) fn linked(grants: &[Grant]) -> anyhow::Result<Vec<u8>> {
    let (resolve, world) = world(grants)?;
    let (mut glue, _) = wit_dylib::create_with_metadata(&resolve, world, None);
    embed_component_metadata(&mut glue, &resolve, world, StringEncoding::UTF8)?;
    Linker::default()
        .library("quickjs.wasm", QUICKJS, false)?
        .library("contract.wasm", &glue, false)?
        .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
        .encode()
        .context("linking the JavaScript runtime with the contract")
}

/// What a step in JavaScript imports: the contract, and the chance that the SDK needs for `Math.random`, whose own
/// state would be the same in every instance, since it is frozen with the memory.
///
/// The SDK is one for all steps, and a component imports all that its world does, used or not. So the world is made of
/// what the manifest grants; `absent.rs` stands in for the rest.
fn world(grants: &[Grant]) -> anyhow::Result<(Resolve, WorldId)> {
    let granted: String = grants.iter().map(|grant| format!("  import {};\n", interface(*grant))).collect();
    let text = format!(
        "package saga:javascript;\nworld javascript {{\n  import wasi:logging/logging@0.1.0-draft;\n  \
         import wasi:random/random@0.2.0;\n{granted}  export saga:step/step@{STEP_VERSION};\n}}"
    );

    let (mut resolve, _) = component::contract()?;
    let mut last = None;
    for (path, text) in [("random.wit", RANDOM), ("javascript.wit", &text)] {
        let group = UnresolvedPackageGroup::parse(path, text).map_err(|error| anyhow!("{path}: {error:?}"))?;
        last = Some(resolve.push_group(group).with_context(|| format!("taking {path}"))?);
    }
    let package = last.context("there are two packages")?;
    let world = resolve.select_world(&[package], None).context("looking for the world of JavaScript")?;
    Ok((resolve, world))
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// As it stands in the README beside the file.
    const SHA256: &str = "f6e3190331d43821d875e498a8f23c2e4b3befe38f1e72939b532e65f16c65be";

    #[test]
    fn a_component_imports_what_its_manifest_grants_and_nothing_else() {
        let (resolve, world) = world(&[Grant::KeyValue]).expect("a world");
        let names: Vec<String> = resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect();
        assert!(names.iter().any(|name| name == interface(Grant::KeyValue)), "{names:?}");
        for grant in [Grant::Config, Grant::Events] {
            assert!(!names.iter().any(|name| name == interface(grant)), "{names:?}");
        }
    }

    #[test]
    fn the_runtime_is_the_one_that_was_published() {
        let digest: String = Sha256::digest(QUICKJS).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, SHA256);
        let readme = include_str!("../../../../runtime/quickjs/README.md");
        assert!(readme.contains(SHA256), "the README tells of another file");
    }
}
