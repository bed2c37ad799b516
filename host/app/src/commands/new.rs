//! `saga new`: begin a project for one step.

mod names;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use host_core::id::StepAddress;

use self::names::Names;
use super::language::{Kit, Language};
use crate::embedded::EmbeddedText;
use crate::exit::{Exit, Stop};
use crate::terminal::say;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga new shop.billing.payment                   writes ./shop-billing-payment
  saga new shop.billing.payment --lang go
  saga new shop.billing.payment --lang python
  saga new shop.billing.payment --lang ts
  saga new shop.billing.payment --lang java       a remote step: a worker that Maven builds
  saga new shop.billing.payment --dir payment

Then change the file with the two functions, run its tests with `cargo test`, `go test`, `python3 -m unittest` or
`node --test`, and compile it with `saga build`. What to do with a worker in Java stands in its README.md.")]
pub struct Options {
    /// Address of the step: domain.subdomain.service.
    pub address: StepAddress,

    /// Language of the step.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub lang: Language,

    /// Folder of the project; made of the address if it is left out.
    #[arg(long)]
    pub dir: Option<PathBuf>,
}

pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let kit = options.lang.kit();
    let names = Names::of(&options.address);
    let dir = options.dir.clone().unwrap_or_else(|| PathBuf::from(&names.package));
    write_project(&dir, &kit, &names)?;
    say(format_args!(
        "wrote {dir}\n  the step            {}: `handle` and `compensate`\n  what it may do      {}.toml\n\n\
         next:  cd {dir}  ·  {}",
        names.fill(kit.step_file),
        options.address,
        kit.commands.join("  ·  "),
        dir = dir.display()
    ))?;
    Ok(Exit::Success)
}

/// All of it or nothing that was there before: an existing folder with files in it is left alone.
fn write_project(dir: &Path, kit: &Kit, names: &Names) -> anyhow::Result<()> {
    let is_taken = std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) || dir.is_file();
    if is_taken {
        let message = format!("{} exists and is not empty; name another folder with --dir", dir.display());
        return Err(Stop::usage(message).into());
    }
    for file in kit.template {
        let path = names.fill(file.path);
        write(&dir.join(path.strip_suffix(".in").unwrap_or(&path)), &names.fill(file.text))?;
    }
    for EmbeddedText { path, text } in kit.sdk {
        write(&dir.join(kit.sdk_folder).join(path), text)?;
    }
    kit.link.map_or(Ok(()), |link| lead_to_sdk(dir, link, kit.sdk_folder))
}

/// What `npm install` would make of the dependency on a folder; only links are made by it, too. Where the system gives
/// none, the build finds the SDK all the same, and `npm install` makes it for the tests.
fn lead_to_sdk(dir: &Path, link: &str, sdk_folder: &str) -> anyhow::Result<()> {
    let path = dir.join(link);
    let folder = path.parent().context("a link stands in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    #[cfg(unix)]
    std::os::unix::fs::symlink(Path::new("..").join(sdk_folder), &path)
        .with_context(|| format!("linking {}", path.display()))?;
    #[cfg(not(unix))]
    let _ = sdk_folder;
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().context("a file of the template stands in a folder")?;
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> StepAddress {
        StepAddress::try_new("shop.billing.payment").expect("an address")
    }

    #[test]
    fn a_project_has_the_step_its_manifest_and_the_sdk_and_no_placeholder_is_left() {
        let rust = ["Cargo.toml", "src/lib.rs", "sdk/saga-step/Cargo.toml", "sdk/saga-step/wit/saga-step.wit"];
        let go = ["go.mod", "step.go", "step_test.go", "sdk/saga/go.mod", "sdk/saga/wit/saga-step.wit"];
        let python = ["pyproject.toml", "step.py", "test_step.py", "saga_step/__init__.py", "saga_step/py.typed"];
        let js = [
            "package.json",
            "step.js",
            "step.test.js",
            "sdk/saga-step/src/index.js",
            "node_modules/saga-step/package.json",
        ];
        let ts = ["package.json", "step.ts", "step.test.ts", "tsconfig.json", "sdk/saga-step/src/index.d.ts"];
        let java = [
            "pom.xml",
            "src/main/java/shop/billing/PaymentStep.java",
            "src/test/java/shop/billing/PaymentStepTest.java",
            "sdk/saga-step/pom.xml",
            "sdk/saga-step/src/main/java/step/saga/Step.java",
        ];
        let of_language = [
            (Language::Rust, &rust[..]),
            (Language::Go, &go[..]),
            (Language::Python, &python[..]),
            (Language::Js, &js[..]),
            (Language::Ts, &ts[..]),
            (Language::Java, &java[..]),
        ];
        for (language, files) in of_language {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let dir = folder.path().join("payment");
            write_project(&dir, &language.kit(), &Names::of(&address())).expect("an empty place");
            for path in files.iter().chain(&["README.md", "shop.billing.payment.toml"]) {
                let text = std::fs::read_to_string(dir.join(path)).expect(path);
                let is_of_sdk =
                    path.starts_with("sdk/") || path.contains("saga-step") || path.starts_with("saga_step/");
                assert!(is_of_sdk || !text.contains("{{"), "{path}");
            }
            let manifest = std::fs::read_to_string(dir.join("shop.billing.payment.toml")).expect("a manifest");
            host_core::manifest::parse(address(), "manifest", &manifest).expect("the template's manifest is right");
            assert_eq!(Language::of_project(&dir), Some(language));
        }
    }

    #[test]
    fn a_folder_with_files_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("mine"), "x").expect("writing");
        let error = write_project(folder.path(), &Language::Rust.kit(), &Names::of(&address()));
        let error = error.expect_err("the folder is taken");
        assert_eq!(crate::exit::of_error(&error), Exit::Usage);
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
