//! Defines the name, default and meaning of every setting. A test compares them with the README's table.

/// The documentation of a setting.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The name, in the environment and in files.
    pub name: &'static str,
    /// The default as a person would write it, or the behaviour without a value.
    pub default: &'static str,
    /// The meaning, in one line.
    pub meaning: &'static str,
}

const fn known(name: &'static str, default: &'static str, meaning: &'static str) -> Known {
    Known {
        name,
        default,
        meaning,
    }
}

/// All settings.
pub const KNOWN: &[Known] = &[
    known(
        "SERVER_BIND",
        "127.0.0.1:8080",
        "The address and port to listen on.",
    ),
    known(
        "SERVER_WORKERS",
        "one per core",
        "Threads that serve requests.",
    ),
    known(
        "SERVER_MAX_CONNECTIONS",
        "10000",
        "Maximum concurrent connections across all threads. Past it only /health/ is answered, and other requests get 503.",
    ),
    known(
        "SERVER_KEEP_ALIVE",
        "75s",
        "Idle timeout of a connection; make it longer than that of a proxy in front of the server. 1s to 1h.",
    ),
    known(
        "SERVER_DRAIN",
        "5s, or 0 on a terminal",
        "How long a stopping server reports not ready but still accepts connections, so that load balancers notice. 0s to 5m.",
    ),
    known(
        "SERVER_TLS_CERT",
        "none",
        "Path of a PEM certificate and its chain. The server then serves https, and reloads the certificate when it changes.",
    ),
    known(
        "SERVER_TLS_KEY",
        "none",
        "Path of the certificate's PEM private key.",
    ),
    known(
        "SERVER_CORS_ORIGINS",
        "none",
        "Other origins whose pages may use the server, comma-separated, such as https://app.example.org or capacitor://localhost.",
    ),
    known(
        "SERVER_ACCESS_LOG",
        "on",
        "on: log every request. off: log only requests that fail with a 5xx.",
    ),
    known(
        "SERVER_TRUSTED_PROXIES",
        "none",
        "Addresses or networks of trusted proxies, whose Forwarded or X-Forwarded-For header gives the client's address.",
    ),
    known(
        "SERVER_FORWARDED_HEADER",
        "auto",
        "Header that the proxies write: forwarded, x-forwarded-for, or auto. auto: either; if both are present and disagree, logins are rejected.",
    ),
    known(
        "PUBLIC_URL",
        "SERVER_BIND, on loopback",
        "Address that browsers use. It decides whether cookies are Secure; writes from pages under another host name are rejected.",
    ),
    known(
        "DATABASE_URL",
        "sqlite://data/tokenpair.db",
        "sqlite://path, or postgres://user:password@host/database.",
    ),
    known("DATABASE_POOL", "8", "Maximum size of the connection pool."),
    known(
        "DATABASE_WAIT",
        "4s",
        "How long a request waits for the database before it gets 503; 1s to 60s.",
    ),
    known(
        "DATABASE_START_WAIT",
        "30s",
        "How long a starting server retries connecting to PostgreSQL; 0 to 1h. 0: fail at once.",
    ),
    known(
        "DATABASE_MIGRATE",
        "auto",
        "auto: run migrations at start. off: refuse to start while migrations are pending; run `tokenpair migrate`.",
    ),
    known(
        "DATABASE_POOLER",
        "auto",
        "transaction: PostgreSQL is behind a transaction pooler such as PgBouncer. off: it is not. auto: detected on connecting.",
    ),
    known(
        "REGISTRATION",
        "open",
        "open: anyone may register. closed: only `tokenpair user add` creates accounts.",
    ),
    known(
        "PASSWORD_BCRYPT_COST",
        "12",
        "bcrypt cost, 10 to 16; each step doubles the time of a login.",
    ),
    known(
        "PASSWORD_MIN_LENGTH",
        "8",
        "Minimum length of a new password, in characters; 8 to 64.",
    ),
    known(
        "PASSWORD_QUEUE",
        "64",
        "Maximum number of passwords waiting to be hashed. Past it, the network with the most waiting gets 503 for its newest.",
    ),
    known(
        "THROTTLE",
        "on",
        "Rate-limits failed logins; off for tests.",
    ),
    known(
        "THROTTLE_ACCOUNT",
        "10/15m",
        "Wrong passwords allowed per account and network in that time. An IPv6 /56 may send twice, a /48 four times, and all networks together ten times as many.",
    ),
    known(
        "THROTTLE_PEER",
        "100/15m",
        "Wrong passwords, and as many registrations, allowed per network (an IPv4 address or an IPv6 /64) in that time. An IPv6 /56 may send twice, a /48 four times as many.",
    ),
    known(
        "SESSION_MAX_AGE",
        "90d",
        "Absolute timeout of a session, however much it is used.",
    ),
    known(
        "SESSION_ROTATION_WINDOW",
        "60s",
        "How long a repeated refresh token gets the same successor; 10s to 1h.",
    ),
    known(
        "SESSION_REUSE_POLICY",
        "recover",
        "Handling of a refresh token that was already replaced. recover: tolerate tabs, retries and lost responses. strict: treat every reuse as theft.",
    ),
    known(
        "SESSION_LIMIT",
        "100",
        "Maximum number of active sessions per user; past it the oldest ends. off: no limit.",
    ),
    known(
        "REVOCATION_STALE_LIMIT",
        "off",
        "Answers 503 once revocations have not synced for this long; 10s to 1d.",
    ),
    known("AUDIT_KEEP", "90d", "Retention time of audit events."),
    known(
        "JWT_SECRET_KEY",
        "generated on first start, on loopback only",
        "Signing secret of at least 32, 48 or 64 bytes, for HS256, HS384 or HS512.",
    ),
    known(
        "JWT_ALGORITHM",
        "HS256",
        "Signing algorithm: HS, RS or PS with 256, 384 or 512, ES256, ES384 or EdDSA. HS signs with JWT_SECRET_KEY, the others with a key pair.",
    ),
    known(
        "JWT_PREVIOUS_SECRET_KEYS",
        "none",
        "Former signing secrets, comma-separated; the tokens they signed stay valid.",
    ),
    known(
        "JWT_PREVIOUS_ALGORITHM",
        "JWT_ALGORITHM",
        "Algorithm of the former secrets: HS256, HS384 or HS512.",
    ),
    known(
        "JWT_KEYS_DIR",
        "data/keys, generated on first start, on loopback only",
        "Folder of key pairs that `tokenpair keys` rotates; a running server follows its changes.",
    ),
    known(
        "JWT_PRIVATE_KEY",
        "none",
        "A single PEM private key, instead of a folder.",
    ),
    known(
        "JWT_ACCESS_TOKEN_EXPIRES",
        "1h",
        "Lifetime of an access token.",
    ),
    known(
        "JWT_REFRESH_TOKEN_EXPIRES",
        "30d",
        "Lifetime of a refresh token, and idle timeout of its session.",
    ),
    known(
        "JWT_REISSUE_WITHIN",
        "30m, or half of JWT_ACCESS_TOKEN_EXPIRES if that is less",
        "An access cookie with less time left is replaced, if the refresh cookie comes with it; 0: never.",
    ),
    known(
        "JWT_TOKEN_LOCATION",
        "cookies,headers",
        "Where to look for tokens, in this order.",
    ),
    known(
        "JWT_HEADER_NAME",
        "Authorization",
        "Header that carries a token.",
    ),
    known(
        "JWT_HEADER_TYPE",
        "Bearer",
        "Scheme before the token in that header; none for a bare token.",
    ),
    known(
        "JWT_ENCODE_ISSUER",
        "none",
        "iss claim written into tokens.",
    ),
    known("JWT_DECODE_ISSUER", "none", "Required iss claim."),
    known(
        "JWT_ENCODE_AUDIENCE",
        "none",
        "aud claim written into tokens, comma-separated.",
    ),
    known(
        "JWT_DECODE_AUDIENCE",
        "none",
        "Accepted values of the aud claim, comma-separated; a token needs at least one.",
    ),
    known(
        "JWT_ACCEPT_FOREIGN",
        "false",
        "Accepts access tokens without a session too, such as those of a Flask app with the same secret; they cannot be revoked.",
    ),
    known(
        "JWT_INVALID_TOKEN_STATUS",
        "422",
        "Status for a malformed, forged or misplaced token: 422, as in Flask-JWT-Extended, or 401, so that clients need only one rule.",
    ),
    known(
        "JWT_ENCODE_NBF",
        "true",
        "Whether tokens carry an nbf claim.",
    ),
    known(
        "JWT_DECODE_LEEWAY",
        "0s",
        "How long a token stays valid after its exp; if more than 5s, also how far in the future iat and nbf may be. At most 5m.",
    ),
    known(
        "JWT_CACHE",
        "10000",
        "Number of verified access tokens to cache, so that no signature is verified twice; 0: no cache.",
    ),
    known(
        "JWT_COOKIE_SECURE",
        "auto",
        "true, false or auto. auto: true, except where PUBLIC_URL is plain http on loopback.",
    ),
    known(
        "JWT_COOKIE_SAMESITE",
        "Lax",
        "Lax, Strict, or None (which needs Secure).",
    ),
    known(
        "JWT_COOKIE_DOMAIN",
        "none",
        "Domain whose other hosts share the cookies; none is safest.",
    ),
    known(
        "JWT_COOKIE_PREFIX",
        "none",
        "none, host or secure: puts `__Host-` or `__Secure-` before all cookie names, which browsers then protect.",
    ),
    known(
        "JWT_SESSION_COOKIE",
        "true",
        "Cookies expire with the browser session, unless the login sets remember.",
    ),
    known(
        "JWT_COOKIE_CSRF_PROTECT",
        "true",
        "Requires the CSRF header where a token came in a cookie.",
    ),
    known(
        "JWT_CSRF_IN_COOKIES",
        "true",
        "Sets the CSRF cookies. false: logins and refreshes return the CSRF tokens in their JSON, and GET /csrf returns them again.",
    ),
    known(
        "JWT_CSRF_METHODS",
        "POST,PUT,PATCH,DELETE",
        "Methods that require the CSRF header.",
    ),
    known(
        "JWT_ACCESS_COOKIE_NAME",
        "access_token_cookie",
        "Name of the access token's cookie.",
    ),
    known("JWT_ACCESS_COOKIE_PATH", "/", "Path of that cookie."),
    known(
        "JWT_ACCESS_CSRF_COOKIE_NAME",
        "csrf_access_token",
        "Name of the cookie with the access token's CSRF token.",
    ),
    known("JWT_ACCESS_CSRF_COOKIE_PATH", "/", "Path of that cookie."),
    known(
        "JWT_ACCESS_CSRF_HEADER_NAME",
        "X-CSRF-TOKEN",
        "Header that repeats the CSRF token.",
    ),
    known(
        "JWT_REFRESH_COOKIE_NAME",
        "refresh_token_cookie",
        "Name of the refresh token's cookie.",
    ),
    known("JWT_REFRESH_COOKIE_PATH", "/", "Path of that cookie."),
    known(
        "JWT_REFRESH_CSRF_COOKIE_NAME",
        "csrf_refresh_token",
        "Name of the cookie with the refresh token's CSRF token.",
    ),
    known("JWT_REFRESH_CSRF_COOKIE_PATH", "/", "Path of that cookie."),
    known(
        "JWT_REFRESH_CSRF_HEADER_NAME",
        "X-CSRF-TOKEN",
        "Header that repeats the CSRF token.",
    ),
    known(
        "RUST_LOG",
        "info,actix_http=off,actix_server=warn",
        "Log level: error, warn, info or debug, also by module (env_logger); tokenpair::request logs one line per request.",
    ),
];

/// Settings whose values are never shown.
pub(super) const SECRET: &[&str] = &[
    "JWT_SECRET_KEY",
    "JWT_PREVIOUS_SECRET_KEYS",
    "JWT_PRIVATE_KEY",
];

/// Prefixes of this program's settings. An unknown name with such a prefix is probably a typo.
pub(super) const PREFIXES: &[&str] = &[
    "JWT_",
    "SERVER_",
    "SESSION_",
    "PASSWORD_",
    "THROTTLE",
    "REVOCATION_",
    "AUDIT_",
];

/// Settings of Flask-JWT-Extended that this server lacks. It rejects them instead of silently ignoring them.
pub(super) const NOT_HERE: &[&str] = &[
    "JWT_ACCESS_CSRF_FIELD_NAME",
    "JWT_CSRF_CHECK_FORM",
    "JWT_DECODE_ALGORITHMS",
    "JWT_ERROR_MESSAGE_KEY",
    "JWT_IDENTITY_CLAIM",
    "JWT_JSON_KEY",
    "JWT_PUBLIC_KEY",
    "JWT_QUERY_STRING_NAME",
    "JWT_QUERY_STRING_VALUE_PREFIX",
    "JWT_REFRESH_CSRF_FIELD_NAME",
    "JWT_REFRESH_JSON_KEY",
    "JWT_VERIFY_SUB",
];

/// Returns the known name closest to an unknown one, and their edit distance.
pub(super) fn nearest(name: &str) -> Option<(&'static str, usize)> {
    let distance = |known: &Known| (known.name, strsim::damerau_levenshtein(known.name, name));
    KNOWN
        .iter()
        .map(distance)
        .min_by_key(|(_, letters)| *letters)
}
