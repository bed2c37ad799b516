//! What is known of a token for OAUTHBEARER without asking who made it: a JSON Web Token says when it expires and
//! whom it speaks for. Whether it is genuine is for the cluster to find out. No file, no clock; no token is ever in an
//! error.

use host_core::time::Timestamp;
use serde::Deserialize;

/// A token, as long as it is good.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    text: String,
    subject: String,
    expires_at: Timestamp,
}

/// The claims that matter here.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    exp: Option<f64>,
}

impl Token {
    /// The token that a file holds, or what is wrong with it as the end of "the token … ".
    pub(super) fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        let no_jwt = || "is no JSON Web Token: three parts with dots between them, in base64url".to_owned();
        let mut parts = text.split('.');
        let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(no_jwt());
        };
        let claims = from_base64url(claims).ok_or_else(no_jwt)?;
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| no_jwt())?;
        let exp = claims.exp.ok_or_else(|| "does not say when it expires (claim exp)".to_owned())?;
        // A cast of a float stays within the bounds of the integer.
        let expires_at = Timestamp::from_ms((exp * 1000.0) as u64);
        if expires_at <= now {
            let ago = now.since(expires_at).as_secs();
            return Err(format!("expired at {expires_at}, {ago} s ago"));
        }
        Ok(Self { text: text.to_owned(), subject: claims.sub.unwrap_or_default(), expires_at })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Whom it speaks for; may be empty.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// None if it is not base64url. Padding may be there.
fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"sub":"saga","iat":1795841403,"exp":1795927803}`
    const GOOD: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzYWdhIiwiaWF0IjoxNzk1ODQxNDAzLCJleHAiOjE3OTU5Mjc4MDN9.c2ln";

    fn before() -> Timestamp {
        Timestamp::from_ms(1_795_927_802_000)
    }

    #[test]
    fn a_token_says_whom_it_speaks_for_and_until_when() {
        let token = Token::parse(&format!("{GOOD}\n"), before()).expect("it is one");
        assert_eq!((token.text(), token.subject()), (GOOD, "saga"));
        assert_eq!(token.expires_at(), Timestamp::from_ms(1_795_927_803_000));
    }

    #[test]
    fn what_is_no_good_token_is_told_without_the_token() {
        let late = Timestamp::from_ms(1_795_927_810_000);
        for (text, now, wrong) in [
            (" \n", before(), "is empty"),
            ("opaque", before(), "JSON Web Token"),
            ("a.b.c.d", before(), "JSON Web Token"),
            ("e30.!!!!.x", before(), "JSON Web Token"),
            ("e30.e30.x", before(), "claim exp"),
            (GOOD, late, "expired at 2026-11-29T04:50:03.000Z, 7 s ago"),
        ] {
            let told = Token::parse(text, now).err().expect("it is not good");
            assert!(told.contains(wrong), "{text}: {told}");
            assert!(text.len() < 9 || !told.contains(text), "{told}");
        }
    }

    #[test]
    fn base64url_of_every_length_is_read() {
        for (text, bytes) in [("", &b""[..]), ("Zg", b"f"), ("Zm8", b"fo"), ("Zm9v", b"foo"), ("_-8=", b"\xff\xef")] {
            assert_eq!(from_base64url(text).as_deref(), Some(bytes), "{text}");
        }
        assert_eq!(from_base64url("a+/b"), None);
    }
}
