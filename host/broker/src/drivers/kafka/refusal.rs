//! What the client library's complaints mean for an operator: whether waiting can help, and what to set. The library
//! tells them apart by their text, so this is the one place that reads it.

/// A complaint, in the library's words without those that change from one time to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    reason: String,
}

/// Words of a complaint that waiting does not help, and what to do about it. The first that fits counts.
const REFUSALS: [(&str, &str); 12] = [
    ("connecting to a PLAINTEXT broker listener", NO_TLS),
    ("wrong version number", NO_TLS),
    ("certificate verify failed", NOT_TRUSTED),
    ("certificate required", WHO),
    ("alert bad certificate", WHO),
    ("alert certificate unknown", WHO),
    ("alert unknown ca", WHO),
    ("not valid in current SASL state", "this listener wants no login: set security.protocol to plaintext or ssl"),
    ("supported mechanisms", "set sasl.mechanisms to one of those"),
    ("No provider for SASL mechanism", "this build has PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER"),
    ("SASL authentication error", LOGIN),
    ("sasl.oauthbearer", "this build fetches no tokens itself: let broker.oauth-token-file name a file that holds one"),
];

/// The same of complaints that a cluster which is just starting may cause as well.
const GUESSES: [(&str, &str); 2] = [
    ("connecting to a SSL listener", "this listener may want TLS: set security.protocol to ssl or sasl_ssl"),
    ("might require SASL authentication", "this listener may want a login: set security.protocol to sasl_ssl"),
];

/// How much a complaint says: the more, the later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// The cluster does not answer.
    Silence,
    /// It may be asked in the wrong way.
    Guess,
    /// It answers, and will not answer otherwise until something is set.
    Refusal,
}

const NO_TLS: &str = "this listener has no TLS: set security.protocol without ssl";

const NOT_TRUSTED: &str = "set ssl.ca.location to the authority that signed the brokers' certificates, and use names \
    or addresses in broker.bootstrap that stand in them";

const WHO: &str = "the brokers ask who this host is: set ssl.certificate.location and ssl.key.location to a \
    certificate, and its key, of an authority that they trust";

const LOGIN: &str = "check sasl.mechanisms, sasl.username and sasl.password, or the token in the file that \
    broker.oauth-token-file names";

impl Trouble {
    pub(super) fn of(words: &str) -> Self {
        // `[thrd:NAME]: NAME: what (after 3ms in state CONNECT, 2 identical error(s) suppressed)`
        let words =
            words.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: ")).map_or(words, |(_, rest)| rest);
        let words = words.rsplit_once(" (after ").map_or(words, |(rest, _)| rest);
        Self { reason: words.trim_end().to_owned() }
    }

    pub(super) fn weight(&self) -> Weight {
        if find(&REFUSALS, &self.reason).is_some() {
            Weight::Refusal
        } else if find(&GUESSES, &self.reason).is_some() {
            Weight::Guess
        } else {
            Weight::Silence
        }
    }

    /// In words, with what to do if that is known.
    pub(super) fn told(&self) -> String {
        match cure(&self.reason) {
            Some(cure) => format!("{}; {cure}", self.reason),
            None => self.reason.clone(),
        }
    }
}

/// Whether a complaint is of a connection that was never made, so that nothing can have been sent on it.
pub(super) fn is_unconnected(reason: &str) -> bool {
    ["Connect to ", "Failed to resolve ", "in state CONNECT"].iter().any(|words| reason.contains(words))
}

/// What to do, if it is known.
pub(super) fn cure(reason: &str) -> Option<&'static str> {
    find(&REFUSALS, reason).or_else(|| find(&GUESSES, reason))
}

fn find(cures: &[(&str, &'static str)], reason: &str) -> Option<&'static str> {
    cures.iter().find(|(words, _)| reason.contains(words)).map(|(_, cure)| *cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_told_with_its_cure_and_without_what_changes() {
        for (words, told) in [
            (
                "[thrd:sasl_ssl://a:1/bootstrap]: sasl_ssl://a:1/bootstrap: SASL authentication error: Authentication \
                failed: Invalid username or password (after 301ms in state AUTH_REQ)",
                "sasl_ssl://a:1/bootstrap: SASL authentication error: Authentication failed: Invalid username or \
                password; check sasl.mechanisms, sasl.username and sasl.password, or the token in the file that \
                broker.oauth-token-file names",
            ),
            (
                "a:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT, 1 \
                identical error(s) suppressed)",
                "a:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused",
            ),
        ] {
            assert_eq!(Trouble::of(words).told(), told);
        }
    }

    #[test]
    fn a_connection_that_was_never_made_is_told_from_one_that_was_lost() {
        for (words, expected) in [
            ("a:1/1: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)", true),
            ("a:1/1: Failed to resolve 'a:1': Name or service not known (after 3ms in state CONNECT)", true),
            ("a:1/1: Disconnected (after 81231ms in state UP)", false),
            ("a:1/1: 1 request(s) timed out: disconnect (average rtt 2.1ms) (after 60001ms in state UP)", false),
            ("Fatal error: _FENCED: Failed to end transaction: Local: This instance has been fenced", false),
        ] {
            assert_eq!(is_unconnected(words), expected, "{words}");
        }
    }

    #[test]
    fn a_cluster_that_does_not_answer_may_answer_later_and_one_that_refuses_does_not() {
        for (words, weight) in [
            ("a: Connect to ipv4#127.0.0.1:1 failed: Connection refused", Weight::Silence),
            ("a: Failed to resolve 'a:9092': Name or service not known", Weight::Silence),
            ("a: Disconnected: requesting ApiVersion: (connecting to a SSL listener?)", Weight::Guess),
            ("a: Disconnected: broker might require SASL authentication", Weight::Guess),
            ("a: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed", Weight::Refusal),
            ("a: Receive failed: error:0A000412:SSL routines::sslv3 alert bad certificate", Weight::Refusal),
            ("a: SSL handshake failed: connecting to a PLAINTEXT broker listener?", Weight::Refusal),
            ("a: SASL PLAIN mechanism handshake failed: broker's supported mechanisms: X", Weight::Refusal),
        ] {
            assert_eq!(Trouble::of(words).weight(), weight, "{words}");
        }
    }
}
