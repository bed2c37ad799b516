//! What a call knows about the message it was made for. Plain data; filled by the host or by a test.

use serde::de::DeserializeOwned;

/// What the host knows about this delivery.
///
/// **The same message may be delivered more than once.** Every field but `attempt` and `signalled` is then the same.
/// The host applies a call's *results* (body, key-value writes, events, signals) exactly once; an effect outside the
/// host is repeated when the call is, so hand [`idempotency_key`](Self::idempotency_key) to every outside system you
/// write to, and derive ids from it rather than from time or chance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// Identity of the saga.
    pub global_id: String,
    /// Name of the use case that started it; none for a saga that a foreign producer started.
    pub use_case: Option<String>,
    /// Version of that use case.
    pub use_case_version: Option<u32>,
    /// Address of this step.
    pub address: String,
    /// Index of this step in the saga, counted forward in both directions.
    pub position: u32,
    /// Which of the two functions is being called.
    pub direction: Direction,
    /// 1 for the first delivery; counts the retries of this step in this direction.
    pub attempt: u32,
    /// The same for each delivery of this message: `global-id/direction/position`.
    pub idempotency_key: String,
    /// When the saga's time is over (RFC 3339, UTC).
    pub deadline: Option<String>,
    /// The key whose signal ended this message's wait.
    pub signalled: Option<String>,
    /// What turned the saga round; none while it goes forward.
    pub failure: Option<Failure>,
    /// The fields of the message's `meta` that the host does not know: name and JSON text, in their order.
    pub headers: Vec<(String, String)>,
}

/// Which of the two functions a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Towards the end of the saga.
    Handle,
    /// Backwards, undoing finished steps in reverse order.
    Compensate,
}

/// What turned a saga round.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Index of the step that failed or refused, counted forward.
    pub position: u32,
    /// Its address.
    pub address: String,
    /// `rejected`, `retry-exhausted`, `deadline`, …
    pub kind: String,
    /// Stable, for programs: a refusal's own code, or the kind's.
    pub code: String,
    /// For people.
    pub reason: String,
}

impl Direction {
    /// `handle` or `compensate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Handle => "handle",
            Direction::Compensate => "compensate",
        }
    }
}

impl Failure {
    /// For tests: a refusal by the step at `address`.
    pub fn rejected(address: impl Into<String>, code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { position: 0, address: address.into(), kind: "rejected".into(), code: code.into(), reason: reason.into() }
    }
}

impl Context {
    /// A field of `meta` that the host does not know, read as `T`; none if it is absent or something else.
    pub fn header<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let (_, text) = self.headers.iter().find(|(key, _)| key == name)?;
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::TestHost;

    #[test]
    fn a_header_is_read_as_the_type_asked_for_or_not_at_all() {
        let mut host = TestHost::without_compensate(|_, body: u8| Ok(crate::done(body)));
        let mut context = host.context().clone();
        context.headers = vec![("tenant".into(), "\"t-1\"".into())];
        assert_eq!(context.header::<String>("tenant").as_deref(), Some("t-1"));
        assert_eq!(context.header::<u8>("tenant"), None);
        assert_eq!(context.header::<String>("other"), None);
    }
}
