//! Gives up what a damaged log has lost, because a person asked for it: cuts the log at the damage, so that what is
//! left is a state that the host was in. The folder as it was is kept beside. It refuses where the tables already hold
//! rows of what would be cut: then the rest is no state that ever was.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fjall::AbstractTree as _;

use super::survey::{Broken, survey};
use super::{FjallTables, durable, lock, log, refused};
use crate::Error;
use crate::error::Damage;

/// What was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub damage: Damage,
    /// The folder as it was.
    pub kept: PathBuf,
}

/// Cut a damaged log at the damage. None if nothing is damaged: then nothing is changed.
pub fn accept_loss(folder: &Path) -> Result<Option<Loss>, Error> {
    let failed = |error: io::Error| refused(folder, error.into());
    let broken = {
        let _lock = lock(folder)?;
        let bound = durable::read(folder).map_err(failed)?;
        survey(folder, bound).map_err(failed)?.err()
    };
    let (damage, cut) = match broken {
        Some(Broken { damage, seqno }) => (damage.clone(), Some((damage, seqno))),
        // The log may be whole and the tables behind what was acknowledged: only opening tells.
        None => match FjallTables::open(folder) {
            Ok(_) => return Ok(None),
            Err(Error::Damaged(damage)) => (damage, None),
            Err(error) => return Err(error),
        },
    };
    let kept = beside(folder);
    copy(folder, &kept).map_err(failed)?;
    let given_up = give_up(folder, cut.as_ref());
    if given_up.is_err() {
        // As it was: the copy takes its place again.
        fs::remove_dir_all(folder).and_then(|()| fs::rename(&kept, folder)).map_err(failed)?;
    }
    given_up.map(|()| Some(Loss { damage, kept }))
}

fn give_up(folder: &Path, cut: Option<&(Damage, u64)>) -> Result<(), Error> {
    let failed = |error: io::Error| refused(folder, error.into());
    fs::remove_file(folder.join(durable::FILE)).or_else(absent).map_err(failed)?;
    let Some((damage, seqno)) = cut else { return FjallTables::open(folder).map(drop) };
    cut_log(folder, damage).map_err(failed)?;
    let tables = FjallTables::open(folder)?;
    let keyspaces = tables.keyspaces.iter().chain([&tables.marks]);
    let ahead = keyspaces.filter(|keyspace| keyspace.tree.get_highest_persisted_seqno() > Some(*seqno));
    let names: Vec<_> = ahead.map(|keyspace| keyspace.name().to_string()).collect();
    if names.is_empty() {
        return Ok(());
    }
    Err(Error::Open {
        folder: folder.to_owned(),
        cause: format!(
            "{damage}; what would be left is no state that ever was, since newer rows are in {}",
            names.join(", ")
        ),
        cure: "only a copy of the folder helps, nothing was changed",
    })
}

/// Cut the damaged log, and remove those behind it.
fn cut_log(folder: &Path, damage: &Damage) -> io::Result<()> {
    let mut behind = log::files(folder)?.into_iter().skip_while(|file| *file != damage.file).skip(1);
    behind.try_for_each(fs::remove_file)?;
    let file = fs::File::options().write(true).open(&damage.file)?;
    file.set_len(damage.at)?;
    file.sync_all()
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// A name for the copy that no earlier one has.
fn beside(folder: &Path) -> PathBuf {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!("{name}-before-loss-{}", since.as_millis()))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
