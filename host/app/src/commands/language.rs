//! The languages that steps are written in: how a command line names them, and how a project folder shows its own.

use std::path::Path;

use clap::ValueEnum;

use crate::embedded::{
    EmbeddedText, GO_SDK, GO_TEMPLATE, JAVA_SDK, JAVA_TEMPLATE, PYTHON_SDK, PYTHON_TEMPLATE, SDK, TEMPLATE,
};
use crate::exit::Stop;

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
}

/// What `saga new` writes for a language.
pub struct Kit {
    pub template: &'static [EmbeddedText],
    pub sdk: &'static [EmbeddedText],
    /// Where the SDK goes in the project.
    pub sdk_folder: &'static str,
    /// The file with the two functions.
    pub step_file: &'static str,
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
            None
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::Python => "Python",
            Language::Go => "Go",
            Language::Java => "Java",
            Language::Js => "JavaScript",
        }
    }

    pub fn kit(self) -> Result<Kit, Stop> {
        match self {
            Language::Rust => Ok(Kit {
                template: TEMPLATE,
                sdk: SDK,
                sdk_folder: "sdk/saga-step",
                step_file: "src/lib.rs",
                commands: &["cargo test", "saga build"],
            }),
            Language::Go => Ok(Kit {
                template: GO_TEMPLATE,
                sdk: GO_SDK,
                sdk_folder: "sdk/saga",
                step_file: "step.go",
                commands: &["go test", "saga build"],
            }),
            Language::Python => Ok(Kit {
                template: PYTHON_TEMPLATE,
                sdk: PYTHON_SDK,
                // Where `import saga_step` finds it, in tests as in the component.
                sdk_folder: "saga_step",
                step_file: "step.py",
                commands: &["python3 -m unittest", "saga build"],
            }),
            Language::Java => Ok(Kit {
                template: JAVA_TEMPLATE,
                sdk: JAVA_SDK,
                sdk_folder: "sdk/saga-step",
                step_file: "src/main/java/{{folder}}/{{class}}.java",
                commands: &[JAVA_INSTALL, JAVA_BUILD],
            }),
            Language::Js => Err(self.comes_later()),
        }
    }

    pub fn comes_later(self) -> Stop {
        let name = self.name();
        Stop::usage(format!(
            "steps in {name} come with a later version of saga; this one knows --lang rust, go, python and java"
        ))
    }
}
