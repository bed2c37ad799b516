//! The one place of this room that calls the client library past its Rust binding: a client is given a token for
//! OAUTHBEARER. The binding only does so from within a poll, and a client that administers, or a producer that is
//! idle, is never polled. Nothing else may stand in this file.
//!
//! Contract of `rd_kafka_oauthbearer_set_token` (rdkafka.h): the handle is that of a living client; the texts end with
//! a null and are copied; the buffer for the error is as long as is said; it may be called from any thread. The handle
//! comes from a borrowed client, which so outlives the call.

use std::ffi::{CStr, CString, c_char};

use rdkafka::ClientContext;
use rdkafka::admin::AdminClient;
use rdkafka::bindings::rd_kafka_oauthbearer_set_token;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaRespErr;

use super::token::Token;

/// Who logs in with a token.
pub(super) trait Bearer: Send + Sync {
    /// Use this token from the next login on.
    fn take(&self, token: &Token) -> Result<(), String>;
}

impl<C: ConsumerContext + 'static> Bearer for BaseConsumer<C> {
    fn take(&self, token: &Token) -> Result<(), String> {
        give(self.client(), token)
    }
}

impl<C: ProducerContext + 'static> Bearer for BaseProducer<C> {
    fn take(&self, token: &Token) -> Result<(), String> {
        give(self.client(), token)
    }
}

impl<C: ClientContext + 'static> Bearer for AdminClient<C> {
    fn take(&self, token: &Token) -> Result<(), String> {
        give(self.inner(), token)
    }
}

/// What the library says of a token that it does not take fits in here.
const WORDS_BYTES: usize = 512;

#[expect(unsafe_code, reason = "the binding has no call for it; the contract stands above")]
fn give<C: ClientContext>(client: &Client<C>, token: &Token) -> Result<(), String> {
    let text = |text: &str| CString::new(text).map_err(|_| "it holds a null".to_owned());
    let (value, subject) = (text(token.text())?, text(token.subject())?);
    let expires_ms = i64::try_from(token.expires_at().as_ms()).unwrap_or(i64::MAX / 1000);
    let mut words = [0 as c_char; WORDS_BYTES];
    // SAFETY: the client lives, the texts end with a null and live until after the call, no extensions are given, and
    // the buffer is as long as is said.
    let code = unsafe {
        rd_kafka_oauthbearer_set_token(
            client.native_ptr(),
            value.as_ptr(),
            expires_ms.min(i64::MAX / 1000),
            subject.as_ptr(),
            std::ptr::null_mut(),
            0,
            words.as_mut_ptr(),
            words.len(),
        )
    };
    if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Ok(());
    }
    let words = words.map(|byte| byte as u8);
    let words = CStr::from_bytes_until_nul(&words).map(|words| words.to_string_lossy().into_owned());
    Err(words.unwrap_or_else(|_| "the client library did not take it".to_owned()))
}
