//! Which file an import means, and its text: relative ones, packages of `node_modules` that are ES modules, and the
//! SDK, which the binary carries for a project that has none of its own. The same rules as Node's, without what would
//! need Node. Paths that the runtime sees begin at the project's folder, so that they are short in a stack trace.

use std::path::{Component, Path, PathBuf};

use host_runtime::freeze::Modules;

use super::package::{self, Package};
use super::{absent, types};
use crate::embedded::{EmbeddedText, JS_SDK};

const SDK_NAME: &str = "saga-step";
/// Where `saga new` puts the SDK in a project.
const SDK_IN_PROJECT: &str = "sdk/saga-step";
/// Before the path of a file of the SDK that comes from the binary.
const CARRIED: &str = "/saga:sdk/";
/// Tried behind a name that is no file: what TypeScript's own rules and bundlers allow.
const ENDINGS: [&str; 6] = [".ts", ".js", ".mts", ".mjs", "/index.ts", "/index.js"];

pub(super) struct ProjectModules {
    root: PathBuf,
}

impl ProjectModules {
    pub(super) fn new(dir: &Path) -> std::io::Result<Self> {
        Ok(Self { root: dir.canonicalize()? })
    }

    /// As the runtime sees it: below the project's folder if it is there, else the whole path.
    fn shown(&self, file: &Path) -> String {
        let inside = file.strip_prefix(&self.root).map(|inside| Path::new("/").join(inside));
        inside.unwrap_or_else(|_| Path::new("//").join(file.strip_prefix("/").unwrap_or(file))).display().to_string()
    }

    fn file(&self, shown: &str) -> PathBuf {
        match shown.strip_prefix("//") {
            Some(outside) => Path::new("/").join(outside),
            None => self.root.join(shown.trim_start_matches('/')),
        }
    }

    fn in_files(&self, importer: &str, specifier: &str) -> Result<PathBuf, String> {
        let importer = self.file(importer);
        let folder = importer.parent().unwrap_or(&self.root);
        if specifier.starts_with("./") || specifier.starts_with("../") || specifier.starts_with('/') {
            let wanted = if specifier.starts_with('/') { self.file(specifier) } else { folder.join(specifier) };
            return existing(&plain(&wanted)).ok_or_else(|| format!("there is no file {specifier} beside it"));
        }
        if specifier.starts_with('#') {
            let package = Package::around(&importer)?.ok_or("there is no package.json that could name it")?;
            let target = package.import(specifier).ok_or("the package.json around it has no such `imports`")?;
            return if target.starts_with("./") {
                existing(&plain(&package.folder.join(&target))).ok_or_else(|| format!("{target} is not there"))
            } else {
                self.in_packages(folder, &target)
            };
        }
        self.in_packages(folder, specifier)
    }

    fn in_packages(&self, folder: &Path, specifier: &str) -> Result<PathBuf, String> {
        let (name, inside) = package::split(specifier);
        // A package may import itself by its name.
        let itself = Package::around(&folder.join("x"))?.filter(|package| package.is_named(name));
        let mut found = itself;
        for above in folder.ancestors() {
            if found.is_some() {
                break;
            }
            found = Package::of_folder(&above.join("node_modules").join(name))?;
        }
        if found.is_none() && name == SDK_NAME {
            found = Package::of_folder(&self.root.join(SDK_IN_PROJECT))?;
        }
        let package = found.ok_or_else(|| missing(specifier))?;
        let file = package.export(&inside).ok_or_else(|| {
            format!(
                "the package {name} exports no {inside} for `import`; packages for `require` cannot be used in a step"
            )
        })?;
        existing(&plain(&file))
            .ok_or_else(|| format!("the package {name} names {}, which is not there", file.display()))
    }
}

fn missing(specifier: &str) -> String {
    let builtin =
        ["fs", "path", "crypto", "http", "https", "net", "os", "process", "buffer", "util", "stream", "events"];
    if specifier.starts_with("node:") || builtin.contains(&specifier) {
        return "it is a part of Node, and a step runs without Node; see the SDK's README for what there is instead"
            .into();
    }
    "there is no such package in a node_modules folder; install it, or name a file with ./".into()
}

impl Modules for ProjectModules {
    fn resolve(&self, importer: &str, specifier: &str) -> Result<String, String> {
        if let Some(path) = absent::path(specifier) {
            return Ok(path);
        }
        let found = match importer.strip_prefix(CARRIED) {
            Some(inside) => carried_import(inside, specifier),
            None => match self.in_files(importer, specifier) {
                Ok(file) => Ok(self.shown(&file.canonicalize().unwrap_or(file))),
                // A project without an SDK of its own is built against the one that is carried.
                Err(_) if specifier == SDK_NAME || specifier.starts_with("saga-step/") => {
                    carried_export(&package::split(specifier).1)
                }
                Err(reason) => Err(reason),
            },
        };
        let importer = importer.trim_start_matches('/');
        found.map_err(|reason| format!("{importer} imports \"{specifier}\": {reason}"))
    }

    fn load(&self, path: &str) -> Result<String, String> {
        if let Some(text) = absent::module(path) {
            return Ok(text);
        }
        if let Some(inside) = path.strip_prefix(CARRIED) {
            return carried(inside).map(|file| file.text.to_owned()).ok_or_else(|| format!("the SDK has no {inside}"));
        }
        let file = self.file(path);
        let text =
            std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", path.trim_start_matches('/')))?;
        match file.extension().and_then(|ending| ending.to_str()) {
            Some("ts" | "mts") => types::without(path.trim_start_matches('/'), &text),
            Some("json") => Ok(format!("export default {text};")),
            Some("cjs") => Err(common(path)),
            _ if is_common(&file, &text) => Err(common(path)),
            _ => Ok(text),
        }
    }
}

fn common(path: &str) -> String {
    let path = path.trim_start_matches('/');
    format!("{path} is a CommonJS module (it uses `require` or `module.exports`); a step imports ES modules only")
}

/// A module of the older kind, in a package that does not say that it has the newer one.
fn is_common(file: &Path, text: &str) -> bool {
    let is_older = |word: &str| text.contains(word);
    let has_newer = text.lines().any(|line| line.starts_with("export ") || line.starts_with("import "));
    !has_newer
        && (is_older("module.exports") || is_older("exports."))
        && !Package::around(file).ok().flatten().is_some_and(|package| package.has_modules())
}

/// The file, or the one that the name means without its ending, or the source of the `.js` that is asked for.
fn existing(wanted: &Path) -> Option<PathBuf> {
    if wanted.is_file() {
        return Some(wanted.to_owned());
    }
    let source = |from: &str, to: &str| {
        let is_it = wanted.extension().is_some_and(|ending| ending == from);
        is_it.then(|| wanted.with_extension(to)).filter(|file| file.is_file())
    };
    source("js", "ts").or_else(|| source("mjs", "mts")).or_else(|| {
        let text = wanted.to_str()?;
        ENDINGS.iter().map(|ending| PathBuf::from(format!("{text}{ending}"))).find(|file| file.is_file())
    })
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

fn carried(inside: &str) -> Option<&'static EmbeddedText> {
    JS_SDK.iter().find(|file| file.path == inside)
}

fn carried_description() -> serde_json::Value {
    let file = carried("package.json").expect("the SDK has a package.json");
    serde_json::from_str(file.text).expect("the SDK's package.json was written by this project")
}

fn carried_export(inside: &str) -> Result<String, String> {
    let file = super::exports::target(&carried_description()["exports"], inside);
    file.map(|file| format!("{CARRIED}{}", file.trim_start_matches("./")))
        .ok_or_else(|| "the SDK has no such part".into())
}

fn carried_import(inside: &str, specifier: &str) -> Result<String, String> {
    if specifier.starts_with('#') {
        let file = super::exports::target(&carried_description()["imports"], specifier);
        return file
            .map(|file| format!("{CARRIED}{}", file.trim_start_matches("./")))
            .ok_or_else(|| missing(specifier));
    }
    let folder = Path::new(inside).parent().unwrap_or(Path::new(""));
    let file = plain(&folder.join(specifier)).to_string_lossy().into_owned();
    carried(&file).map(|file| format!("{CARRIED}{}", file.path)).ok_or_else(|| format!("the SDK has no {file}"))
}
