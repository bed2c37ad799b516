//! TypeScript to JavaScript by taking the types out: each is replaced by spaces, so every line and column stays where
//! it was and a stack trace points into the author's file. What is more than a type (an `enum`, a parameter property,
//! a namespace with values) would have to be written anew, and is refused, as by TypeScript's own
//! `erasableSyntaxOnly`.

mod blanks;
mod classes;

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    ArrowFunctionExpression, Class, Declaration, Decorator, ExportDefaultDeclarationKind, ExportFromDeclaration,
    ExportNamedDeclaration, ExportSpecifier, Expression, FormalParameter, Function, ImportDeclaration,
    ImportDeclarationSpecifier, ImportOrExportKind, PropertyDefinition, Statement, TSAsExpression, TSEnumDeclaration,
    TSNonNullExpression, TSSatisfiesExpression, TSTypeAnnotation, TSTypeAssertion, TSTypeParameterDeclaration,
    TSTypeParameterInstantiation, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_span::{GetSpan, SourceType, Span};
use oxc_syntax::scope::ScopeFlags;

use blanks::Blanks;

/// The text of a module without its types; `path` is for the words of a refusal.
pub(super) fn without(path: &str, text: &str) -> Result<String, String> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, text, SourceType::ts().with_module(true)).parse();
    if let Some(mistake) = parsed.diagnostics.iter().next() {
        let at = mistake.labels.as_ref().first().map_or(0, |label| label.offset());
        return Err(format!("{}: {}", place(path, text, at), mistake.message));
    }
    let mut eraser = Eraser { text, blanks: Blanks::default(), refused: None };
    eraser.visit_program(&parsed.program);
    match eraser.refused {
        Some((at, words)) => Err(format!("{}: {words}", place(path, text, at))),
        None => Ok(eraser.blanks.over(text)),
    }
}

/// `step.ts:3:14`, as in a stack trace.
fn place(path: &str, text: &str, at: u32) -> String {
    let before = text.get(..at as usize).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("{path}:{line}:{column}")
}

struct Eraser<'t> {
    text: &'t str,
    blanks: Blanks,
    refused: Option<(u32, String)>,
}

impl Eraser<'_> {
    fn refuse(&mut self, span: Span, words: &str) {
        self.refused.get_or_insert_with(|| (span.start, words.to_owned()));
    }

    fn text(&self, from: u32, to: u32) -> &str {
        &self.text[from as usize..to as usize]
    }

    /// Blank a mark such as `?` or `!` that stands between two places.
    fn mark(&mut self, from: u32, to: u32, mark: char) {
        if let Some(at) = self.text(from, to).find(mark) {
            let at = from + u32::try_from(at).expect("a module is shorter than 4 GiB");
            self.blanks.add(at, at + 1);
        }
    }

    /// A whole statement that is nothing but a type. A semicolon stays, so that the lines around it do not run
    /// together.
    fn statement(&mut self, span: Span) {
        self.blanks.add(span.start, span.end);
        self.blanks.put(span.start, ';');
    }

    /// A list's element with the comma behind it.
    fn with_comma(&mut self, span: Span) {
        let rest = self.text[span.end as usize..].trim_start();
        let comma = self.text.len() - rest.len();
        let end = if rest.starts_with(',') { comma + 1 } else { span.end as usize };
        self.blanks.add(span.start, u32::try_from(end).expect("a module is shorter than 4 GiB"));
    }

    /// A declaration of which nothing is left when the program runs.
    fn is_type(declaration: &Declaration<'_>) -> bool {
        match declaration {
            Declaration::TSTypeAliasDeclaration(_) | Declaration::TSInterfaceDeclaration(_) => true,
            Declaration::VariableDeclaration(it) => it.declare,
            Declaration::FunctionDeclaration(it) => it.declare || it.body.is_none(),
            Declaration::ClassDeclaration(it) => it.declare,
            Declaration::TSEnumDeclaration(it) => it.declare,
            Declaration::TSNamespaceDeclaration(it) => it.declare,
            Declaration::TSExternalModuleDeclaration(_) | Declaration::TSGlobalDeclaration(_) => true,
            Declaration::TSImportEqualsDeclaration(it) => it.import_kind == ImportOrExportKind::Type,
        }
    }

    fn is_type_statement(statement: &Statement<'_>) -> bool {
        match statement {
            Statement::ImportDeclaration(it) => it.import_kind == ImportOrExportKind::Type,
            Statement::ExportNamedDeclaration(it) => it.export_kind == ImportOrExportKind::Type,
            Statement::ExportFromDeclaration(it) => it.export_kind == ImportOrExportKind::Type,
            Statement::ExportAllDeclaration(it) => it.export_kind == ImportOrExportKind::Type,
            Statement::ExportDeclaration(it) => Self::is_type(&it.declaration),
            Statement::ExportDefaultDeclaration(it) => match &it.declaration {
                ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => true,
                ExportDefaultDeclarationKind::FunctionDeclaration(it) => it.body.is_none(),
                _ => false,
            },
            statement => statement.as_declaration().is_some_and(Self::is_type),
        }
    }

    /// The behind part of `x as T` and its like.
    fn behind(&mut self, expression: &Expression<'_>, whole: Span) {
        self.blanks.add(expression.span().end, whole.end);
        self.visit_expression(expression);
    }

    fn specifiers(&mut self, specifiers: &[ExportSpecifier<'_>]) {
        for specifier in specifiers.iter().filter(|specifier| specifier.export_kind == ImportOrExportKind::Type) {
            self.with_comma(specifier.span);
        }
    }
}

const ENUM: &str =
    "an enum is more than a type; use an object (`const Colour = { red: \"red\" } as const`) or a union of texts";
const NAMESPACE: &str = "a namespace with values is more than a type; use a module";
const REQUIRE: &str = "`import … = require(…)` and `export =` are of CommonJS; use import and export";
const ASSERTION: &str = "an assertion in angle brackets cannot be taken out safely; write `value as Type`";
const PARAMETER: &str =
    "a parameter with `public`, `private` or `readonly` is more than a type; declare the field and assign to it";
const DECORATOR: &str = "decorators are not known to the engine; call the function yourself";

impl<'a> Visit<'a> for Eraser<'_> {
    fn visit_statement(&mut self, it: &Statement<'a>) {
        if Self::is_type_statement(it) {
            self.statement(it.span());
            return;
        }
        match it {
            Statement::TSEnumDeclaration(_) => self.refuse(it.span(), ENUM),
            Statement::TSNamespaceDeclaration(_) => self.refuse(it.span(), NAMESPACE),
            Statement::TSImportEqualsDeclaration(_) | Statement::TSExportAssignment(_) => {
                self.refuse(it.span(), REQUIRE)
            }
            _ => {}
        }
        walk::walk_statement(self, it);
        // Without a semicolon of its own, a statement that ended in a type would go on in the next line.
        self.blanks.end(it.span().end, ';');
    }

    fn visit_declaration(&mut self, it: &Declaration<'a>) {
        if let Declaration::TSNamespaceDeclaration(_) = it {
            self.refuse(it.span(), NAMESPACE);
        }
        walk::walk_declaration(self, it);
    }

    fn visit_ts_enum_declaration(&mut self, it: &TSEnumDeclaration<'a>) {
        self.refuse(it.span, ENUM);
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        for specifier in it.specifiers.iter().flatten() {
            if let ImportDeclarationSpecifier::ImportSpecifier(specifier) = specifier
                && specifier.import_kind == ImportOrExportKind::Type
            {
                self.with_comma(specifier.span);
            }
        }
    }

    fn visit_export_named_declaration(&mut self, it: &ExportNamedDeclaration<'a>) {
        self.specifiers(&it.specifiers);
    }

    fn visit_export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        self.specifiers(&it.specifiers);
    }

    fn visit_ts_type_annotation(&mut self, it: &TSTypeAnnotation<'a>) {
        self.blanks.add(it.span.start, it.span.end);
    }

    fn visit_ts_type_parameter_declaration(&mut self, it: &TSTypeParameterDeclaration<'a>) {
        self.blanks.add(it.span.start, it.span.end);
    }

    fn visit_ts_type_parameter_instantiation(&mut self, it: &TSTypeParameterInstantiation<'a>) {
        self.blanks.add(it.span.start, it.span.end);
    }

    fn visit_ts_as_expression(&mut self, it: &TSAsExpression<'a>) {
        self.behind(&it.expression, it.span);
    }

    fn visit_ts_satisfies_expression(&mut self, it: &TSSatisfiesExpression<'a>) {
        self.behind(&it.expression, it.span);
    }

    fn visit_ts_non_null_expression(&mut self, it: &TSNonNullExpression<'a>) {
        self.behind(&it.expression, it.span);
    }

    fn visit_ts_type_assertion(&mut self, it: &TSTypeAssertion<'a>) {
        self.refuse(it.span, ASSERTION);
    }

    fn visit_decorator(&mut self, it: &Decorator<'a>) {
        self.refuse(it.span, DECORATOR);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if let Some(annotation) = it.type_annotation.as_ref().filter(|_| it.definite) {
            self.mark(it.id.span().end, annotation.span.start, '!');
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: ScopeFlags) {
        if let Some(this) = &it.this_param {
            self.with_comma(this.span);
        }
        walk::walk_function(self, it, flags);
    }

    fn visit_formal_parameter(&mut self, it: &FormalParameter<'a>) {
        if it.accessibility.is_some() || it.readonly || it.r#override {
            self.refuse(it.span, PARAMETER);
        }
        if it.optional {
            let end = it.type_annotation.as_ref().map_or(it.span.end, |annotation| annotation.span.start);
            self.mark(it.pattern.span().end, end, '?');
        }
        walk::walk_formal_parameter(self, it);
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        let (open, close) = (it.params.span.start, it.params.span.end - 1);
        // No line may end before the parameters of an async function or before the arrow: the brackets move instead.
        if let Some(types) =
            it.type_parameters.as_ref().filter(|types| self.text(types.span.start, open).contains('\n'))
        {
            self.blanks.add(open, open + 1);
            self.blanks.put(types.span.start, '(');
        }
        if let Some(returned) = it.return_type.as_ref().filter(|it| self.text(close, it.span.end).contains('\n')) {
            self.blanks.add(close, close + 1);
            self.blanks.put(returned.span.end - 1, ')');
        }
        walk::walk_arrow_function_expression(self, it);
    }

    fn visit_class(&mut self, it: &Class<'a>) {
        self.class(it);
        walk::walk_class(self, it);
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
        if let Some(annotation) = &it.type_annotation {
            for (_, mark) in [(it.optional, '?'), (it.definite, '!')].into_iter().filter(|(there, _)| *there) {
                self.mark(it.key.span().end, annotation.span.start, mark);
            }
        } else if it.optional {
            self.mark(it.key.span().end, it.value.as_ref().map_or(it.span.end, |value| value.span().start), '?');
        }
        walk::walk_property_definition(self, it);
        self.blanks.end(it.span.end, ';');
    }
}

#[cfg(test)]
mod tests;
