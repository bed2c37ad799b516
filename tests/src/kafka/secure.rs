//! A cluster with listeners for TLS and SASL beside the plain one, what a client needs of it, and tokens that are good
//! for as long as a test says.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Cluster;

impl Cluster {
    /// One node with all listeners that `scripts/kafka --help` tells of.
    pub fn start_secure() -> Self {
        Self::start_by(1, &["--secure"])
    }

    /// The address of a listener: `tls`, `mtls` or `sasl`.
    pub fn listener(&self, name: &str) -> String {
        std::fs::read_to_string(self.secure_file(name)).expect("a secure cluster has the listener")
    }

    /// A file that lies beside the cluster: `ca.pem`, `client.key`.
    pub fn secure_file(&self, name: &str) -> PathBuf {
        self.folder.join("secure").join(name)
    }
}

/// A JSON Web Token without a signature, made so many seconds from now and good until so many seconds from now.
pub fn token(made_in: i64, good_for: i64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    let now = i64::try_from(now).expect("it is before the year 10^11");
    let claims = format!("{{\"sub\":\"saga\",\"iat\":{},\"exp\":{}}}", now + made_in, now + good_for);
    format!("{}.{}.", base64url(b"{\"alg\":\"none\"}"), base64url(claims.as_bytes()))
}

fn base64url(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            let value = bits >> (18 - 6 * digit) & 63;
            let _ = write!(text, "{}", char::from(DIGITS[value as usize]));
        }
    }
    text
}
