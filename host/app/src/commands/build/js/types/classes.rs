//! What TypeScript adds to classes: modifiers, `implements`, members that are only declared.

use oxc_ast::ast::{AccessorPropertyType, Class, ClassElement, MethodDefinitionType, PropertyDefinitionType};
use oxc_span::GetSpan;

use super::Eraser;

const MODIFIERS: [&str; 7] = ["public", "private", "protected", "readonly", "override", "abstract", "declare"];

impl Eraser<'_> {
    pub(super) fn class(&mut self, it: &Class<'_>) {
        if it.r#abstract {
            self.modifiers(it.span.start, it.body.span.start.min(it.span.start + 9));
        }
        let mut end = it.id.as_ref().map_or(it.span.start, |id| id.span.end);
        end = it.type_parameters.as_ref().map_or(end, |types| types.span.end);
        if let Some(heritage) = &it.heritage {
            end = heritage.type_arguments.as_ref().map_or(heritage.expression.span().end, |types| types.span.end);
        }
        if let Some(first) = it.implements.first() {
            // From the word itself: it stands somewhere between what comes before and the first name.
            let from = self
                .text(end, first.span.start)
                .rfind("implements")
                .map_or(first.span.start, |at| end + u32::try_from(at).expect("a module is shorter than 4 GiB"));
            self.blanks.add(from, it.body.span.start);
        }
        it.body.body.iter().for_each(|element| self.element(element));
    }

    fn element(&mut self, element: &ClassElement<'_>) {
        let only_declared = match element {
            ClassElement::StaticBlock(_) => return,
            ClassElement::TSIndexSignature(_) => true,
            ClassElement::MethodDefinition(it) => {
                it.r#type == MethodDefinitionType::TSAbstractMethodDefinition || it.value.body.is_none()
            }
            ClassElement::PropertyDefinition(it) => {
                it.declare || it.r#type == PropertyDefinitionType::TSAbstractPropertyDefinition
            }
            ClassElement::AccessorProperty(it) => it.r#type == AccessorPropertyType::TSAbstractAccessorProperty,
        };
        if only_declared {
            self.statement(element.span());
            return;
        }
        let key = match element {
            ClassElement::MethodDefinition(it) => it.key.span(),
            ClassElement::PropertyDefinition(it) => it.key.span(),
            ClassElement::AccessorProperty(it) => it.key.span(),
            ClassElement::StaticBlock(_) | ClassElement::TSIndexSignature(_) => return,
        };
        if let ClassElement::MethodDefinition(it) = element
            && it.optional
        {
            self.mark(key.end, it.value.params.span.start, '?');
        }
        let first = self.modifiers(element.span().start, key.start);
        // A member before it without a semicolon would go on here: a computed name reads like an index.
        if first == Some(element.span().start) {
            self.blanks.put(element.span().start, ';');
        }
    }

    /// Blank the modifiers that stand between two places; answers where the first one stood.
    fn modifiers(&mut self, from: u32, to: u32) -> Option<u32> {
        let text = self.text(from, to).to_owned();
        let mut first = None;
        let mut at = 0;
        for word in text.split_inclusive(|char: char| !char.is_ascii_alphabetic()) {
            let name = word.trim_end_matches(|char: char| !char.is_ascii_alphabetic());
            if MODIFIERS.contains(&name) {
                let start = from + u32::try_from(at).expect("a module is shorter than 4 GiB");
                let end = start + u32::try_from(name.len()).expect("a word is short");
                self.blanks.add(start, end);
                first.get_or_insert(start);
            }
            at += word.len();
        }
        first
    }
}
