//! Where each part of the contract's types lies in the memory of a step, as a Go file of constants: what the Go SDK
//! reads and writes by. Made of `wit/` alone, so that the committed file can be held against the contract.

use std::fmt::Write as _;

use wit_parser::{Resolve, SizeAlign, Type, TypeDefKind, TypeId};

use crate::tidy::tree::root;

const HEAD: &str = "\
// Code generated from the contract in wit/ by the tests of the project; DO NOT EDIT.

package abi

// Where the parts of the contract's types lie in memory, in bytes, and the numbers of their cases.
const (
";

/// The whole file `guest-sdk/go/internal/abi/layout.go`.
pub fn of_contract() -> String {
    let mut resolve = Resolve::default();
    resolve.push_dir(root().join("wit")).expect("the contract is well-formed");
    let mut sizes = SizeAlign::default();
    sizes.fill(&resolve);
    let mut layout = Layout { resolve: &resolve, sizes, lines: Vec::new() };
    for (_, interface) in &resolve.interfaces {
        let package = &resolve.packages[interface.package.expect("every interface is in a package")].name.name;
        let prefix = if package == "step" { String::new() } else { camel(package) };
        for (name, id) in &interface.types {
            layout.named(&format!("{prefix}{}", camel(name)), *id);
        }
        for function in interface.functions.values() {
            let name = function.name.rsplit(['.', ']']).next().unwrap_or_default();
            layout.function(&format!("{prefix}{}", camel(name)), function);
        }
    }
    // Aligned as gofmt does.
    let width = layout.lines.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    let mut text = HEAD.to_owned();
    for (name, number) in &layout.lines {
        writeln!(text, "\t{name:<width$} = {number}").expect("a text can be written to");
    }
    text + ")\n"
}

struct Layout<'a> {
    resolve: &'a Resolve,
    sizes: SizeAlign,
    lines: Vec<(String, usize)>,
}

impl Layout<'_> {
    fn line(&mut self, name: String, number: usize) {
        self.lines.push((name, number));
    }

    fn named(&mut self, name: &str, id: TypeId) {
        match &self.resolve.types[id].kind {
            TypeDefKind::Record(record) => {
                let fields: Vec<(&str, &Type)> = record.fields.iter().map(|f| (f.name.as_str(), &f.ty)).collect();
                self.fields(name, &fields);
                self.line(format!("{name}Size"), self.sizes.size(&Type::Id(id)).size_wasm32());
            }
            TypeDefKind::Enum(cases) => {
                cases
                    .cases
                    .iter()
                    .enumerate()
                    .for_each(|(at, case)| self.line(format!("{name}{}", camel(&case.name)), at));
            }
            TypeDefKind::Variant(cases) => {
                let types: Vec<Option<&Type>> = cases.cases.iter().map(|case| case.ty.as_ref()).collect();
                let payload = self.sizes.payload_offset(cases.tag(), types).size_wasm32();
                self.line(format!("{name}Payload"), payload);
                self.line(format!("{name}Size"), self.sizes.size(&Type::Id(id)).size_wasm32());
                cases
                    .cases
                    .iter()
                    .enumerate()
                    .for_each(|(at, case)| self.line(format!("{name}{}", camel(&case.name)), at));
            }
            // Names for types that stand elsewhere, and resources, which are numbers.
            _ => {}
        }
    }

    fn function(&mut self, name: &str, function: &wit_parser::Function) {
        let parameters: Vec<(&str, &Type)> = function.params.iter().map(|p| (p.name.as_str(), &p.ty)).collect();
        // More than sixteen numbers are handed over in memory; here only the two functions of a step are such.
        if name == "Handle" || name == "Compensate" {
            self.fields(&format!("{name}Call"), &parameters);
        }
        if let Some(result) = &function.result
            && !matches!(name, "Handle" | "Compensate")
        {
            self.line(format!("{name}ResultSize"), self.sizes.size(result).size_wasm32());
            self.parts(name, 0, result);
        }
    }

    fn fields(&mut self, name: &str, fields: &[(&str, &Type)]) {
        let offsets = self.sizes.field_offsets(fields.iter().map(|(_, ty)| *ty));
        let offsets: Vec<usize> = offsets.into_iter().map(|(offset, _)| offset.size_wasm32()).collect();
        for ((field, ty), offset) in fields.iter().zip(offsets) {
            let name = format!("{name}{}", camel(field));
            self.line(name.clone(), offset);
            self.parts(&name, offset, ty);
        }
    }

    /// The parts of a type without a name of its own.
    fn parts(&mut self, name: &str, offset: usize, ty: &Type) {
        let Type::Id(id) = ty else { return };
        match &self.resolve.types[*id].kind {
            TypeDefKind::Option(some) => {
                let payload = offset + self.sizes.payload_offset(wit_parser::Int::U8, [None, Some(some)]).size_wasm32();
                self.line(format!("{name}Value"), payload);
            }
            TypeDefKind::Result(result) => {
                let cases = [result.ok.as_ref(), result.err.as_ref()];
                let payload = offset + self.sizes.payload_offset(wit_parser::Int::U8, cases).size_wasm32();
                self.line(format!("{name}Payload"), payload);
                if let Some(ok) = &result.ok {
                    self.parts(&format!("{name}Ok"), payload, ok);
                }
            }
            TypeDefKind::List(element) => {
                self.line(format!("{name}ElementSize"), self.sizes.size(element).size_wasm32());
            }
            _ => {}
        }
    }
}

/// `use-case-version` as `UseCaseVersion`.
fn camel(name: &str) -> String {
    let word = |word: &str| match word {
        "id" | "ms" => word.to_uppercase(),
        _ => word[..1].to_uppercase() + &word[1..],
    };
    name.split('-').map(word).collect()
}
