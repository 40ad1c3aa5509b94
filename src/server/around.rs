//! What is done around every handler, as two middlewares with CORS between them, or as one where there is no CORS. Each calls
//! its rules one after the other: a middleware for each would cost every request an allocation.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};

use super::telemetry::Line;
use super::unread::{self, Held};
use super::{browser, envelope};
use crate::web::reissue_for;

/// What is true of every answer, whoever gave it, and its line in the log.
struct Around {
    line: Line,
    body: Option<Held>,
}

impl Around {
    fn begin(request: &mut ServiceRequest) -> Self {
        Self {
            line: Line::begin(request),
            body: unread::lend(request),
        }
    }

    fn end(self, response: ServiceResponse) -> ServiceResponse {
        let mut response = envelope::seal(response);
        self.line.end(&mut response);
        unread::keep(response, self.body)
    }
}

/// The outer middleware.
pub(super) fn all<S, B>(
    mut request: ServiceRequest,
    inner: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody + 'static,
{
    let around = Around::begin(&mut request);
    let answer = inner.call(request);
    async { Ok(around.end(answer.await?.map_into_boxed_body())) }
}

/// Both middlewares in one.
pub(super) fn all_and_handler<S>(
    mut request: ServiceRequest,
    inner: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let around = Around::begin(&mut request);
    let answer = handler(request, inner);
    async { Ok(around.end(answer.await?)) }
}

/// The inner middleware: which requests get to a handler, and what follows its answer.
pub(super) fn handler<S>(
    request: ServiceRequest,
    inner: &S,
) -> impl Future<Output = Result<ServiceResponse, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse, Error = Error>,
{
    let checked = envelope::refuse_nul(&request);
    let checked = checked.and_then(|()| browser::refuse_foreign_pages(&request));
    let answer = match checked {
        Ok(()) => Ok(inner.call(request)),
        Err(rejection) => Err(request.error_response(rejection)),
    };
    async {
        let mut response = match answer {
            Ok(answer) => answer.await?,
            Err(refused) => return Ok(refused),
        };
        reissue_for(&mut response).await;
        Ok(browser::send_to_login(response))
    }
}
