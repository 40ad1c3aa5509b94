//! Defines [`ServerErrorCode`], the `code` of every error that the server answers beside those of the library, and the
//! documentation of both.

use actix_web::http::StatusCode;
use tokenpair::web::{ErrorCode, Rejection, RejectionKind};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

tokenpair::__error_codes! {
    /// The `code` of an error of the server's own, with its status, its text and what a client should do.
    pub(super) enum ServerErrorCode {
        "Ask for the password again." => {
            /// The password that confirms a change is wrong. Not a 401, which would say that the login is over.
            WrongPassword = "wrong_password", FORBIDDEN, "The password is wrong";
        }
        "Send the id and the secret of a client that `tokenpair client add` made." => {
            /// The client's id or secret is missing or wrong.
            InvalidClient = "invalid_client", UNAUTHORIZED, "The client's id or secret is missing or wrong";
        }
        "For the operator: add the permission with `tokenpair client permissions`." => {
            /// The client lacks the permission that `msg` names.
            UnauthorizedClient = "unauthorized_client", FORBIDDEN, "This client lacks a permission";
        }
        "Send a token of a session." => {
            /// The token has no session that could end.
            UnsupportedTokenType = "unsupported_token_type", BAD_REQUEST, "A token without a session cannot be revoked";
        }
        "Ask again after the seconds in `Retry-After`." => {
            /// The rate limit of logins, registrations or password confirmations is exceeded.
            TooManyAttempts = "too_many_attempts", TOO_MANY_REQUESTS, "Too many attempts";
        }
        "Ask for another username." => {
            /// The username has a character or a length that no username may have.
            InvalidUsername = "invalid_username", BAD_REQUEST, "Invalid username";
            /// Another user has the username.
            UsernameTaken = "username_taken", CONFLICT, "The username is taken";
        }
        "Ask for another password." => {
            /// The new password is too short.
            PasswordTooShort = "password_too_short", BAD_REQUEST, "The password is too short";
            /// The new password is too long.
            PasswordTooLong = "password_too_long", BAD_REQUEST, "The password is too long";
            /// The new password is too easy to guess.
            PasswordTooCommon = "password_too_common", BAD_REQUEST, "This password is too easy to guess";
        }
        "Ask the operator for an account." => {
            /// Nobody can register on this server.
            RegistrationClosed = "registration_closed", FORBIDDEN, "Registration is closed";
        }
        "Make another user an admin first." => {
            /// The change would leave no enabled admin.
            LastAdmin = "last_admin", CONFLICT, "This user is the last admin";
        }
        "List the users with `GET /admin/users`." => {
            /// No user has this id.
            UserNotFound = "user_not_found", NOT_FOUND, "No such user";
        }
        "List the sessions with `GET /sessions`." => {
            /// The user has no session of this id.
            SessionNotFound = "session_not_found", NOT_FOUND, "No such session";
        }
        "Correct the parameter that `msg` names." => {
            /// The body has no username.
            MissingUsername = "missing_username", BAD_REQUEST, "Missing username parameter";
            /// The body has no password.
            MissingPassword = "missing_password", BAD_REQUEST, "Missing password parameter";
            /// The body lacks another parameter.
            MissingParameter = "missing_parameter", BAD_REQUEST, "Missing parameter";
            /// A parameter has a value that it may not have.
            InvalidParameter = "invalid_parameter", BAD_REQUEST, "Invalid parameter";
        }
        "Send a JSON object with `Content-Type: application/json`." => {
            /// The request has no body.
            MissingJson = "missing_json", BAD_REQUEST, "Missing JSON in request";
            /// The body is no JSON text, or has a member twice.
            MalformedJson = "malformed_json", BAD_REQUEST, "The body is not valid JSON";
            /// The body is a JSON text, but not an object.
            NotAJsonObject = "not_a_json_object", BAD_REQUEST, "The body has to be a JSON object";
            /// The body has another content type.
            UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE, "The body is not JSON by its Content-Type";
        }
        "For the operator: list the page's origin in `SERVER_CORS_ORIGINS`." => {
            /// A page of another site sent the request.
            CrossSiteRequest = "cross_site_request", FORBIDDEN, "Cross-site request refused";
        }
        "Use only origins, methods and request headers that the server allows: `msg` names the refused one. To a listed origin the status is 200." => {
            /// A CORS preflight was refused.
            CorsRefused = "cors_refused", FORBIDDEN, "Preflight refused";
        }
        "Use the address in `PUBLIC_URL`, or correct that setting." => {
            /// A browser sent the request to another host name.
            WrongHost = "wrong_host", FORBIDDEN, "This server has another name";
        }
        "Log out with `POST /logout`. `GET /logout` is for links that a person follows." => {
            /// `GET /logout` was loaded by a page or a script.
            LinkRequired = "link_required", FORBIDDEN, "By GET only a link logs out";
            /// `GET /logout` was prefetched.
            PrefetchRefused = "prefetch_refused", FORBIDDEN, "This is not fetched in advance";
        }
        "For the operator: `GET /health/ready` says why the database takes no writes." => {
            /// The database is read-only.
            DatabaseReadOnly = "database_read_only", SERVICE_UNAVAILABLE, "The database is read-only";
            /// The disk of the database is full.
            DatabaseFull = "database_full", SERVICE_UNAVAILABLE, "The database's disk is full";
            /// The database refuses writes for another reason.
            DatabaseNotWritable = "database_not_writable", SERVICE_UNAVAILABLE, "The database refuses writes";
        }
        "Correct the path." => {
            /// No route has this path.
            NotFound = "not_found", NOT_FOUND, "Not found";
        }
        "Use a method that the header `Allow` lists." => {
            /// The path has no route with this method.
            MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "Method not allowed";
        }
        "Send the same request again after the seconds in `Retry-After`." => {
            /// More connections are open than `SERVER_MAX_CONNECTIONS` allows.
            TooManyConnections = "too_many_connections", SERVICE_UNAVAILABLE, "Too many connections";
        }
        "Send the request line and all headers at once." => {
            /// The request line and the headers took too long.
            HeadTooSlow = "head_too_slow", REQUEST_TIMEOUT, "The head of the request took too long";
        }
        "Send fewer or smaller headers. Delete this site's cookies if there are many." => {
            /// The request line and the headers are too large.
            HeadTooLarge = "head_too_large", REQUEST_HEADER_FIELDS_TOO_LARGE, "The head of the request is too large";
        }
        "Correct the request: it is not valid HTTP, or has an address that no route takes. Other 4xx statuses have this code too." => {
            /// The request is malformed.
            BadRequest = "bad_request", BAD_REQUEST, "Bad Request";
        }
    }
}

impl ServerErrorCode {
    /// Returns the code of a rejection. `None` if it is not one of the server's own.
    pub(super) fn of(rejection: &Rejection) -> Option<Self> {
        let mut codes = Self::ALL.iter().copied();
        codes.find(|code| rejection.error_code().is_none() && code.as_str() == rejection.code())
    }
}

/// A rejection with the code's usual status and text.
impl From<ServerErrorCode> for Rejection {
    fn from(code: ServerErrorCode) -> Self {
        Self::new(code.status(), code.as_str(), code.message())
    }
}

/// Codes of the library that only other applications answer: the server has no loaders.
const OF_APPLICATIONS: [ErrorCode; 2] = [ErrorCode::ClaimsRefused, ErrorCode::UserNotLoaded];

/// A code of the library or of the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyCode {
    Library(ErrorCode),
    Server(ServerErrorCode),
}

impl From<ErrorCode> for AnyCode {
    fn from(code: ErrorCode) -> Self {
        Self::Library(code)
    }
}

impl From<ServerErrorCode> for AnyCode {
    fn from(code: ServerErrorCode) -> Self {
        Self::Server(code)
    }
}

impl AnyCode {
    /// Returns every code that the server answers.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let answered = ErrorCode::ALL
            .iter()
            .filter(|code| !OF_APPLICATIONS.contains(code));
        let library = answered.copied().map(Self::Library);
        let server = ServerErrorCode::ALL.iter().copied().map(Self::Server);
        library.chain(server)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Library(code) => code.as_str(),
            Self::Server(code) => code.as_str(),
        }
    }

    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Library(code) => code.status(),
            Self::Server(code) => code.status(),
        }
    }

    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Library(code) => code.message(),
            Self::Server(code) => code.message(),
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Library(code) => code.action(),
            Self::Server(code) => code.action(),
        }
    }

    /// Returns the status as the documentation has it.
    fn status_in_words(self) -> String {
        match self {
            Self::Library(code) if code.kind() == RejectionKind::InvalidToken => {
                "422, or 401 (`JWT_INVALID_TOKEN_STATUS`)".to_owned()
            }
            code => code.status().as_str().to_owned(),
        }
    }
}

/// Returns the table of all codes in Markdown, with a row for all codes of one status that ask for the same action.
fn table() -> String {
    let mut rows: Vec<(Vec<String>, String, &str)> = Vec::new();
    for code in AnyCode::all() {
        let (status, action) = (code.status_in_words(), code.action());
        let code = format!("`{}`", code.as_str());
        let same = |row: &&mut (_, String, &str)| row.1 == status && row.2 == action;
        match rows.iter_mut().find(same) {
            Some((codes, ..)) => codes.push(code),
            None => rows.push((vec![code], status, action)),
        }
    }
    let rows = rows
        .into_iter()
        .map(|(codes, status, action)| format!("| {} | {status} | {action} |\n", codes.join(", ")));
    let head = "| code | status | what to do |\n|---|---|---|\n";
    std::iter::once(head.to_owned()).chain(rows).collect()
}

/// The type of the member `code`, for the description of the API.
pub(super) struct Code;

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let codes = AnyCode::all().map(AnyCode::as_str);
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let what = format!(
            "For programs. A code never changes; new ones may be added.\n\n{}",
            table()
        );
        schema
            .enum_values(Some(codes))
            .description(Some(what))
            .into()
    }
}

impl ToSchema for Code {}
