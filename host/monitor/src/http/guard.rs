//! Who may ask: the bearer token, and, where there is none, no web page of a stranger.

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, Uri, Version};

use super::problem::{Code, Problem};

/// Paths that say nothing but whether the host lives, for probes that cannot hold a token.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// Workers of a remote step show its token here, which the room behind the door looks at.
const WORK_PATHS: &str = "/v1/steps/";

/// The check before every request.
pub(crate) enum Guard {
    Token(String),
    /// On a loopback address everybody on this machine is trusted; a browser there also runs pages of others, which
    /// could send requests (so `Origin` is looked at) or give a name of theirs to this address (so `Host` is).
    Loopback,
}

impl Guard {
    pub(crate) fn new(token: Option<String>) -> Self {
        token.map_or(Guard::Loopback, Guard::Token)
    }

    pub(crate) fn check(&self, uri: &Uri, version: Version, headers: &HeaderMap) -> Result<(), Problem> {
        check_host(version, headers)?;
        if OPEN_PATHS.contains(&uri.path()) {
            return Ok(());
        }
        match self {
            Guard::Token(_) if uri.path().starts_with(WORK_PATHS) => Ok(()),
            Guard::Token(token) => check_token(token, headers),
            Guard::Loopback => check_loopback(uri, headers),
        }
    }
}

/// Which host is meant must not be open to two readings (RFC 9112, 3.2).
fn check_host(version: Version, headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => Ok(()),
        (None, _) if version < Version::HTTP_11 => Ok(()),
        (None, _) => Err(Problem::new(Code::BadRequest, "the header host is missing; HTTP/1.1 demands it")),
        (Some(_), Some(_)) => Err(Problem::new(Code::BadRequest, "the header host stands there twice; send it once")),
    }
}

fn check_token(token: &str, headers: &HeaderMap) -> Result<(), Problem> {
    let presented = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).and_then(|value| {
        let (scheme, credentials) = value.split_at_checked(b"bearer ".len())?;
        scheme.eq_ignore_ascii_case(b"bearer ").then(|| credentials.trim_ascii())
    });
    match presented {
        Some(presented) if is_equal(presented, token.as_bytes()) => Ok(()),
        Some(_) => Err(Problem::new(Code::Unauthorized, "the token is wrong")),
        None => Err(Problem::new(Code::Unauthorized, "send the host's token as authorization: Bearer <token>")),
    }
}

/// In a time that depends on the length of what was presented only, so that a guess learns nothing from it.
fn is_equal(presented: &[u8], token: &[u8]) -> bool {
    let mut difference = presented.len() ^ token.len();
    for (index, byte) in presented.iter().enumerate() {
        difference |= usize::from(byte ^ token[index % token.len()]);
    }
    std::hint::black_box(difference) == 0
}

fn check_loopback(uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
    // An absolute request target wins over `Host` (RFC 9112, 3.2.2); HTTP/1.0 may have neither.
    let host = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers.get(HOST).map_or(Some(""), |value| value.to_str().ok()).unwrap_or("?"),
    };
    if !host.is_empty() && !is_loopback_name(host_of(host)) {
        let detail = "without a token the host answers only to localhost; set a token to reach it by another name";
        return Err(Problem::new(Code::ForbiddenOrigin, detail));
    }
    let foreign = match headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("?")) {
        None => false,
        Some(origin) => origin.strip_prefix("http://").is_none_or(|authority| !authority.eq_ignore_ascii_case(host)),
    };
    if foreign {
        let detail = "without a token the host takes no request from a web page of another origin";
        return Err(Problem::new(Code::ForbiddenOrigin, detail));
    }
    Ok(())
}

/// The name or address in `host:port`, `[::1]:port`, `host`.
fn host_of(authority: &str) -> &str {
    if let Some((address, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return address;
    }
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

fn is_loopback_name(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let is_address = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn ask(guard: &Guard, path: &str, headers: &[(HeaderName, &str)]) -> Result<(), Code> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a header value")))
            .collect();
        guard.check(&path.parse().expect("a path"), Version::HTTP_10, &headers).map_err(|problem| problem.code)
    }

    #[test]
    fn only_the_right_token_opens_and_probes_need_none() {
        let guard = Guard::new(Some("s3cret".to_owned()));
        for right in ["Bearer s3cret", "bearer s3cret", "BEARER s3cret "] {
            assert_eq!(ask(&guard, "/v1/sagas", &[(AUTHORIZATION, right)]), Ok(()), "{right}");
        }
        for wrong in ["s3cret", "Basic s3cret", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3crets", "Bearer S3cret"]
        {
            assert_eq!(ask(&guard, "/v1/sagas", &[(AUTHORIZATION, wrong)]), Err(Code::Unauthorized), "{wrong}");
        }
        assert_eq!(ask(&guard, "/nothing", &[]), Err(Code::Unauthorized), "paths cannot be probed");
        assert_eq!(ask(&guard, "/healthz", &[]), Ok(()));
        assert_eq!(ask(&guard, "/readyz", &[]), Ok(()));
        assert_eq!(ask(&guard, "/v1/steps/a.b.c/work", &[]), Ok(()), "a step has a token of its own");
        assert_eq!(ask(&guard, "/v1/steps", &[]), Err(Code::Unauthorized));
    }

    #[test]
    fn without_a_token_only_this_machine_by_its_own_names_is_served() {
        for own in ["127.0.0.1:7070", "localhost", "LOCALHOST:1", "[::1]:7070", "saga.localhost:7070", "127.1.2.3"] {
            assert_eq!(ask(&Guard::Loopback, "/", &[(HOST, own)]), Ok(()), "{own}");
        }
        assert_eq!(ask(&Guard::Loopback, "/", &[]), Ok(()), "HTTP/1.0");
        for other in ["evil.example", "evil.example:7070", "10.0.0.1", "localhost.evil.example", "[2001:db8::1]:7070"] {
            assert_eq!(ask(&Guard::Loopback, "/", &[(HOST, other)]), Err(Code::ForbiddenOrigin), "{other}");
        }
        let absolute = "http://evil.example/v1/sagas";
        assert_eq!(ask(&Guard::Loopback, absolute, &[(HOST, "localhost")]), Err(Code::ForbiddenOrigin));
    }

    #[test]
    fn a_request_of_http_1_1_names_its_host_once() {
        let check = |version, hosts: &[&'static str]| {
            let headers = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host))).collect();
            Guard::Loopback
                .check(&"/healthz".parse().expect("a path"), version, &headers)
                .map_err(|problem| problem.code)
        };
        assert_eq!(check(Version::HTTP_11, &["localhost"]), Ok(()));
        assert_eq!(check(Version::HTTP_10, &[]), Ok(()));
        assert_eq!(check(Version::HTTP_11, &[]), Err(Code::BadRequest));
        assert_eq!(check(Version::HTTP_11, &["localhost", "localhost"]), Err(Code::BadRequest));
        assert_eq!(check(Version::HTTP_10, &["localhost", "evil.example"]), Err(Code::BadRequest));
    }

    #[test]
    fn without_a_token_a_foreign_web_page_is_refused() {
        let host = (HOST, "127.0.0.1:7070");
        let own = [host.clone(), (ORIGIN, "http://127.0.0.1:7070")];
        assert_eq!(ask(&Guard::Loopback, "/", &own), Ok(()));
        for foreign in ["https://evil.example", "http://localhost:3000", "null", "http://127.0.0.1:70"] {
            let headers = [host.clone(), (ORIGIN, foreign)];
            assert_eq!(ask(&Guard::Loopback, "/", &headers), Err(Code::ForbiddenOrigin), "{foreign}");
        }
        let guard = Guard::new(Some("s3cret".to_owned()));
        let with_token = [host, (ORIGIN, "https://console.example"), (AUTHORIZATION, "Bearer s3cret")];
        assert_eq!(ask(&guard, "/", &with_token), Ok(()), "a page cannot know the token");
    }
}
