//! The languages that steps are written in: how a command line names them, and how a project folder shows its own.

use std::path::Path;

use clap::ValueEnum;

use crate::embedded::{EmbeddedText, GO_SDK, GO_TEMPLATE, PYTHON_SDK, PYTHON_TEMPLATE, SDK, TEMPLATE};
use crate::exit::Stop;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    Python,
    Go,
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
    /// What runs the step's tests.
    pub test_command: &'static str,
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
        } else {
            None
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::Python => "Python",
            Language::Go => "Go",
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
                test_command: "cargo test",
            }),
            Language::Go => Ok(Kit {
                template: GO_TEMPLATE,
                sdk: GO_SDK,
                sdk_folder: "sdk/saga",
                step_file: "step.go",
                test_command: "go test",
            }),
            Language::Python => Ok(Kit {
                template: PYTHON_TEMPLATE,
                sdk: PYTHON_SDK,
                // Where `import saga_step` finds it, in tests as in the component.
                sdk_folder: "saga_step",
                step_file: "step.py",
                test_command: "python3 -m unittest",
            }),
            Language::Js => Err(self.comes_later()),
        }
    }

    pub fn comes_later(self) -> Stop {
        let name = self.name();
        Stop::usage(format!(
            "steps in {name} come with a later version of saga; this one knows --lang rust, go and python"
        ))
    }
}
