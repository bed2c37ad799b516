//! A step in JavaScript or TypeScript: `saga` alone makes the component. The modules are read and run once by the
//! QuickJS that the binary carries, and what that then has in memory becomes the component. Neither Node nor npm is
//! needed.

mod absent;
mod cache;
mod exports;
mod modules;
mod package;
mod runtime;
mod seal;
mod types;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use host_runtime::freeze::{Frozen, Script, Unfrozen, freeze};

use super::Project;
use crate::exit::Stop;
use crate::terminal::note;
use modules::ProjectModules;

/// The file with the two functions, in the order in which they are looked for.
pub(crate) const STEP_FILES: [&str; 5] = ["step.ts", "step.mts", "step.js", "step.mjs", "src/step.ts"];

/// What is run first: it takes the two functions of the author's module and exports them as the contract has them.
/// The SDK comes before it, so that what it adds to the engine is there when the author's module is run.
const ENTRY: &str = r#"import { exported } from "saga-step/component";
import * as module from "./STEP";
export const step = exported(module);
"#;
const ENTRY_PATH: &str = "/saga:entry.js";
/// The runtime looks for its own table of types under this name; the contract has no streams, so it is empty.
const PRELUDE: &str = "globalThis.wit = {};\n";

pub(super) fn compile(project: &Project) -> anyhow::Result<Vec<u8>> {
    let step = step_file(&project.dir)?;
    note(format_args!("reading {} and what it imports", step.display()));
    let runtime = runtime::linked(&project.manifest()?.grants)?;
    let modules = Arc::new(ProjectModules::new(&project.dir)?);
    let entry = ENTRY.replace("STEP", &step.to_string_lossy());
    let script = Script { prelude: PRELUDE, text: &entry, path: ENTRY_PATH };
    let kept = cache::folder();
    if kept.as_deref().is_none_or(|folder| !folder.is_dir()) {
        note("compiling the JavaScript runtime (only the first time; it takes some seconds)");
    }
    let frozen = freeze(&runtime, kept.as_deref(), &script, modules).map_err(told)?;
    let Frozen { component, printed } = frozen;
    printed.lines().for_each(|line| note(format_args!("while it was loaded: {line}")));
    seal::without_loader(&component).context("taking the module loader out of the component")
}

fn step_file(dir: &Path) -> anyhow::Result<PathBuf> {
    let found = STEP_FILES.iter().find(|name| dir.join(name).is_file());
    found.map(PathBuf::from).ok_or_else(|| {
        let names = STEP_FILES.join(", ");
        Stop::usage(format!("{} has no file with the step; it is one of {names}", dir.display())).into()
    })
}

/// What went wrong, as the author's problem: its own words first, and what was printed on the way.
fn told(error: Unfrozen) -> anyhow::Error {
    let (what, printed) = match error {
        Unfrozen::Refused { message, printed } => (authors(&message), printed),
        Unfrozen::Trapped { cause, printed } => {
            let cure =
                "a module may not call the host, loop for ever or take more memory than a call has while it is loaded";
            (format!("{cause}; {cure}"), printed)
        }
        Unfrozen::Runtime(cause) => return anyhow::anyhow!("the JavaScript runtime cannot be started: {cause}"),
    };
    let printed = printed.trim_end();
    let printed = if printed.is_empty() { String::new() } else { format!("\nprinted before that:\n{printed}") };
    Stop::no(format!("the step cannot be loaded: {what}{printed}")).into()
}

/// What concerns the author of what the runtime says: not through which of its functions the words came, nor the
/// frames of the SDK. Paths begin at the project.
fn authors(message: &str) -> String {
    let mut lines = message.trim_end().lines();
    let mut first = lines.next().unwrap_or_default();
    while let Some((_, rest)) = first.split_once(": ").filter(|(stage, _)| stage.starts_with("Failed to ")) {
        first = rest;
    }
    first = first.strip_prefix("Error: ").unwrap_or(first);
    // Ours says the same, and why.
    if first.starts_with("Error resolving module ") || first.starts_with("Error loading module ") {
        first = first.split_once("': ").map_or(first, |(_, rest)| rest);
    }
    let first = first.replace("/saga:sdk/src/index.js", "saga-step").replace("'/", "'");
    let frames =
        lines.filter(|line| !line.contains("/saga:")).map(|line| line.replace("(/", "(").replace("at /", "at "));
    std::iter::once(first).chain(frames).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authors_words_are_told_without_those_of_the_runtime() {
        let said = "Failed to evaluate user JavaScript module: Failed to finish JavaScript module evaluation: Error: no: 1\n    \
                    at host (/saga:sdk/src/host.js:22:15)\n    at f (/lib/step.js:2:16)\n    at /step.js:1:2\n";
        assert_eq!(authors(said), "no: 1\n    at f (lib/step.js:2:16)\n    at step.js:1:2");
        let said =
            "Failed to declare: Error: Error resolving module './x' from '/a.js': a.js imports \"./x\": there is none";
        assert_eq!(authors(said), "a.js imports \"./x\": there is none");
        assert_eq!(
            authors("Could not find export 'a' in module '/lib/b.js'"),
            "Could not find export 'a' in module 'lib/b.js'"
        );
    }
}
