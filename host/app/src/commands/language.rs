//! The languages that steps are written in: how a command line names them, and how a project folder shows its own.

use std::path::Path;

use clap::ValueEnum;

use super::build::js::STEP_FILES;
use crate::embedded::{
    EmbeddedText, GO_SDK, GO_TEMPLATE, JAVA_SDK, JAVA_TEMPLATE, JS_SDK, JS_TEMPLATE, PYTHON_SDK, PYTHON_TEMPLATE, SDK,
    TEMPLATE, TS_TEMPLATE,
};

/// Puts the library of a project in Java where Maven looks for it, once.
pub const JAVA_INSTALL: &str = "mvn -q -B -f sdk/saga-step/pom.xml install -DskipTests";
/// Builds and tests a worker in Java.
pub const JAVA_BUILD: &str = "mvn -q -B package";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    Python,
    Go,
    /// A remote step: a worker of its own, not a component.
    Java,
    Js,
    Ts,
}

/// What `saga new` writes for a language.
pub struct Kit {
    pub template: &'static [EmbeddedText],
    pub sdk: &'static [EmbeddedText],
    /// Where the SDK goes in the project.
    pub sdk_folder: &'static str,
    /// The file with the two functions.
    pub step_file: &'static str,
    /// A link in the project that leads to the SDK, where the language's tools look for packages.
    pub link: Option<&'static str>,
    /// What runs the step's tests and builds it, in order.
    pub commands: &'static [&'static str],
}

impl Language {
    /// Told by the file that the language's own tools ask for.
    pub fn of_project(dir: &Path) -> Option<Self> {
        let has = |name: &str| dir.join(name).is_file();
        if has("Cargo.toml") {
            Some(Language::Rust)
        } else if has("go.mod") {
            Some(Language::Go)
        } else if has("pyproject.toml") || has("step.py") {
            Some(Language::Python)
        } else if has("pom.xml") {
            Some(Language::Java)
        } else {
            let step = STEP_FILES.iter().find(|name| has(name))?;
            Some(if step.ends_with("ts") { Language::Ts } else { Language::Js })
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::Python => "Python",
            Language::Go => "Go",
            Language::Java => "Java",
            Language::Js => "JavaScript",
            Language::Ts => "TypeScript",
        }
    }

    pub fn kit(self) -> Kit {
        match self {
            Language::Rust => Kit {
                template: TEMPLATE,
                sdk: SDK,
                sdk_folder: "sdk/saga-step",
                step_file: "src/lib.rs",
                link: None,
                commands: &["cargo test", "saga build"],
            },
            Language::Go => Kit {
                template: GO_TEMPLATE,
                sdk: GO_SDK,
                sdk_folder: "sdk/saga",
                step_file: "step.go",
                link: None,
                commands: &["go test", "saga build"],
            },
            Language::Python => Kit {
                template: PYTHON_TEMPLATE,
                sdk: PYTHON_SDK,
                // Where `import saga_step` finds it, in tests as in the component.
                sdk_folder: "saga_step",
                step_file: "step.py",
                link: None,
                commands: &["python3 -m unittest", "saga build"],
            },
            Language::Java => Kit {
                template: JAVA_TEMPLATE,
                sdk: JAVA_SDK,
                sdk_folder: "sdk/saga-step",
                step_file: "src/main/java/{{folder}}/{{class}}.java",
                link: None,
                commands: &[JAVA_INSTALL, JAVA_BUILD],
            },
            Language::Js => of_javascript(JS_TEMPLATE, "step.js"),
            Language::Ts => of_javascript(TS_TEMPLATE, "step.ts"),
        }
    }
}

fn of_javascript(template: &'static [EmbeddedText], step_file: &'static str) -> Kit {
    Kit {
        template,
        sdk: JS_SDK,
        sdk_folder: "sdk/saga-step",
        step_file,
        link: Some("node_modules/saga-step"),
        commands: &["node --test", "saga build"],
    }
}
