//! What an address is called where an address cannot stand: in a package's name, a folder, a class. Fills templates.

use host_core::id::StepAddress;

/// Words that no part of a package's name in Java may be.
const JAVA_WORDS: [&str; 53] = [
    "abstract",
    "assert",
    "boolean",
    "break",
    "byte",
    "case",
    "catch",
    "char",
    "class",
    "const",
    "continue",
    "default",
    "do",
    "double",
    "else",
    "enum",
    "extends",
    "false",
    "final",
    "finally",
    "float",
    "for",
    "goto",
    "if",
    "implements",
    "import",
    "instanceof",
    "int",
    "interface",
    "long",
    "native",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "short",
    "static",
    "strictfp",
    "super",
    "switch",
    "synchronized",
    "this",
    "throw",
    "throws",
    "transient",
    "true",
    "try",
    "void",
    "volatile",
    "while",
];

/// The names of a step, `shop.billing.card-payment`.
pub struct Names {
    address: String,
    /// `shop-billing-card-payment`
    pub package: String,
    /// `shop.billing`
    java_package: String,
    /// `CardPaymentStep`
    java_class: String,
}

impl Names {
    pub fn of(address: &StepAddress) -> Self {
        let address = address.as_str();
        let (around, service) = address.rsplit_once('.').unwrap_or(("", address));
        let java_package: Vec<String> = around.split('.').map(java_word).collect();
        let words: String = service.split('-').map(capitalised).collect();
        let guard = if words.starts_with(|first: char| first.is_ascii_digit()) { "_" } else { "" };
        Self {
            address: address.to_owned(),
            package: address.replace('.', "-"),
            java_package: java_package.join("."),
            // With this ending it is none of the names that its source imports or declares.
            java_class: format!("{guard}{words}Step"),
        }
    }

    /// The text of a template, or a path in it.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{{address}}", &self.address)
            .replace("{{crate}}", &self.package)
            .replace("{{package}}", &self.java_package)
            .replace("{{folder}}", &self.java_package.replace('.', "/"))
            .replace("{{class}}", &self.java_class)
    }
}

fn java_word(word: &str) -> String {
    let plain = word.replace('-', "_");
    if JAVA_WORDS.contains(&plain.as_str()) {
        format!("{plain}_")
    } else if plain.starts_with(|first: char| first.is_ascii_digit()) {
        format!("_{plain}")
    } else {
        plain
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_has_names_that_java_takes() {
        for (address, package, class) in [
            ("shop.billing.payment", "shop.billing", "PaymentStep"),
            ("my-shop.new.card--payment-2", "my_shop.new_", "CardPayment2Step"),
            ("3d.int.3ds", "_3d.int_", "_3dsStep"),
        ] {
            let names = Names::of(&StepAddress::try_new(address).expect(address));
            assert_eq!((names.fill("{{package}}"), names.fill("{{class}}")), (package.to_owned(), class.to_owned()));
            assert_eq!(names.fill("{{folder}}"), package.replace('.', "/"));
        }
    }
}
