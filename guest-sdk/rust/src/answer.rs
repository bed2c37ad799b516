//! What a step can answer, and how an error of any kind becomes one of these answers. Knows nothing of the host.
//! Invariant: every text in here that is said to be JSON was written by `serde_json`.

use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

use serde::Serialize;

/// What both functions of a step return: [`Done`], or why it isn't.
pub type StepResult = Result<Done, Stop>;

/// The step is finished. Made by [`done`], [`unchanged`] and [`replaced`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a step answers with it: `Ok(done(body))`"]
pub struct Done {
    pub(crate) body: NextBody,
    pub(crate) compensation: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NextBody {
    Unchanged,
    Merged(String),
    Replaced(String),
}

/// Finished; `body` goes on to the next step.
///
/// Only what the step changed is written into the text that came: members that `body`'s type does not know, and
/// those it knows and left alone, go on byte for byte and in their order. In a list, elements are recognised by
/// what the type sees of them; one that was changed *while others were added or removed* is written as the type has it.
///
/// # Panics
/// If `body` cannot be written as JSON (a map whose keys are not texts): a fault of the step, so the call traps.
///
/// ```
/// # use saga_step::prelude::*;
/// # #[derive(Serialize, Deserialize)] struct Order { paid: bool }
/// fn handle(_ctx: &Context, mut order: Order) -> StepResult {
///     order.paid = true;
///     Ok(done(order))
/// }
/// ```
#[track_caller]
pub fn done(body: impl Serialize) -> Done {
    Done { body: NextBody::Merged(json(&body, "the body")), compensation: None }
}

/// Finished; the body goes on exactly as it came.
pub fn unchanged() -> Done {
    Done { body: NextBody::Unchanged, compensation: None }
}

/// Finished; `body` alone goes on, and nothing of the body that came is kept.
///
/// # Panics
/// As [`done`].
#[track_caller]
pub fn replaced(body: impl Serialize) -> Done {
    Done { body: NextBody::Replaced(json(&body, "the body")), compensation: None }
}

impl Done {
    /// What `compensate` will need to undo this: handed back to it, if the saga turns round, and to nobody else.
    /// Put in what cannot be told from the body. In an answer of `compensate` it is ignored.
    ///
    /// # Panics
    /// If `log` cannot be written as JSON.
    #[track_caller]
    pub fn with_compensation(mut self, log: impl Serialize) -> Self {
        self.compensation = Some(json(&log, "the compensation log"));
        self
    }
}

/// Everything that is not [`Done`]. Seldom named: `?`, [`reject!`](crate::reject) and `.into()` make it.
///
/// Every [`std::error::Error`] becomes a [`Retry`] whose reason is the error with its causes, unless a [`Rejected`],
/// [`Retry`] or [`Wait`] is among them: then that is the answer. So an error type of your own may carry a refusal
/// as its `source`, and a refusal that is no `Error` may convert by itself:
///
/// ```
/// # use saga_step::prelude::*;
/// enum Refusal { Closed }
/// impl From<Refusal> for Stop {
///     fn from(refusal: Refusal) -> Self {
///         match refusal { Refusal::Closed => rejected("account-closed", "the account is closed").into() }
///     }
/// }
/// # #[derive(Serialize, Deserialize)] struct Order;
/// fn handle(_ctx: &Context, order: Order) -> StepResult {
///     Err(Refusal::Closed)?;
///     Ok(done(order))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// A business refusal.
    Rejected(Rejected),
    /// A technical failure that may pass.
    Retry(Retry),
    /// A precondition is not there yet.
    Wait(Wait),
}

/// A business refusal, final: the saga turns round and undoes the steps before this one. This step itself is not
/// undone; its key-value writes, events and signals are discarded by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a step answers with it: `return rejected(..).into()`"]
pub struct Rejected {
    /// Stable, for programs: `insufficient-funds`.
    pub code: String,
    /// For people.
    pub reason: String,
    /// More for programs: a JSON text.
    pub details: Option<String>,
}

/// Refuse. See [`Rejected`]; [`reject!`](crate::reject) is the short form.
pub fn rejected(code: impl Into<String>, reason: impl Into<String>) -> Rejected {
    Rejected { code: code.into(), reason: reason.into(), details: None }
}

impl Rejected {
    /// The same as [`rejected`].
    pub fn new(code: impl Into<String>, reason: impl Into<String>) -> Self {
        rejected(code, reason)
    }

    /// Add more for programs to read.
    ///
    /// # Panics
    /// If `details` cannot be written as JSON.
    #[track_caller]
    pub fn details(mut self, details: impl Serialize) -> Self {
        self.details = Some(json(&details, "the details"));
        self
    }
}

/// A technical failure that may pass: everything the call asked for is discarded and the message comes again, with
/// growing pauses, until the budget of the manifest is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a step answers with it: `return retry(..).into()`"]
pub struct Retry {
    /// For people: what went wrong.
    pub reason: String,
    /// Not sooner than this; none lets the manifest's back-off decide.
    pub after: Option<Duration>,
}

/// Ask to be called again. See [`Retry`]; every error that `?` meets does the same.
pub fn retry(reason: impl Into<String>) -> Retry {
    Retry { reason: reason.into(), after: None }
}

impl Retry {
    /// Not sooner than this (to the millisecond, 49 days at most).
    pub fn after(mut self, pause: Duration) -> Self {
        self.after = Some(pause);
        self
    }
}

/// A precondition is not there yet: everything else the call asked for is discarded, the message is parked and comes
/// again when `key` is signalled, or at once if that signal was faster and is still remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a step answers with it: `return wait(..).into()`"]
pub struct Wait {
    /// What is waited for: `customer/42`; 1 to 256 printable characters.
    pub key: String,
    /// For people: shown wherever the saga is shown.
    pub reason: String,
    /// Give up after this long; none takes the time of the manifest.
    pub timeout: Option<Duration>,
}

/// Wait for the signal `key`. See [`Wait`] and [`events::signal`](crate::events::signal).
pub fn wait(key: impl Into<String>, reason: impl Into<String>) -> Wait {
    Wait { key: key.into(), reason: reason.into(), timeout: None }
}

impl Wait {
    /// Give up after this long (to the millisecond, 49 days at most).
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

/// Answer with a refusal, there and then: `reject!(code, format, arguments…)`.
///
/// ```
/// # use saga_step::prelude::*;
/// # #[derive(Serialize, Deserialize)] struct Order { amount: u64 }
/// fn handle(_ctx: &Context, order: Order) -> StepResult {
///     if order.amount > 1000 {
///         reject!("amount-too-high", "{} is above 1000", order.amount);
///     }
///     Ok(done(order))
/// }
/// ```
#[macro_export]
macro_rules! reject {
    ($code:expr, $($reason:tt)+) => {
        return ::core::result::Result::Err($crate::Stop::from($crate::rejected($code, ::std::format!($($reason)+))))
    };
}

/// Turns what is no [`Error`], or is a refusal, into an answer that `?` can return.
pub trait ResultExt<T> {
    /// A failure here is a business refusal with this code; the error's text is the reason.
    ///
    /// ```
    /// # use saga_step::prelude::*;
    /// # #[derive(Serialize, Deserialize)] struct Order { quantity: String }
    /// fn handle(_ctx: &Context, order: Order) -> StepResult {
    ///     let quantity: u32 = order.quantity.parse().or_reject("quantity-not-a-number")?;
    ///     # let _ = quantity;
    ///     Ok(done(order))
    /// }
    /// ```
    fn or_reject(self, code: &str) -> Result<T, Stop>;

    /// A failure here may pass: for errors that are only a text or a `Box<dyn Error>`, which `?` alone cannot take.
    fn or_retry(self) -> Result<T, Stop>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> ResultExt<T> for Result<T, E> {
    fn or_reject(self, code: &str) -> Result<T, Stop> {
        self.map_err(|error| Stop::Rejected(rejected(code, chain_text(error.into().as_ref()))))
    }

    fn or_retry(self) -> Result<T, Stop> {
        self.map_err(|error| from_chain(error.into().as_ref()))
    }
}

/// What a call comes to, as the host gets it: texts only. Tests see it through [`testing`](crate::testing).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Finished.
    Done {
        /// The body that goes on: a JSON text.
        body: String,
        /// What `compensate` gets back: a JSON text.
        compensation: Option<String>,
    },
    /// A business refusal.
    Rejected(Rejected),
    /// A technical failure that may pass.
    Retry(Retry),
    /// A precondition is not there yet.
    Wait(Wait),
}

impl<E: Error + 'static> From<E> for Stop {
    fn from(error: E) -> Self {
        from_chain(&error)
    }
}

impl From<Rejected> for StepResult {
    fn from(rejected: Rejected) -> Self {
        Err(Stop::Rejected(rejected))
    }
}

impl From<Retry> for StepResult {
    fn from(retry: Retry) -> Self {
        Err(Stop::Retry(retry))
    }
}

impl From<Wait> for StepResult {
    fn from(wait: Wait) -> Self {
        Err(Stop::Wait(wait))
    }
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Rejected(rejected) => Outcome::Rejected(rejected),
            Stop::Retry(retry) => Outcome::Retry(retry),
            Stop::Wait(wait) => Outcome::Wait(wait),
        }
    }
}

impl Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.reason, self.code)
    }
}

impl Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waiting for {}: {}", self.key, self.reason)
    }
}

impl Error for Rejected {}
impl Error for Retry {}
impl Error for Wait {}

fn from_chain(error: &(dyn Error + 'static)) -> Stop {
    let mut cause = Some(error);
    while let Some(current) = cause {
        if let Some(rejected) = current.downcast_ref::<Rejected>() {
            return Stop::Rejected(rejected.clone());
        }
        if let Some(retry) = current.downcast_ref::<Retry>() {
            return Stop::Retry(retry.clone());
        }
        if let Some(wait) = current.downcast_ref::<Wait>() {
            return Stop::Wait(wait.clone());
        }
        cause = current.source();
    }
    Stop::Retry(retry(chain_text(error)))
}

/// The error and its causes in one line. Many libraries already write the cause into their own text: said once.
fn chain_text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(current) = cause {
        let more = current.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = current.source();
    }
    text
}

#[track_caller]
fn json(value: &(impl Serialize + ?Sized), what: &str) -> String {
    match serde_json::to_string(value) {
        Ok(text) => text,
        Err(error) => panic!("{what} cannot be written as JSON: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(Inner);
    #[derive(Debug)]
    enum Inner {
        Text,
        Refusal(Rejected),
    }

    impl Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cannot charge the card")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    impl Display for Inner {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("connection reset")
        }
    }
    impl Error for Inner {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            match self {
                Inner::Text => None,
                Inner::Refusal(rejected) => Some(rejected),
            }
        }
    }

    #[test]
    fn an_error_becomes_a_retry_with_its_causes() {
        let stop = Stop::from(Outer(Inner::Text));
        assert_eq!(stop, Stop::Retry(retry("cannot charge the card: connection reset")));
    }

    #[test]
    fn a_refusal_among_the_causes_is_the_answer() {
        let refusal = rejected("card-expired", "the card has expired").details([1, 2]);
        assert_eq!(Stop::from(Outer(Inner::Refusal(refusal.clone()))), Stop::Rejected(refusal));
    }

    #[test]
    fn every_answer_can_be_returned_through_the_question_mark() {
        fn answer(error: impl Error + 'static) -> StepResult {
            Err(error)?;
            Ok(unchanged())
        }
        assert_eq!(answer(rejected("a", "b")), rejected("a", "b").into());
        assert_eq!(answer(wait("k", "r")), wait("k", "r").into());
        let later = retry("r").after(Duration::from_secs(1));
        assert_eq!(answer(later.clone()), later.into());
    }

    #[test]
    fn a_cause_that_is_already_in_the_text_is_not_said_twice() {
        let error = std::io::Error::other(Inner::Text);
        assert_eq!(Stop::from(error), Stop::Retry(retry("connection reset")));
    }

    #[test]
    fn texts_and_boxes_can_be_rejected_or_retried() {
        let text: Result<(), &str> = Err("no such thing");
        assert_eq!(text.or_reject("gone"), Err(Stop::Rejected(rejected("gone", "no such thing"))));
        let boxed: Result<(), Box<dyn Error + Send + Sync>> = Err("later".into());
        assert_eq!(boxed.or_retry(), Err(Stop::Retry(retry("later"))));
    }

    #[test]
    fn reject_returns_at_once_with_a_formatted_reason() {
        fn step(amount: u32) -> StepResult {
            if amount > 10 {
                reject!("too-much", "{amount} is above {}", 10);
            }
            Ok(unchanged())
        }
        assert_eq!(step(11), rejected("too-much", "11 is above 10").into());
        assert!(step(10).is_ok());
    }
}
