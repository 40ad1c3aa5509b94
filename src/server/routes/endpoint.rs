//! Defines [`Endpoint`], a handler together with its part of the OpenAPI description, and how
//! endpoints become resources.

use std::sync::OnceLock;

use actix_web::guard;
use actix_web::http::{Method, StatusCode};
use actix_web::web::ServiceConfig;
use actix_web::{FromRequest, Handler, Resource, Responder, Route, web};
use utoipa::openapi::{OpenApi, PathItem};

use super::fallback;
use crate::server::error_code::AnyCode;
use crate::server::metrics::RouteSeries;
use crate::server::openapi::{self, refusals};
use crate::server::panics::CatchPanics;

/// A handler with its path, its methods and its description, which all come from its
/// `#[utoipa::path]` attribute.
pub(super) struct Endpoint {
    describe: fn() -> OpenApi,
    /// The errors of its own, each with the status that it has here.
    refusals: Vec<(StatusCode, AnyCode)>,
    path: String,
    methods: &'static [Method],
    route: Route,
    mount: Mount,
}

/// Adds the resource of a path to the app.
pub(in crate::server) type Mount = fn(Resource, &mut ServiceConfig);

/// The path of an endpoint and its methods, as its description says.
pub(super) type Place = (String, &'static [Method]);

/// Makes an [`Endpoint`] of a handler. The derive is what knows the name of the type that the
/// attribute made. Each worker makes the endpoints, so the place is read from the description once:
/// descriptions are large, and nothing else in a worker needs them.
macro_rules! endpoint {
    ($module:ident :: $handler:ident) => {{
        #[derive(::utoipa::OpenApi)]
        #[openapi(paths($module::$handler))]
        struct Described;
        static PLACE: ::std::sync::OnceLock<$crate::server::routes::endpoint::Place> =
            ::std::sync::OnceLock::new();
        $crate::server::routes::endpoint::Endpoint::new(
            <Described as ::utoipa::OpenApi>::openapi,
            &PLACE,
            $module::$handler,
        )
    }};
}
pub(super) use endpoint;

pub(super) const GET: &[Method] = &[Method::GET, Method::HEAD];
const GET_ALONE: &[Method] = &[Method::GET];
pub(super) const POST: &[Method] = &[Method::POST];
const PUT: &[Method] = &[Method::PUT];
const PATCH: &[Method] = &[Method::PATCH];
const DELETE: &[Method] = &[Method::DELETE];
/// Every method, including those that nobody has heard of.
const ANY: &[Method] = &[];

impl Endpoint {
    pub(super) fn new<F, Args>(
        describe: fn() -> OpenApi,
        place: &OnceLock<Place>,
        handler: F,
    ) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let (path, methods) = place.get_or_init(|| {
            let described = describe();
            let described = described.paths.paths.first_key_value();
            described
                .map(|(path, item)| (path.clone(), methods(item)))
                .unwrap_or_default()
        });
        Self {
            describe,
            refusals: Vec::new(),
            path: path.clone(),
            methods,
            route: web::route().to(handler),
            mount: |resource, app| {
                app.service(resource.wrap(CatchPanics));
            },
        }
    }

    /// Makes an endpoint that is no part of the OpenAPI description.
    pub(super) fn undescribed<F, Args>(methods: &'static [Method], path: &str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self {
            path: path.to_owned(),
            methods,
            ..Self::new(OpenApi::default, &OnceLock::new(), handler)
        }
    }

    /// Returns its part of the OpenAPI description.
    pub(super) fn description(&self) -> OpenApi {
        let mut description = (self.describe)();
        let items = description.paths.paths.values_mut();
        for operation in items.flat_map(openapi::operations_of) {
            for (status, code) in &self.refusals {
                refusals::add_with_status(operation, *code, *status);
            }
        }
        description
    }

    /// Adds errors of its own to the description. Those of all operations of its kind are added to
    /// each.
    pub(super) fn refuses<C: Copy + Into<AnyCode>>(self, codes: &[C]) -> Self {
        codes.iter().fold(self, |endpoint, code| {
            let code: AnyCode = (*code).into();
            endpoint.refuses_with(code.status(), code)
        })
    }

    /// Adds an error that has another status here than elsewhere.
    pub(super) fn refuses_with(mut self, status: StatusCode, code: impl Into<AnyCode>) -> Self {
        self.refusals.push((status, code.into()));
        self
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Leaves HEAD out, for a GET that changes something.
    pub(super) fn without_head(mut self) -> Self {
        self.methods = GET_ALONE;
        self
    }

    /// Answers every method, though the description has one.
    pub(super) fn for_every_method(mut self) -> Self {
        self.methods = ANY;
        self
    }

    /// Mounts the path's resource in another way, with middleware of its own.
    pub(super) fn mounted_by(mut self, mount: Mount) -> Self {
        self.mount = mount;
        self
    }
}

fn methods(item: &PathItem) -> &'static [Method] {
    let methods = [
        (&item.get, GET),
        (&item.post, POST),
        (&item.put, PUT),
        (&item.patch, PATCH),
        (&item.delete, DELETE),
    ];
    methods
        .into_iter()
        .find(|(operation, _)| operation.is_some())
        .map(|(_, methods)| methods)
        .unwrap_or_default()
}

/// Adds a resource for each path, behind the prefix. It answers other methods too: actix would
/// answer 404. If requests are `counted`, each resource brings its series.
pub(super) fn mount(
    endpoints: Vec<Endpoint>,
    prefix: &str,
    counted: bool,
    app: &mut ServiceConfig,
) {
    let mut paths: Vec<(String, Vec<Endpoint>)> = Vec::new();
    for endpoint in endpoints {
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, of_path)) => of_path.push(endpoint),
            None => paths.push((endpoint.path.clone(), vec![endpoint])),
        }
    }
    // Each pattern that a path is compared with costs, and one with parameters costs most.
    paths.sort_by_key(|(path, _)| path.contains('{'));
    for (path, of_path) in paths {
        let pattern = format!("{prefix}{path}");
        let mut resource = web::resource(pattern.as_str());
        if counted {
            resource = resource.app_data(RouteSeries::of(&pattern));
        }
        let mut allow = Vec::new();
        let mut mount = None;
        for endpoint in of_path {
            let methods = endpoint.methods;
            let guard = guard::fn_guard(|request| {
                methods.is_empty() || methods.contains(&request.head().method)
            });
            resource = resource.route(endpoint.route.guard(guard));
            allow.extend(methods.iter().map(Method::as_str));
            mount = Some(endpoint.mount);
        }
        allow.push(Method::OPTIONS.as_str());
        let allow = allow.join(", ");
        let resource = resource.default_service(web::to(move |method: Method| {
            let allow = allow.clone();
            async move { fallback::other_method(&method, &allow) }
        }));
        if let Some(mount) = mount {
            mount(resource, app);
        }
    }
}
