//! How many files the process may have open, and how many connections fit into that. Systems give a process 1,024 to
//! begin with and let it take more by itself; the host does, so that nobody needs to know.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What the database, the plugins, the log and the folders' watchers need beside the connections.
const OTHERS: u64 = 512;

/// Make room for so many connections, and answer how many there is room for.
pub fn room_for(connections: usize) -> usize {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let allowed = match raise(needed) {
        Ok(allowed) => allowed,
        Err(error) => {
            tracing::warn!(%error, "how many files this process may open is not known; limits.connections is kept");
            return connections;
        }
    };
    let held = held(connections, allowed);
    if held < connections {
        tracing::warn!(
            "limits.connections is {connections}, but this process may open only {allowed} files, so that the host \
             holds {held} connections; raise the hard limit to {needed} (LimitNOFILE= of systemd, ulimit -Hn), or \
             lower limits.connections"
        );
    }
    held
}

/// Raise the soft limit as far as needed and the hard limit lets us, and answer what it is now.
fn raise(needed: u64) -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= needed {
        return Ok(soft);
    }
    let wanted = needed.min(hard);
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    tracing::debug!(before = soft, now = wanted, "more files may be open now");
    Ok(wanted)
}

/// Connections that fit beside everything else; half of what is allowed where that is very little.
fn held(connections: usize, allowed: u64) -> usize {
    let free = allowed.saturating_sub(OTHERS).max(allowed / 2).max(1);
    connections.min(usize::try_from(free).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_everything_else() {
        assert_eq!(held(512, 1024), 512);
        assert_eq!(held(10_000, 10_512), 10_000);
        assert_eq!(held(10_000, 4096), 3584);
        assert_eq!(held(512, 256), 128);
        assert_eq!(held(512, 0), 1);
    }
}
