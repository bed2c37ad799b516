//! A file that holds a token for OAUTHBEARER, and the clients that log in with it. Who writes the file renews the token
//! (a service mesh, a sidecar, an orchestrator); a thread sees that and gives the new one to every client that lives.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};
use std::{fmt, fs, io, thread};

use host_core::time::Timestamp;
use io::Read as _;
use parking_lot::Mutex;

use super::give::Bearer;
use super::token::Token;

/// Pause between two looks into the file: far below the minutes that tokens are renewed before their end.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// A token is a header of a connection; brokers take none that is larger.
const BYTES_MAX: u64 = 64 << 10;

/// So long before its end a token that was not renewed is complained of.
const RENEWED_BEFORE: Duration = Duration::from_secs(30);

/// The file. A cheap handle; clones are the same file with the same clients.
#[derive(Clone)]
pub struct TokenFile {
    keeper: Arc<Keeper>,
}

struct Keeper {
    path: PathBuf,
    /// Guards that a client that comes while the token changes gets the new one.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    bearers: Vec<Weak<dyn Bearer>>,
    /// What was last complained of, so that it is told once.
    complaint: Option<Complaint>,
    is_watched: bool,
    is_stopped: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Complaint {
    EndsSoon,
    IsOver,
}

impl TokenFile {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { keeper: Arc::new(Keeper { path: path.into(), state: Mutex::default() }) }
    }

    pub fn path(&self) -> &Path {
        &self.keeper.path
    }

    /// The host stops: when this returns nobody but their owners holds a client, so that each ends where it is dropped
    /// and none is still at it when the process ends.
    pub(super) fn stop(&self) {
        let mut state = self.keeper.state.lock();
        state.is_stopped = true;
        state.bearers.clear();
    }

    /// Give this client the token, now and whenever there is a new one.
    pub(super) fn serve(&self, bearer: &Arc<dyn Bearer>) -> Result<(), String> {
        let mut state = self.keeper.state.lock();
        match self.keeper.read() {
            Ok(token) => state.token = Some(token),
            // The file is being written, and there is one at hand that is good.
            Err(_) if state.token.as_ref().is_some_and(|token| token.expires_at() > now()) => {}
            Err(cause) => return Err(cause),
        }
        if let Some(token) = &state.token {
            bearer.take(token)?;
        }
        state.bearers.retain(|bearer| bearer.strong_count() > 0);
        state.bearers.push(Arc::downgrade(bearer));
        if !state.is_watched {
            let keeper = Arc::downgrade(&self.keeper);
            let watch = thread::Builder::new().name("saga-token".to_owned()).spawn(move || watch(&keeper));
            watch.map_err(|error| format!("the thread that renews the token cannot be started: {error}"))?;
            state.is_watched = true;
        }
        Ok(())
    }
}

/// Until the host stops, or the last handle is gone.
fn watch(keeper: &Weak<Keeper>) {
    while let Some(keeper) = keeper.upgrade() {
        if keeper.state.lock().is_stopped {
            return;
        }
        keeper.look();
        drop(keeper);
        thread::sleep(LOOK_PAUSE);
    }
}

impl Keeper {
    /// Give on what is new. Clients are held under the lock only.
    fn look(&self) {
        let mut state = self.state.lock();
        let read = self.read();
        if let Ok(token) = &read
            && state.token.as_ref() != Some(token)
        {
            for bearer in state.bearers.iter().filter_map(Weak::upgrade) {
                if let Err(cause) = bearer.take(token) {
                    tracing::warn!(cause, "a Kafka client did not take the new token");
                }
            }
            tracing::debug!(expires_at = %token.expires_at(), clients = state.bearers.len(), "a new token is used");
            state.token = Some(token.clone());
            state.complaint = None;
            return;
        }
        let (complaint, cause) = match (&state.token, read) {
            (Some(token), _) if token.expires_at() > now().plus(RENEWED_BEFORE) => (None, String::new()),
            (Some(token), _) if token.expires_at() > now() => (Some(Complaint::EndsSoon), self.ends_soon(token)),
            (_, Err(cause)) => (Some(Complaint::IsOver), cause),
            // It expired between the two looks at the clock.
            (_, Ok(_)) => return,
        };
        if complaint.is_some() && complaint != state.complaint {
            tracing::warn!(cause, "the cluster refuses this host when its token is over");
        }
        state.complaint = complaint;
    }

    fn ends_soon(&self, token: &Token) -> String {
        let (path, end) = (self.path.display(), token.expires_at());
        format!("the token in {path} (broker.oauth-token-file) expires at {end} and there is no newer one")
    }

    fn read(&self) -> Result<Token, String> {
        let path = self.path.display();
        let mut text = String::new();
        let read = fs::File::open(&self.path).and_then(|file| file.take(BYTES_MAX).read_to_string(&mut text));
        read.map_err(|error| format!("the file {path} that broker.oauth-token-file names cannot be read: {error}"))?;
        let parsed = Token::parse(&text, now());
        parsed.map_err(|wrong| {
            format!("the token in {path} (broker.oauth-token-file) {wrong}; whoever writes the file must renew it")
        })
    }
}

fn now() -> Timestamp {
    Timestamp::from_system_time(SystemTime::now())
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().fmt(f)
    }
}

impl PartialEq for TokenFile {
    fn eq(&self, other: &Self) -> bool {
        self.path() == other.path()
    }
}

impl Eq for TokenFile {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl Bearer for Seen {
        fn take(&self, token: &Token) -> Result<(), String> {
            self.0.lock().push(token.subject().to_owned());
            Ok(())
        }
    }

    /// A token of this subject (three letters) that expires in the year 2100.
    fn token(subject: &str) -> &'static str {
        match subject {
            // {"sub":"one","exp":4102444800}
            "one" => "e30.eyJzdWIiOiJvbmUiLCJleHAiOjQxMDI0NDQ4MDB9.",
            // {"sub":"two","exp":4102444800}
            _ => "e30.eyJzdWIiOiJ0d28iLCJleHAiOjQxMDI0NDQ4MDB9.",
        }
    }

    #[test]
    fn every_living_client_gets_what_is_new_and_no_file_takes_a_token_away() {
        let path = std::env::temp_dir().join(format!("saga-token-{}", std::process::id()));
        let file = TokenFile::new(&path);
        let (first, second) = (Arc::new(Seen::default()), Arc::new(Seen::default()));
        let bearer = |seen: &Arc<Seen>| -> Arc<dyn Bearer> { seen.clone() };
        let told = file.serve(&bearer(&first)).expect_err("there is no file");
        assert!(told.contains("broker.oauth-token-file") && told.contains("cannot be read"), "{told}");
        fs::write(&path, token("one")).expect("a temporary file can be written");
        file.serve(&bearer(&first)).expect("there is a token");
        fs::write(&path, "").expect("it is ours");
        file.serve(&bearer(&second)).expect("there is one at hand");
        fs::write(&path, token("two")).expect("it is ours");
        file.keeper.look();
        drop(second);
        file.keeper.look();
        assert_eq!(*first.0.lock(), ["one", "two"]);
        fs::remove_file(&path).expect("it is ours");
        file.keeper.look();
        let third = Arc::new(Seen::default());
        file.serve(&bearer(&third)).expect("there is one at hand");
        assert_eq!(*third.0.lock(), ["two"]);
        file.stop();
        fs::write(&path, token("one")).expect("a temporary file can be written");
        file.keeper.look();
        assert_eq!(*third.0.lock(), ["two"], "a host that stops gives nothing any more");
        fs::remove_file(&path).expect("it is ours");
    }
}
