//! `saga dev`: the host of `saga run` with readable logs, every transition on the screen, and steps that are built when
//! their sources are saved.

mod sources;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use host_core::id::StepAddress;

use super::run::{Journal, RunOptions, load, serve};
use crate::config::{LogFormat, LogLevel};
use crate::exit::{Exit, Stop};
use crate::terminal::{Terminal, Tone, note, span};
use sources::State;

/// Between two looks at the sources: shorter than a person waits after saving.
const LOOK_PAUSE: Duration = Duration::from_millis(250);

/// Between two looks for projects that came or went.
const SEARCH_PAUSE: Duration = Duration::from_secs(2);

/// A look at whether a build has ended.
const BUILD_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  saga dev                                 the host, and every step's project below this folder
  saga dev --steps ../steps                projects that lie elsewhere
  saga dev --steps payment --steps stock   these two

A project is a folder as `saga new` writes it, in any language. It is built when the host starts, if its component in
the plugins folder is older than its sources, and whenever one of them is saved; the host then serves it at once. What
does not compile is shown as the language's own tool says it, and the version before it serves on.")]
pub struct DevOptions {
    #[command(flatten)]
    pub run: RunOptions,

    /// A step's project, or a folder with such; this folder and ./steps if it is left out.
    #[arg(long, value_name = "DIR")]
    pub steps: Vec<PathBuf>,
}

pub fn run(options: &DevOptions) -> anyhow::Result<Exit> {
    if let Some(dir) = options.steps.iter().find(|dir| !dir.is_dir()) {
        let message = format!("{} is no folder; --steps names a step's project or a folder with such", dir.display());
        return Err(Stop::usage(message).into());
    }
    let mut loaded = load(&options.run)?;
    loaded.config.log.format = LogFormat::Text;
    loaded.config.log.level = LogLevel::Debug;
    let places = match options.steps.is_empty() {
        true => vec![PathBuf::from("."), PathBuf::from("steps")],
        false => options.steps.clone(),
    };
    let stop = Arc::new(AtomicBool::new(false));
    let builder = Builder { places, plugins_dir: loaded.config.plugins_dir.clone(), stop: stop.clone() };
    let builds = thread::Builder::new().name("saga-dev".to_owned()).spawn(move || builder.run());
    let builds = builds.context("starting the thread that builds steps")?;
    let ended = serve(loaded, Journal::OnTheScreen);
    stop.store(true, Ordering::Release);
    // A panic in there was told by its own hook.
    let _ = builds.join();
    ended
}

/// Builds what was saved, one project after the other.
struct Builder {
    places: Vec<PathBuf>,
    plugins_dir: PathBuf,
    stop: Arc<AtomicBool>,
}

/// A project under watch.
struct Watched {
    dir: PathBuf,
    address: StepAddress,
    /// As they were at the last look.
    seen: Option<State>,
    /// What the last build began from, however it ended.
    built: Option<State>,
}

impl Builder {
    fn run(&self) {
        let mut watched: Vec<Watched> = Vec::new();
        let mut searched_at: Option<Instant> = None;
        while !self.is_stopped() {
            if searched_at.is_none_or(|at| at.elapsed() >= SEARCH_PAUSE) {
                self.search(&mut watched, searched_at.is_none());
                searched_at = Some(Instant::now());
            }
            for project in &mut watched {
                self.look(project);
            }
            thread::sleep(LOOK_PAUSE);
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Take up projects that came, forget those that went.
    fn search(&self, watched: &mut Vec<Watched>, is_first: bool) {
        let found = sources::projects(&self.places);
        watched.retain(|project| found.iter().any(|(dir, _)| *dir == project.dir));
        for (dir, address) in found {
            if watched.iter().any(|project| project.dir == dir) {
                continue;
            }
            note(format_args!("watching {} ({address})", dir.display()));
            let built = sources::state(&dir).filter(|state| state.is_older_than(&self.component(&address)));
            watched.push(Watched { dir, address, seen: built, built });
        }
        if is_first && watched.is_empty() {
            note("no step's project is here; `saga new` writes one, --steps names those that lie elsewhere");
        }
    }

    fn component(&self, address: &StepAddress) -> PathBuf {
        self.plugins_dir.join(format!("{address}.wasm"))
    }

    /// Build a project that has changed since, and is no longer being written to.
    fn look(&self, project: &mut Watched) {
        let Some(now) = sources::state(&project.dir) else { return };
        let is_settled = project.seen.replace(now) == Some(now);
        if !is_settled || project.built == Some(now) || self.is_stopped() {
            return;
        }
        project.built = Some(now);
        self.build(project);
    }

    fn build(&self, project: &Watched) {
        let (address, began) = (&project.address, Instant::now());
        note(format_args!("building {address}"));
        let (tone, told) = match self.built(&project.dir) {
            Ok(true) => (Tone::Good, format!("built {address} in {}", span(began.elapsed()))),
            Ok(false) if self.is_stopped() => return,
            Ok(false) => (Tone::Bad, format!("{address} is not built, see above; what served before serves on")),
            Err(error) => (Tone::Bad, format!("{address} cannot be built: {error:#}")),
        };
        note(Terminal::detect().paint(tone, told));
    }

    /// By a process of its own, whose words go to this terminal: what a compiler shows in colour stays so.
    fn built(&self, dir: &Path) -> anyhow::Result<bool> {
        let program = std::env::current_exe().context("looking for this program")?;
        let mut command = Command::new(program);
        command.arg("build").arg(dir).arg("--out").arg(&self.plugins_dir);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("starting the build")?;
        loop {
            if let Some(status) = child.try_wait().context("waiting for the build")? {
                return Ok(status.success());
            }
            if self.is_stopped() {
                child.kill().context("ending the build")?;
                child.wait().context("waiting for the build")?;
                return Ok(false);
            }
            thread::sleep(BUILD_PAUSE);
        }
    }
}
