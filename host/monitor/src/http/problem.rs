//! What a caller is told when the answer is no: RFC 9457 problem documents with a stable code. Every code has a page in
//! docs/errors, which the host serves itself under the address in `type`.

use axum::body::Body;
use axum::http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

use crate::door::Refusal;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $status:ident, $title:literal;)*) => {
        /// Why a request was refused. The words are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)*
        }

        impl Code {
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$variant => $word,)*
                }
            }

            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Code::$variant => StatusCode::$status,)*
                }
            }

            pub(crate) fn title(self) -> &'static str {
                match self {
                    $(Code::$variant => $title,)*
                }
            }

            /// The page of docs/errors about this code.
            pub(crate) fn page(self) -> &'static str {
                match self {
                    $(Code::$variant => include_str!(concat!("../../../../docs/errors/", $word, ".md")),)*
                }
            }
        }
    };
}

codes! {
    BadRequest = "bad-request", BAD_REQUEST, "The request is not HTTP as this host reads it";
    InvalidJson = "invalid-json", BAD_REQUEST, "The body is not what this endpoint reads";
    InvalidParameter = "invalid-parameter", BAD_REQUEST, "A parameter or header has no valid value";
    InvalidCursor = "invalid-cursor", BAD_REQUEST, "The cursor is not one that this host gave out";
    Unauthorized = "unauthorized", UNAUTHORIZED, "The token is missing or wrong";
    ForbiddenOrigin = "forbidden-origin", FORBIDDEN, "The request comes from a foreign web page";
    ReservedTopic = "reserved-topic", FORBIDDEN, "The topic belongs to the host";
    UnknownPath = "unknown-path", NOT_FOUND, "There is nothing under this path";
    UnknownSaga = "unknown-saga", NOT_FOUND, "There is no such saga";
    UnknownUseCase = "unknown-use-case", NOT_FOUND, "There is no such use case";
    UnknownGroup = "unknown-group", NOT_FOUND, "There is no such error group";
    UnknownStep = "unknown-step", NOT_FOUND, "There is no such remote step";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "The path does not know this method";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request did not come in time";
    WrongStatus = "wrong-status", CONFLICT, "The saga is not in a state for this";
    GlobalIdTaken = "global-id-taken", CONFLICT, "Another use case's saga has this global-id";
    BodyDiffers = "body-differs", CONFLICT, "This global-id was used with another body";
    LeaseOver = "lease-over", CONFLICT, "The worker no longer has this call";
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The body is too large";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body is of a kind that is not read";
    HeadTooLarge = "head-too-large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The request's head is too large";
    BodyRefused = "body-refused", UNPROCESSABLE_ENTITY, "The body does not meet the use case's schema";
    AnswerRefused = "answer-refused", UNPROCESSABLE_ENTITY, "The worker's answer breaks the contract";
    Internal = "internal", INTERNAL_SERVER_ERROR, "The host could not answer";
    Busy = "busy", SERVICE_UNAVAILABLE, "Too much is going on";
    NotReady = "not-ready", SERVICE_UNAVAILABLE, "The host takes no work";
}

/// A refusal on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    /// This occurrence, for people: what was wrong and what to do.
    pub(crate) detail: String,
    /// The value of `Allow`, where the method is not known.
    pub(crate) allow: Option<String>,
}

impl Problem {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), allow: None }
    }

    /// A failure in the host itself. The cause goes to the log, since it may tell of the host's inside.
    pub(crate) fn internal(doing: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(doing, %error, "a request could not be answered");
        Self::new(Code::Internal, format!("the host could not {doing}; its log says why"))
    }

    pub(crate) fn of_store(doing: &'static str, error: &host_store::Error) -> Self {
        match error {
            host_store::Error::Cursor => Self::new(Code::InvalidCursor, error.to_string()),
            host_store::Error::ShuttingDown => Self::new(Code::NotReady, "the host is shutting down"),
            host_store::Error::Table(_)
            | host_store::Error::Format { .. }
            | host_store::Error::Corrupt { .. }
            | host_store::Error::InUse { .. }
            | host_store::Error::Damaged(_)
            | host_store::Error::Open { .. } => Self::internal(doing, error),
        }
    }

    pub(crate) fn of_broker(doing: &'static str, error: &host_broker::Error) -> Self {
        match error {
            host_broker::Error::ShuttingDown => Self::new(Code::NotReady, "the host is shutting down"),
            host_broker::Error::Taken
            | host_broker::Error::Lost { .. }
            | host_broker::Error::Uncertain { .. }
            | host_broker::Error::Namesake { .. } => Self::new(Code::NotReady, error.to_string()),
            host_broker::Error::Table(_)
            | host_broker::Error::Corrupt { .. }
            | host_broker::Error::Cluster { .. }
            | host_broker::Error::TopicsMissing { .. } => Self::internal(doing, error),
        }
    }
}

/// The code under which a refusal of the door is known.
pub(crate) fn code_of(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::UnknownUseCase(_) => Code::UnknownUseCase,
        Refusal::UnknownSaga(_) => Code::UnknownSaga,
        Refusal::BodyRefused { .. } => Code::BodyRefused,
        Refusal::TooLarge { .. } => Code::TooLarge,
        Refusal::WrongStatus { .. } => Code::WrongStatus,
        Refusal::UnknownStep(_) => Code::UnknownStep,
        Refusal::Token(_) => Code::Unauthorized,
        Refusal::LeaseOver(_) => Code::LeaseOver,
        Refusal::AnswerRefused(_) => Code::AnswerRefused,
        Refusal::Busy { .. } => Code::Busy,
        Refusal::Stopped(_) | Refusal::NotReady(_) => Code::NotReady,
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(code_of(&refusal), told(&refusal))
    }
}

/// What a caller hears of a refusal. Why a host is not ready may come from a disk or a broker and tell of the host's
/// inside, so it goes to the log.
pub(crate) fn told(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotReady(why) => {
            tracing::warn!(reason = why, "a request was refused: the host takes no work");
            "the host takes no work now; /readyz tells whether it starts, stops or has failed".to_owned()
        }
        Refusal::UnknownUseCase(_)
        | Refusal::UnknownSaga(_)
        | Refusal::BodyRefused { .. }
        | Refusal::TooLarge { .. }
        | Refusal::WrongStatus { .. }
        | Refusal::UnknownStep(_)
        | Refusal::Token(_)
        | Refusal::LeaseOver(_)
        | Refusal::AnswerRefused(_)
        | Refusal::Busy { .. }
        | Refusal::Stopped(_) => refusal.to_string(),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'a str,
}

impl Problem {
    /// The document itself.
    pub(crate) fn document(&self) -> Vec<u8> {
        let code = self.code.as_str();
        let document = Document {
            r#type: format!("/docs/errors/{code}"),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code,
            detail: &self.detail,
        };
        serde_json::to_vec(&document).expect("texts and a number are always written")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.document()));
        *response.status_mut() = self.code.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self.code {
            Code::Unauthorized => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"saga\""));
            }
            Code::Busy | Code::NotReady => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            // What is left of the request is not read, so nothing more can come over this connection.
            Code::RequestTimeout | Code::BadRequest => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Code::MethodNotAllowed => {
                if let Some(allow) = self.allow.and_then(|allow| HeaderValue::try_from(allow).ok()) {
                    headers.insert(ALLOW, allow);
                }
            }
            Code::InvalidJson
            | Code::InvalidParameter
            | Code::InvalidCursor
            | Code::ForbiddenOrigin
            | Code::ReservedTopic
            | Code::UnknownPath
            | Code::UnknownSaga
            | Code::UnknownUseCase
            | Code::UnknownGroup
            | Code::UnknownStep
            | Code::LeaseOver
            | Code::AnswerRefused
            | Code::WrongStatus
            | Code::GlobalIdTaken
            | Code::BodyDiffers
            | Code::TooLarge
            | Code::HeadTooLarge
            | Code::UnsupportedMediaType
            | Code::BodyRefused
            | Code::Internal => {}
        }
        response
    }
}
