//! Implements the handling of panics: a panic in a request is a 500 for that request, and the
//! server keeps running.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::{Error, HttpRequest};
use pin_project_lite::pin_project;

use tokenpair::web::Rejection;

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked")]
struct Panicked;

/// The middleware of each resource. Outer middleware must not clone a request, because its route is
/// not known yet. It is no function, because Actix would allocate a future more for each request.
#[derive(Clone, Copy, Debug)]
pub(super) struct CatchPanics;

impl<S, B> Transform<S, ServiceRequest> for CatchPanics
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Transform = Catching<S>;
    type InitError = ();
    type Future = Ready<Result<Catching<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Catching { service }))
    }
}

/// A resource whose panics are caught.
pub(super) struct Catching<S> {
    service: S,
}

impl<S, B> Service<ServiceRequest> for Catching<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse;
    type Error = Error;
    type Future = Caught<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let asked = Some(request.request().clone());
        // The state a request changes is its own, or behind locks that survive a panic.
        let call = AssertUnwindSafe(|| self.service.call(request));
        Caught {
            answer: catch_unwind(call).ok(),
            asked,
        }
    }
}

pin_project! {
    /// The answer of a resource, unless it panics.
    pub(super) struct Caught<F> {
        #[pin]
        answer: Option<F>,
        asked: Option<HttpRequest>,
    }
}

impl<F, B> Future for Caught<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + 'static,
{
    type Output = Result<ServiceResponse, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let poll = |answer: Pin<&mut F>| catch_unwind(AssertUnwindSafe(|| answer.poll(cx))).ok();
        let Some(answer) = this.answer.as_pin_mut().and_then(poll) else {
            return match this.asked.take() {
                Some(asked) => Poll::Ready(Ok(panicked(asked))),
                // Answered before.
                None => Poll::Pending,
            };
        };
        let answer = ready!(answer)?;
        // Outer middleware may need to be the only one that holds the request.
        *this.asked = None;
        Poll::Ready(Ok(answer.map_into_boxed_body()))
    }
}

fn panicked(asked: HttpRequest) -> ServiceResponse {
    ServiceResponse::from_err(Rejection::internal(Panicked), asked)
}

/// Logs panics as errors from now on, with their location. Only constant messages are logged, since
/// others may quote a request.
pub(super) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| log::error!("{}", describe(panic))));
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let words = panic.payload().downcast_ref::<&'static str>();
    let words = words.map(|words| format!(": {words}")).unwrap_or_default();
    let place = panic.location().map(|place| format!(" at {place}"));
    let stack = Backtrace::capture();
    let stack = match stack.status() {
        BacktraceStatus::Captured => format!("\n{stack}"),
        _ => String::new(),
    };
    format!("panicked{}{words}{stack}", place.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use actix_web::http::StatusCode;
    use actix_web::middleware::from_fn;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, HttpResponse, web};

    use super::{CatchPanics, describe};
    use crate::server::middleware;

    async fn panics(body: String) -> HttpResponse {
        assert!(body.is_empty(), "the body is {body:?}");
        HttpResponse::Ok().finish()
    }

    #[actix_web::test]
    async fn a_handler_that_panics_is_a_500_and_the_next_request_is_served() {
        let resource = web::resource("/").to(panics).wrap(CatchPanics);
        let app = App::new().service(resource).wrap(from_fn(middleware::all));
        let app = init_service(app).await;
        for _ in 0..2 {
            let request = TestRequest::post().set_payload("hidden");
            let response = call_service(&app, request.to_request()).await;
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(response.headers().contains_key("x-content-type-options"));
            let body = read_body(response).await;
            let expected = r#"{"msg":"Internal server error","code":"internal_error"}"#;
            assert_eq!(body, expected);
            let fine = TestRequest::post().to_request();
            assert_eq!(call_service(&app, fine).await.status(), StatusCode::OK);
        }
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_with_words_of_ours_alone() {
        let (tell, told) = std::sync::mpsc::channel();
        let before = std::panic::take_hook();
        let of_this_test = std::thread::current().id();
        std::panic::set_hook(Box::new(move |panic| {
            if std::thread::current().id() == of_this_test {
                tell.send(describe(panic)).unwrap();
            }
        }));
        let word = "hidden-word";
        let _quoting = std::panic::catch_unwind(|| panic!("the password is {word}"));
        let _plain = std::panic::catch_unwind(|| panic!("BUG: this cannot be"));
        std::panic::set_hook(before);
        let [quoting, plain] = [told.recv().unwrap(), told.recv().unwrap()];
        for said in [&quoting, &plain] {
            assert!(
                said.starts_with("panicked at src/server/panics.rs:"),
                "{said}"
            );
        }
        assert!(!quoting.contains(word), "{quoting}");
        assert!(plain.contains(": BUG: this cannot be"), "{plain}");
    }
}
