//! Settings of the client for TLS and SASL that do nothing or contradict each other. The library takes them without a
//! word and then waits for ever, or talks in the clear.

use std::collections::BTreeMap;

use super::options::KafkaOptions;

/// The mechanism in which a token is handed over.
pub(super) const OAUTHBEARER: &str = "OAUTHBEARER";

/// The setting of the mechanism, which has two names.
pub(super) const MECHANISMS: [&str; 2] = ["sasl.mechanisms", "sasl.mechanism"];

const PROTOCOL: &str = "security.protocol";

/// What is wrong with settings that are right each by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// Whether it is the token file that does not go with the others.
    pub is_of_token_file: bool,
    pub problem: String,
    pub cure: &'static str,
}

impl KafkaOptions {
    /// Why these settings of the client cannot be meant, if they cannot.
    pub fn contradiction(client: &BTreeMap<String, String>, has_token_file: bool) -> Option<Contradiction> {
        let get = |key: &str| client.get(key).map(String::as_str);
        let protocol = get(PROTOCOL).unwrap_or("plaintext").to_ascii_lowercase();
        let mechanism = MECHANISMS.into_iter().find_map(get).map(str::to_ascii_uppercase);
        let has_sasl = protocol.starts_with("sasl_");
        let found = |is_of_token_file, problem, cure| Some(Contradiction { is_of_token_file, problem, cure });
        let first = |prefix: &str| client.keys().find(|key| key.starts_with(prefix));
        match mechanism.as_deref() {
            Some(name) if has_token_file && name != OAUTHBEARER => {
                let problem = format!("sasl.mechanisms is {name}, and a token is for {OAUTHBEARER}");
                return found(true, problem, "leave sasl.mechanisms out, or broker.oauth-token-file");
            }
            Some(OAUTHBEARER) if !has_token_file && !fetches_tokens(client) => {
                let problem = format!("sasl.mechanisms is {OAUTHBEARER}, and nothing says where the token is");
                return found(false, problem, "set broker.oauth-token-file");
            }
            None if has_sasl && !has_token_file => {
                let problem = format!("{PROTOCOL} is {protocol}, and sasl.mechanisms is missing");
                return found(
                    false,
                    problem,
                    "set it to PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or set \
                    broker.oauth-token-file",
                );
            }
            Some(_) | None => {}
        }
        if has_token_file && !has_sasl {
            let problem = format!("{PROTOCOL} is {protocol}, so nobody logs in with the token");
            return found(true, problem, "set security.protocol to sasl_ssl in [broker.client]");
        }
        if let Some(key) = first("sasl.").filter(|_| !has_sasl) {
            let problem = format!("{key} is set, and {PROTOCOL} is {protocol}, so nobody logs in");
            return found(false, problem, "set security.protocol to sasl_ssl");
        }
        if let Some(key) = first("ssl.").filter(|_| !protocol.ends_with("ssl")) {
            let problem = format!("{key} is set, and {PROTOCOL} is {protocol}, so nothing is encrypted");
            return found(false, problem, "set security.protocol to ssl or sasl_ssl");
        }
        None
    }
}

/// Whether the library gets its tokens by itself.
fn fetches_tokens(client: &BTreeMap<String, String>) -> bool {
    ["sasl.oauthbearer.method", "enable.sasl.oauthbearer.unsecure.jwt"].iter().any(|key| client.contains_key(*key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(settings: &[(&str, &str)], has_token_file: bool) -> Option<String> {
        let client = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let found = KafkaOptions::contradiction(&client, has_token_file)?;
        Some(format!("{}; {}", found.problem, found.cure))
    }

    #[test]
    fn what_goes_together_is_taken() {
        for (settings, has_token_file) in [
            (&[][..], false),
            (&[("linger.ms", "1")], false),
            (&[("security.protocol", "ssl"), ("ssl.ca.location", "/ca")], false),
            (&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "PLAIN"), ("ssl.ca.location", "/ca")], false),
            (&[("security.protocol", "sasl_plaintext"), ("sasl.mechanisms", "SCRAM-SHA-512")], false),
            (&[("security.protocol", "sasl_ssl")], true),
            (&[("security.protocol", "sasl_ssl"), ("sasl.mechanisms", "OAUTHBEARER")], true),
            (
                &[
                    ("security.protocol", "sasl_ssl"),
                    ("sasl.mechanisms", "OAUTHBEARER"),
                    ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
                ],
                false,
            ),
        ] {
            assert_eq!(told(settings, has_token_file), None, "{settings:?}");
        }
    }

    #[test]
    fn what_contradicts_is_told_with_the_setting() {
        for (settings, has_token_file, words) in [
            (&[("security.protocol", "sasl_ssl"), ("sasl.mechanisms", "PLAIN")][..], true, "leave sasl.mechanisms out"),
            (&[("security.protocol", "sasl_ssl"), ("sasl.mechanisms", "OAUTHBEARER")], false, "where the token is"),
            (&[("security.protocol", "sasl_ssl")], false, "sasl.mechanisms is missing"),
            (&[("security.protocol", "ssl")], true, "security.protocol is ssl, so nobody logs in with the token"),
            (&[], true, "security.protocol is plaintext"),
            (&[("sasl.mechanisms", "PLAIN")], false, "sasl.mechanisms is set, and security.protocol is plaintext"),
            (&[("ssl.ca.location", "/ca")], false, "nothing is encrypted"),
            (
                &[("security.protocol", "sasl_plaintext"), ("sasl.mechanisms", "PLAIN"), ("ssl.ca.location", "/ca")],
                false,
                "nothing is encrypted",
            ),
        ] {
            let told = told(settings, has_token_file).expect("it contradicts");
            assert!(told.contains(words), "{told}");
        }
    }
}
