//! One connection's requests on their way to the router, and the answers back: a connection is busy from a request's
//! head until its answer's body has been handed over, however long that streams.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONNECTION, TRANSFER_ENCODING};
use axum::http::{HeaderValue, Request};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::{HttpService, Service, service_fn};
use hyper_util::service::TowerToHyperService;

use super::places::{Answering, Place};

/// What the protocol asks for answers.
pub(super) fn service(
    router: Router,
    place: Arc<Place>,
) -> impl HttpService<Incoming, ResBody = Answered, Error = Infallible, Future: Send> {
    let router = TowerToHyperService::new(router);
    service_fn(move |request: Request<Incoming>| {
        let begun = place.begin();
        let is_chunked = request.headers().contains_key(TRANSFER_ENCODING);
        let answer = router.call(request);
        async move {
            // The task of a connection that lost its place is about to be dropped.
            let Some(answering) = begun else { return std::future::pending().await };
            let mut response = answer.await?;
            if is_chunked {
                // A Content-Length beside it was passed over, and a proxy in front may have believed that one. What
                // follows could be a request smuggled past it, so nothing does (RFC 9112, 6.1).
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Answered { body, _answering: answering }))
        }
    })
}

/// The body of an answer, and that it is not handed over yet.
pub(super) struct Answered {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
