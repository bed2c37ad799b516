//! Takes out of a frozen component what only the start needed: the import of the module loader, which no host serves.
//! In its place comes a small component that traps; a module that is imported later than the build gets there.

use anyhow::{Context as _, anyhow, ensure};
use host_runtime::freeze::MODULE_LOADER;
use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent, component_utils};
use wasm_encoder::{
    Component, ComponentExportKind, ComponentImportSection, ComponentInstanceSection, ComponentSectionId, RawSection,
};
use wasmparser::{Parser, Payload};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{ManglingAndAbi, Resolve, UnresolvedPackageGroup};

/// The two functions of the loader, as a component would export them.
const STUB: &str = "package local:init;
world stub {
  export resolve: func(referrer: string, specifier: string) -> result<string, string>;
  export load: func(path: string) -> result<string, string>;
}";

const NO_ARGUMENTS: [(&str, ComponentExportKind, u32); 0] = [];

pub(super) fn without_loader(component: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut sealing = Sealing { stub: stub()?, depth: 0, component_count: 0, stub_index: None };
    let mut sealed = Component::new();
    sealing
        .parse_component(&mut sealed, Parser::new(0), component)
        .map_err(|error| anyhow!("{error}"))
        .context("reading the frozen component")?;
    ensure!(sealing.stub_index.is_some(), "the frozen component does not import {MODULE_LOADER}");
    let sealed = sealed.finish();
    wasmparser::Validator::new().validate_all(&sealed).context("the sealed component is not valid")?;
    Ok(sealed)
}

fn stub() -> anyhow::Result<Vec<u8>> {
    let mut resolve = Resolve::default();
    let group = UnresolvedPackageGroup::parse("stub.wit", STUB).map_err(|error| anyhow!("{error:?}"))?;
    let package = resolve.push_group(group)?;
    let world = resolve.select_world(&[package], None)?;
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().module(&module)?.validate(true).encode()
}

/// Writes a component anew, section by section.
struct Sealing {
    stub: Vec<u8>,
    /// 0 in the component itself, more in those inside it.
    depth: u32,
    /// Components seen so far inside the outermost one.
    component_count: u32,
    /// Which of these the stub became: those behind it move on by one.
    stub_index: Option<u32>,
}

impl Reencode for Sealing {
    type Error = std::convert::Infallible;
}

impl ReencodeComponent for Sealing {
    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    fn component_index(&mut self, index: u32) -> u32 {
        let moves = self.depth == 0 && self.stub_index.is_some_and(|stub| index >= stub);
        index + u32::from(moves)
    }

    fn parse_component_payload(
        &mut self,
        component: &mut Component,
        payload: Payload<'_>,
        whole_component: &[u8],
    ) -> Result<(), Error<Self::Error>> {
        match payload {
            Payload::ComponentImportSection(section) if self.depth == 0 => {
                let mut imports = ComponentImportSection::new();
                for import in section {
                    let import = import?;
                    if import.name.name == MODULE_LOADER {
                        component.section(&std::mem::take(&mut imports));
                        self.put_stub(component);
                    } else {
                        imports.import(import.name, self.component_type_ref(import.ty)?);
                    }
                }
                component.section(&imports);
                Ok(())
            }
            Payload::ComponentSection { .. } if self.depth == 0 => {
                self.component_count += 1;
                component_utils::parse_component_payload(self, component, payload, whole_component)
            }
            payload => component_utils::parse_component_payload(self, component, payload, whole_component),
        }
    }
}

impl Sealing {
    /// An instance of the stub takes the place of the imported one, so no index of an instance changes.
    fn put_stub(&mut self, component: &mut Component) {
        component.section(&RawSection { id: ComponentSectionId::Component.into(), data: &self.stub });
        let mut instances = ComponentInstanceSection::new();
        instances.instantiate(self.component_count, NO_ARGUMENTS);
        component.section(&instances);
        self.stub_index = Some(self.component_count);
    }
}
