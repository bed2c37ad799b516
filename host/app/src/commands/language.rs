//! The languages that steps are written in: how a command line names them, and how a project folder shows its own.

use std::path::Path;

use clap::ValueEnum;

use super::build::js::STEP_FILES;
use crate::embedded::{
    EmbeddedText, GO_SDK, GO_TEMPLATE, JS_SDK, JS_TEMPLATE, PYTHON_SDK, PYTHON_TEMPLATE, SDK, TEMPLATE, TS_TEMPLATE,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    Python,
    Go,
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
            let step = STEP_FILES.iter().find(|name| has(name))?;
            Some(if step.ends_with("ts") { Language::Ts } else { Language::Js })
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::Python => "Python",
            Language::Go => "Go",
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
                test_command: "cargo test",
            },
            Language::Go => Kit {
                template: GO_TEMPLATE,
                sdk: GO_SDK,
                sdk_folder: "sdk/saga",
                step_file: "step.go",
                link: None,
                test_command: "go test",
            },
            Language::Python => Kit {
                template: PYTHON_TEMPLATE,
                sdk: PYTHON_SDK,
                // Where `import saga_step` finds it, in tests as in the component.
                sdk_folder: "saga_step",
                step_file: "step.py",
                link: None,
                test_command: "python3 -m unittest",
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
        test_command: "node --test",
    }
}
