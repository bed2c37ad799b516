//! Makes the clients of the driver, all of them: none is made elsewhere, so that each can log in as the settings say.

use std::sync::Arc;

use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, ProducerContext};

use super::give::Bearer;
use super::options::KafkaOptions;
use super::refusal;
use super::voice::Voice;
use crate::Error;

impl KafkaOptions {
    pub(super) fn make_consumer<C: ConsumerContext + 'static>(
        &self,
        config: &ClientConfig,
        context: C,
    ) -> Result<Arc<BaseConsumer<C>>, Error> {
        self.prepare_consumer(config, context, |_| {})
    }

    /// The same for one that is to be set up further before it is shared.
    pub(super) fn prepare_consumer<C: ConsumerContext + 'static>(
        &self,
        config: &ClientConfig,
        context: C,
        set_up: impl FnOnce(&mut BaseConsumer<C>),
    ) -> Result<Arc<BaseConsumer<C>>, Error> {
        const WHO: &str = "a consumer";
        let mut client = BaseConsumer::from_config_and_context(config, context).map_err(|error| unmade(WHO, &error))?;
        set_up(&mut client);
        self.shared(WHO, client)
    }

    pub(super) fn make_producer<C: ProducerContext + 'static>(
        &self,
        config: &ClientConfig,
        context: C,
    ) -> Result<Arc<BaseProducer<C>>, Error> {
        const WHO: &str = "a producer";
        let client = BaseProducer::from_config_and_context(config, context).map_err(|error| unmade(WHO, &error))?;
        self.shared(WHO, client)
    }

    pub(super) fn make_administrator(&self) -> Result<Arc<AdminClient<Voice>>, Error> {
        const WHO: &str = "an administrator";
        let client = AdminClient::from_config_and_context(&self.client(), Voice);
        self.shared(WHO, client.map_err(|error| unmade(WHO, &error))?)
    }

    /// A client that has its token, if it needs one.
    fn shared<T: Bearer + 'static>(&self, who: &str, client: T) -> Result<Arc<T>, Error> {
        let client = Arc::new(client);
        if let Some(file) = &self.oauth_token_file {
            let bearer: Arc<dyn Bearer> = client.clone();
            file.serve(&bearer).map_err(|cause| Error::client(who, &cause))?;
        }
        Ok(client)
    }
}

/// The library would tell the value that it does not take, which may be a secret.
fn unmade(who: &str, error: &KafkaError) -> Error {
    let cause = match error {
        KafkaError::ClientConfig(_, problem, key, _) => format!("{key}: {problem}"),
        error => error.to_string(),
    };
    match refusal::cure(&cause) {
        Some(cure) => Error::client(who, &format!("{cause}; {cure}")),
        None => Error::client(who, &cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_is_not_taken_is_told_without_its_value() {
        let mut options = KafkaOptions::new("127.0.0.1:9092", "a");
        for (key, words) in
            [("sasl.oauthbearer.client.secret", "broker.oauth-token-file"), ("no.such.setting", "no.such.setting")]
        {
            options.client = [(key.to_owned(), "s3cret-value".to_owned())].into();
            let told = options.make_administrator().expect_err("it is not taken").to_string();
            assert!(told.contains(key) && told.contains(words) && !told.contains("s3cret"), "{told}");
        }
    }

    #[test]
    fn a_client_without_its_token_is_not_made() {
        let mut options = KafkaOptions::new("127.0.0.1:9092", "a");
        options.oauth_token_file = Some(super::super::TokenFile::new("/nowhere/token"));
        options.client.insert("security.protocol".to_owned(), "sasl_plaintext".to_owned());
        let told = options.make_administrator().expect_err("there is no token").to_string();
        assert!(told.contains("/nowhere/token") && told.contains("broker.oauth-token-file"), "{told}");
    }
}
