//! Stops two leaks in the runtime that componentize-py puts into a component, so that one instance can serve calls
//! without end: functions of our own take the place of three that the runtime exports, and call them.
//!
//! Both are defects of componentize-py 0.25.1:
//! - `cabi_realloc` takes memory for an empty list or text as well, and who is handed one frees nothing.
//! - The copy that `wit_dylib_pop_list` makes of a value of `bytes` is freed by nobody.
//!
//! All else stays byte for byte as the tool wrote it. The other modules of the component call these functions by their
//! exports, also where a table leads to them, so nothing but the exports has to change.

use anyhow::{Context as _, anyhow, bail};
use wasm_encoder::reencode::{Reencode as _, RoundtripReencoder};
use wasm_encoder::{
    BlockType, ComponentSectionId, ExportSection, Function, MemArg, RawSection, Section as _, SectionId,
};
use wasmparser::{
    BinaryReader, ExportSectionReader, ExternalKind, FunctionSectionReader, ImportSectionReader, TypeRef,
    TypeSectionReader, ValType,
};

/// What every module and every component begins with.
const HEADER_BYTES: usize = 8;

/// A function that the runtime exports: all its parameters are of type i32, and its result, if there is one.
struct Export {
    name: &'static str,
    parameters: usize,
    results: usize,
}

/// Of the old address, the old size, the alignment and the new size.
const REALLOC: Export = Export { name: "cabi_realloc", parameters: 4, results: 1 };
/// Of the call, the address, the size, the alignment, and whether it is to be done at the end of the call.
const DEALLOC: Export = Export { name: "wit_dylib_dealloc_bytes", parameters: 5, results: 0 };
/// Of the call, the type, and where to write the address; answers the length.
const POP_LIST: Export = Export { name: "wit_dylib_pop_list", parameters: 3, results: 1 };
/// Of the call, the address and the length.
const PUSH_STRING: Export = Export { name: "wit_dylib_push_string", parameters: 3, results: 0 };

/// The component with its runtime mended; an error if it has no such runtime as componentize-py 0.25.1 brings.
pub(super) fn stopped(component: &[u8]) -> anyhow::Result<Vec<u8>> {
    let (mut mended, mut runtimes) = (header(component)?.to_vec(), 0);
    for section in sections(component)? {
        let is_module = section.id == u8::from(ComponentSectionId::CoreModule);
        match if is_module { Runtime::of(section.content)? } else { None } {
            Some(runtime) => {
                runtimes += 1;
                RawSection { id: section.id, data: &runtime.mended()? }.append_to(&mut mended);
            }
            None => mended.extend_from_slice(section.whole),
        }
    }
    match runtimes {
        1 => Ok(mended),
        count => bail!(
            "the component has {count} modules that export {}, {}, {} and {} as componentize-py 0.25.1 writes them, \
             not one: its runtime would leak memory at each call. This is a defect of saga; please report it",
            REALLOC.name,
            DEALLOC.name,
            POP_LIST.name,
            PUSH_STRING.name
        ),
    }
}

/// The module of the runtime, as the tool wrote it.
struct Runtime<'a> {
    bytes: &'a [u8],
    sections: Vec<Section<'a>>,
    function_count: u32,
    realloc: Defined,
    dealloc: Defined,
    pop_list: Defined,
    push_string: Defined,
}

/// A function that a module defines itself.
#[derive(Clone, Copy)]
struct Defined {
    index: u32,
    type_index: u32,
}

impl<'a> Runtime<'a> {
    /// None if the module does not export what makes it one.
    fn of(bytes: &'a [u8]) -> anyhow::Result<Option<Self>> {
        let sections = sections(bytes)?;
        let functions = Functions::of(&sections)?;
        let found = [REALLOC, DEALLOC, POP_LIST, PUSH_STRING].map(|export| functions.exported(&export));
        let [Some(realloc), Some(dealloc), Some(pop_list), Some(push_string)] = found else { return Ok(None) };
        let function_count = functions.count()?;
        Ok(Some(Self { bytes, sections, function_count, realloc, dealloc, pop_list, push_string }))
    }

    fn mended(&self) -> anyhow::Result<Vec<u8>> {
        let own = [
            (REALLOC, self.realloc, realloc(self.realloc)),
            (POP_LIST, self.pop_list, pop_list(self.pop_list, self.dealloc)),
            (PUSH_STRING, self.push_string, push_string(self.push_string, self.dealloc)),
        ];
        let indices = (self.function_count..).zip(&own).map(|(index, (export, ..))| (export.name, index));
        let indices: Vec<(&str, u32)> = indices.collect();
        let types: Vec<Vec<u8>> = own.iter().map(|(_, old, _)| encoded(&old.type_index)).collect();
        let bodies: Vec<Vec<u8>> = own.iter().map(|(_, _, body)| encoded(body)).collect();

        let mut mended = header(self.bytes)?.to_vec();
        for section in &self.sections {
            let is = |id: SectionId| section.id == u8::from(id);
            if is(SectionId::Export) {
                exports(section.content, &indices)?.append_to(&mut mended);
            } else if is(SectionId::Function) || is(SectionId::Code) {
                let data = longer(section.content, if is(SectionId::Function) { &types } else { &bodies })?;
                RawSection { id: section.id, data: &data }.append_to(&mut mended);
            } else {
                mended.extend_from_slice(section.whole);
            }
        }
        wasmparser::Validator::new().validate_all(&mended).context("the mended runtime is not valid")?;
        Ok(mended)
    }
}

/// Takes no memory for nothing. With an alignment of 1 it must: a list of bytes is freed whatever its length.
fn realloc(old: Defined) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.local_get(3).i32_eqz().local_get(2).i32_const(1).i32_gt_u().i32_and();
    code.if_(BlockType::Empty).local_get(2).return_().end();
    code.local_get(0).local_get(1).local_get(2).local_get(3).call(old.index).end();
    function
}

/// Frees at the end of the call what the old one has copied; it has copied nothing when it writes no address. The end
/// of a call to the host is behind its return, that of a call of the step behind the reading of its answer.
fn pop_list(old: Defined, dealloc: Defined) -> Function {
    const LENGTH: u32 = 3;
    const ADDRESS: u32 = 4;
    let mut function = Function::new([(2, wasm_encoder::ValType::I32)]);
    let mut code = function.instructions();
    code.local_get(0).local_get(1).local_get(2).call(old.index).local_set(LENGTH);
    code.local_get(2).i32_load(MemArg { offset: 0, align: 2, memory_index: 0 }).local_tee(ADDRESS);
    code.if_(BlockType::Empty);
    code.local_get(0).local_get(ADDRESS).local_get(LENGTH).i32_const(1).i32_const(1).call(dealloc.index);
    code.end().local_get(LENGTH).end();
    function
}

/// Frees the memory of an empty text, which the old one takes for none at all.
fn push_string(old: Defined, dealloc: Defined) -> Function {
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.local_get(2).i32_eqz().if_(BlockType::Empty);
    code.local_get(0).local_get(1).i32_const(0).i32_const(1).i32_const(0).call(dealloc.index).end();
    code.local_get(0).local_get(1).local_get(2).call(old.index).end();
    function
}

/// The exports, some with functions of other indices.
fn exports(content: &[u8], indices: &[(&str, u32)]) -> anyhow::Result<ExportSection> {
    let mut exports = ExportSection::new();
    for export in ExportSectionReader::new(BinaryReader::new(content, 0))? {
        let mut export = export?;
        let own = indices.iter().find(|(name, _)| *name == export.name);
        export.index = own.map_or(export.index, |(_, index)| *index);
        RoundtripReencoder.parse_export(&mut exports, export).map_err(|error| anyhow!("{error}"))?;
    }
    Ok(exports)
}

/// A section that is a counted list, with more at its end.
fn longer(content: &[u8], more: &[Vec<u8>]) -> anyhow::Result<Vec<u8>> {
    let mut reader = BinaryReader::new(content, 0);
    let count = reader.read_var_u32()? + u32::try_from(more.len())?;
    Ok([encoded(&count).as_slice(), reader.read_bytes(reader.bytes_remaining())?, &more.concat()].concat())
}

fn encoded(what: &impl wasm_encoder::Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    what.encode(&mut bytes);
    bytes
}

/// What a module says of its functions.
#[derive(Default)]
struct Functions<'a> {
    types: Option<TypeSectionReader<'a>>,
    imported: u32,
    /// The type of each function that the module defines.
    defined: Vec<u32>,
    exports: Vec<(&'a str, u32)>,
}

impl<'a> Functions<'a> {
    fn of(sections: &[Section<'a>]) -> anyhow::Result<Self> {
        let mut functions = Self::default();
        for section in sections {
            let reader = BinaryReader::new(section.content, 0);
            let is = |id: SectionId| section.id == u8::from(id);
            if is(SectionId::Type) {
                functions.types = Some(TypeSectionReader::new(reader)?);
            } else if is(SectionId::Import) {
                for import in ImportSectionReader::new(reader)?.into_imports() {
                    functions.imported += u32::from(matches!(import?.ty, TypeRef::Func(_) | TypeRef::FuncExact(_)));
                }
            } else if is(SectionId::Function) {
                functions.defined = FunctionSectionReader::new(reader)?.into_iter().collect::<Result<_, _>>()?;
            } else if is(SectionId::Export) {
                for export in ExportSectionReader::new(reader)? {
                    let export = export?;
                    if export.kind == ExternalKind::Func {
                        functions.exports.push((export.name, export.index));
                    }
                }
            }
        }
        Ok(functions)
    }

    fn count(&self) -> anyhow::Result<u32> {
        Ok(self.imported + u32::try_from(self.defined.len())?)
    }

    /// The function behind an export, if the module defines it and its type is that.
    fn exported(&self, export: &Export) -> Option<Defined> {
        let (_, index) = *self.exports.iter().find(|(name, _)| *name == export.name)?;
        let type_index = *self.defined.get(usize::try_from(index.checked_sub(self.imported)?).ok()?)?;
        let types = self.types.clone()?;
        let function = types.into_iter_err_on_gc_types().nth(usize::try_from(type_index).ok()?)?.ok()?;
        let is_that = function.params() == vec![ValType::I32; export.parameters]
            && function.results() == vec![ValType::I32; export.results];
        is_that.then_some(Defined { index, type_index })
    }
}

/// A section of a module or of a component.
struct Section<'a> {
    id: u8,
    content: &'a [u8],
    /// With the id and the length before it.
    whole: &'a [u8],
}

fn header(bytes: &[u8]) -> anyhow::Result<&[u8]> {
    bytes.get(..HEADER_BYTES).context("the file is too short for a component")
}

fn sections(bytes: &[u8]) -> anyhow::Result<Vec<Section<'_>>> {
    let mut reader = BinaryReader::new(bytes, 0);
    reader.read_bytes(HEADER_BYTES)?;
    let mut sections = Vec::new();
    while !reader.eof() {
        let start = reader.current_position();
        let (id, length) = (reader.read_u8()?, reader.read_var_u32()?);
        let content = reader.read_bytes(usize::try_from(length)?)?;
        sections.push(Section { id, content, whole: &bytes[start..reader.current_position()] });
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use wasmparser::{CodeSectionReader, Operator};

    use super::*;

    /// What the other modules call and what the tool names: of these types, and behind a function that is imported.
    const RUNTIME: &str = r#"(core module $runtime
        (type $unused (func (param f64)))
        (import "env" "memory" (memory 1))
        (import "env" "unused" (func (param i32)))
        (func (export "other") (result i32) i32.const 5)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
        (func (export "wit_dylib_dealloc_bytes") (param i32 i32 i32 i32 i32))
        (func (export "wit_dylib_pop_list") (param i32 i32 i32) (result i32) i32.const 20)
        (func (export "wit_dylib_push_string") (param i32 i32 i32))
        (@custom "name-of-no-meaning" "\01\02\03"))"#;

    fn component(inside: &str) -> Vec<u8> {
        let text = format!("(component (core module $before) {inside} (core module $behind))");
        wat::parse_str(text).expect("a component")
    }

    fn module(component: &[u8]) -> &[u8] {
        sections(component).expect("sections")[1].content
    }

    /// Which functions are called by that behind an export.
    fn calls(module: &[u8], export: &str) -> Vec<u32> {
        let sections = sections(module).expect("sections");
        let functions = Functions::of(&sections).expect("functions");
        let (_, index) = functions.exports.iter().find(|(name, _)| *name == export).expect("it is exported");
        let code = sections.iter().find(|section| section.id == u8::from(SectionId::Code)).expect("code");
        let bodies = CodeSectionReader::new(BinaryReader::new(code.content, 0)).expect("bodies");
        let body = bodies.into_iter().nth((index - functions.imported) as usize).expect("it is defined");
        let operators = body.expect("a body").get_operators_reader().expect("operators").into_iter();
        operators
            .filter_map(|operator| match operator.expect("an operator") {
                Operator::Call { function_index } => Some(function_index),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn functions_of_our_own_take_the_place_of_three_and_call_them() {
        let mended = stopped(&component(RUNTIME)).expect("the runtime is known");
        let [realloc, dealloc, pop_list, push_string] = [2, 3, 4, 5];
        assert_eq!(calls(module(&mended), REALLOC.name), [realloc]);
        assert_eq!(calls(module(&mended), POP_LIST.name), [pop_list, dealloc]);
        assert_eq!(calls(module(&mended), PUSH_STRING.name), [dealloc, push_string]);
        for name in [DEALLOC.name, "other"] {
            assert!(calls(module(&mended), name).is_empty(), "{name} is the old one");
        }
    }

    #[test]
    fn all_but_the_exports_and_what_was_added_stays_as_it_was() {
        let written = component(RUNTIME);
        let mended = stopped(&written).expect("the runtime is known");
        let changed = |before: &[u8], after: &[u8]| -> Vec<u8> {
            let (before, after) = (sections(before).expect("sections"), sections(after).expect("sections"));
            assert_eq!(before.len(), after.len());
            let pairs = before.iter().zip(&after).filter(|(before, after)| before.whole != after.whole);
            pairs.map(|(before, _)| before.id).collect()
        };
        assert_eq!(changed(&written, &mended), [u8::from(ComponentSectionId::CoreModule)]);
        let inside = [SectionId::Function, SectionId::Export, SectionId::Code].map(u8::from);
        assert_eq!(changed(module(&written), module(&mended)), inside);
    }

    #[test]
    fn a_runtime_of_another_tool_is_refused() {
        let others = [
            (0, String::new()),
            (0, RUNTIME.replace("wit_dylib_pop_list", "wit_dylib_pop_all")),
            (0, RUNTIME.replace("(param i32 i32 i32 i32 i32)", "(param i32 i32 i32 i32)")),
            (2, format!("{RUNTIME} {}", RUNTIME.replace("$runtime", "$second"))),
        ];
        for (count, other) in others {
            let told = stopped(&component(&other)).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(told.contains(&format!("has {count} modules that export cabi_realloc")), "{told}");
        }
        assert!(stopped(b"\0asm").is_err(), "no component at all");
    }
}
