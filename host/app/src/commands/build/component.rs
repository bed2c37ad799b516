//! From a core module to a component of the contract: what languages need whose compiler knows no components. The
//! contract and the bridge to the host's WASI are in the binary, so nothing has to be brought.

use anyhow::{Context as _, anyhow};
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, UnresolvedPackageGroup};

use crate::embedded::CONTRACT;
use crate::exit::Stop;

const WORLD: &str = "step-plugin";

/// A core module that speaks the contract and, apart from it, WASI preview 1.
pub(super) fn of_core_module(mut module: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let (resolve, world) = contract()?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(refused)?;
    ComponentEncoder::default()
        .module(&module)
        .and_then(|encoder| {
            encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        })
        .and_then(|encoder| encoder.validate(true).encode())
        .map_err(refused)
}

fn refused(error: anyhow::Error) -> anyhow::Error {
    let cure = "is the SDK in the project the one that this `saga` writes? `saga new` into another folder shows it";
    Stop::no(format!("what was compiled is no step: {error:#}; {cure}")).into()
}

/// The contract that the binary carries. Packages that others use come first: `deps/` sorts before the contract itself.
pub(super) fn contract() -> anyhow::Result<(Resolve, wit_parser::WorldId)> {
    let mut resolve = Resolve::default();
    let mut last = None;
    for file in CONTRACT {
        let group = UnresolvedPackageGroup::parse(file.path, file.text)
            .map_err(|error| anyhow!("{error:?}"))
            .with_context(|| format!("reading the contract's {}", file.path))?;
        last = Some(resolve.push_group(group).with_context(|| format!("taking the contract's {}", file.path))?);
    }
    let package = last.context("the binary carries no contract")?;
    let world = resolve.select_world(&[package], Some(WORLD)).context("looking for the world of steps")?;
    Ok((resolve, world))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_that_is_carried_has_the_world_of_steps() {
        let (resolve, world) = contract().expect("a contract");
        assert_eq!(resolve.worlds[world].name, WORLD);
    }

    #[test]
    fn a_module_without_the_exports_of_a_step_is_refused() {
        // The smallest module there is: magic and version.
        let error = of_core_module(b"\0asm\x01\0\0\0".to_vec()).expect_err("it exports nothing");
        assert!(error.to_string().contains("is no step"), "{error}");
    }
}
