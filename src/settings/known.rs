//! The names of all settings, their defaults and what they mean. The README's table is this one; a test compares them.

/// A setting's name, its default as a person would write it, and its meaning.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The name, in the environment and in files alike.
    pub name: &'static str,
    /// The default, or what happens without a value.
    pub default: &'static str,
    /// What it does, in one line.
    pub meaning: &'static str,
}

const fn known(name: &'static str, default: &'static str, meaning: &'static str) -> Known {
    Known {
        name,
        default,
        meaning,
    }
}

/// All of them.
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
        "Connections served at once, by all threads together. On more, only /health/ is answered, and the rest is 503.",
    ),
    known(
        "SERVER_KEEP_ALIVE",
        "75s",
        "How long a connection may stay without a request; longer than a proxy before the server keeps its own. 1s to 1h.",
    ),
    known(
        "SERVER_DRAIN",
        "5s, or 0 on a terminal",
        "How long a stopping server is not ready but still accepts connections, so that load balancers notice. 0s to 5m.",
    ),
    known(
        "SERVER_TLS_CERT",
        "none",
        "The path of a certificate and its chain in PEM: the server then speaks https, and reads them again when they change.",
    ),
    known(
        "SERVER_TLS_KEY",
        "none",
        "The path of the certificate's private key in PEM.",
    ),
    known(
        "SERVER_CORS_ORIGINS",
        "none",
        "Other origins whose pages may use the server, with commas, as in https://app.example.org or capacitor://localhost.",
    ),
    known(
        "SERVER_ACCESS_LOG",
        "on",
        "off: no line a request in the log, but for those that failed by a fault of the server.",
    ),
    known(
        "SERVER_TRUSTED_PROXIES",
        "none",
        "Addresses or networks of proxies before the server, whose Forwarded or X-Forwarded-For says where a request came from.",
    ),
    known(
        "SERVER_FORWARDED_HEADER",
        "auto",
        "Which of the two the proxies write: forwarded, x-forwarded-for, or auto: either, and where both come and disagree, logins are refused.",
    ),
    known(
        "PUBLIC_URL",
        "SERVER_BIND, on loopback",
        "The address browsers use; decides on Secure cookies, and pages that come by another name may change nothing.",
    ),
    known(
        "DATABASE_URL",
        "sqlite://data/tokenpair.db",
        "sqlite://path, or postgres://user:password@host/database.",
    ),
    known("DATABASE_POOL", "8", "Connections to the database at most."),
    known(
        "DATABASE_WAIT",
        "4s",
        "How long a request waits for the database before it is answered with 503; 1s to 60s.",
    ),
    known(
        "DATABASE_START_WAIT",
        "30s",
        "How long a server that starts waits for PostgreSQL to be available; 0 to 1h. 0: it fails at once.",
    ),
    known(
        "DATABASE_MIGRATE",
        "auto",
        "auto: the server runs migrations at its start. off: it refuses to start while any are pending; run `tokenpair migrate`.",
    ),
    known(
        "DATABASE_POOLER",
        "auto",
        "transaction: PostgreSQL is behind a transaction pooler such as PgBouncer. off: it is not. auto: found out when it connects.",
    ),
    known(
        "REGISTRATION",
        "open",
        "open: anyone may register. closed: only `tokenpair user add`.",
    ),
    known(
        "PASSWORD_BCRYPT_COST",
        "12",
        "bcrypt's cost, 10 to 16; each step doubles the time of a login.",
    ),
    known(
        "PASSWORD_MIN_LENGTH",
        "8",
        "The shortest password that one may choose, in characters; 8 to 64.",
    ),
    known(
        "PASSWORD_QUEUE",
        "64",
        "How many passwords may wait to be hashed. Past it the network with the most waiting gets 503 for its newest.",
    ),
    known(
        "THROTTLE",
        "on",
        "Makes those wait who give too many wrong passwords; off for tests.",
    ),
    known(
        "THROTTLE_ACCOUNT",
        "10/15m",
        "Wrong passwords for one account that one network may give in that time; an IPv6 /56 twice, a /48 four times, all networks together ten times as many.",
    ),
    known(
        "THROTTLE_PEER",
        "100/15m",
        "Wrong passwords, and as many registrations, that one network (an IPv4 address, an IPv6 /64) may send in that time; an IPv6 /56 twice, a /48 four times as many.",
    ),
    known(
        "SESSION_MAX_AGE",
        "90d",
        "The end of a session, however much it is used.",
    ),
    known(
        "SESSION_ROTATION_WINDOW",
        "60s",
        "For how long a repeated refresh token gets the same successor; 10s to 1h.",
    ),
    known(
        "SESSION_REUSE_POLICY",
        "recover",
        "A refresh token that was replaced: recover bears tabs, retries and lost answers; strict takes each for theft.",
    ),
    known(
        "SESSION_LIMIT",
        "100",
        "The most sessions a user may have at once; past it the oldest ends. off: any number.",
    ),
    known(
        "REVOCATION_STALE_LIMIT",
        "off",
        "Answers 503 once it could not be read for this long what other replicas revoked; 10s to 1d.",
    ),
    known("AUDIT_KEEP", "90d", "For how long audit events are kept."),
    known(
        "JWT_SECRET_KEY",
        "made on first start, on loopback only",
        "The secret that signs; 32, 48 or 64 bytes or more for HS256, HS384, HS512.",
    ),
    known(
        "JWT_ALGORITHM",
        "HS256",
        "HS, RS or PS with 256, 384 or 512, ES256, ES384 or EdDSA. HS signs with JWT_SECRET_KEY, the others with a key pair.",
    ),
    known(
        "JWT_PREVIOUS_SECRET_KEYS",
        "none",
        "Secrets that signed before; their tokens stay good. Several with commas.",
    ),
    known(
        "JWT_PREVIOUS_ALGORITHM",
        "JWT_ALGORITHM",
        "What the previous secrets signed with: HS256, HS384 or HS512.",
    ),
    known(
        "JWT_KEYS_DIR",
        "data/keys, made on first start, on loopback only",
        "The folder of key pairs that `tokenpair keys` rotates; a running server follows it.",
    ),
    known(
        "JWT_PRIVATE_KEY",
        "none",
        "One private key in PEM form, instead of a folder.",
    ),
    known(
        "JWT_ACCESS_TOKEN_EXPIRES",
        "1h",
        "How long an access token lives.",
    ),
    known(
        "JWT_REFRESH_TOKEN_EXPIRES",
        "30d",
        "How long an unused session, and its refresh token, lives.",
    ),
    known(
        "JWT_REISSUE_WITHIN",
        "30m, or half of JWT_ACCESS_TOKEN_EXPIRES if that is less",
        "An access cookie with less to live gets a successor, if the refresh cookie comes with it; 0 for never.",
    ),
    known(
        "JWT_TOKEN_LOCATION",
        "cookies,headers",
        "Where tokens are looked for, in this order.",
    ),
    known(
        "JWT_HEADER_NAME",
        "Authorization",
        "The header that carries a token.",
    ),
    known(
        "JWT_HEADER_TYPE",
        "Bearer",
        "The word before the token in that header; none for a bare token.",
    ),
    known("JWT_ENCODE_ISSUER", "none", "The iss written into tokens."),
    known("JWT_DECODE_ISSUER", "none", "The iss asked for."),
    known(
        "JWT_ENCODE_AUDIENCE",
        "none",
        "The aud written into tokens; several with commas.",
    ),
    known(
        "JWT_DECODE_AUDIENCE",
        "none",
        "The aud asked for, one of these.",
    ),
    known(
        "JWT_ACCEPT_FOREIGN",
        "false",
        "Takes access tokens without a session too, as a Flask app under the same secret makes them; they cannot be ended.",
    ),
    known(
        "JWT_INVALID_TOKEN_STATUS",
        "422",
        "The status for a malformed, forged or misplaced token: 422, as Flask-JWT-Extended's, or 401, so that clients need one rule.",
    ),
    known("JWT_ENCODE_NBF", "true", "Whether tokens carry nbf."),
    known(
        "JWT_DECODE_LEEWAY",
        "0s",
        "How long after its exp a token is still valid, and how far in the future iat and nbf may be if that is more than 5s; at most 5m.",
    ),
    known(
        "JWT_CACHE",
        "10000",
        "How many access tokens are remembered once they were verified, so that no signature is computed twice; 0 for none.",
    ),
    known(
        "JWT_COOKIE_SECURE",
        "auto",
        "true, false, or auto: on, except where PUBLIC_URL is plain http on loopback.",
    ),
    known(
        "JWT_COOKIE_SAMESITE",
        "Lax",
        "Lax, Strict, or None (which needs Secure).",
    ),
    known(
        "JWT_COOKIE_DOMAIN",
        "none",
        "Shares the cookies with a domain's other hosts; none is safest.",
    ),
    known(
        "JWT_COOKIE_PREFIX",
        "none",
        "none, or host or secure: `__Host-` or `__Secure-` before all names, which browsers then guard.",
    ),
    known(
        "JWT_SESSION_COOKIE",
        "true",
        "Cookies end with the browser, unless the login says remember.",
    ),
    known(
        "JWT_COOKIE_CSRF_PROTECT",
        "true",
        "Asks for the CSRF header where a token came by cookie.",
    ),
    known(
        "JWT_CSRF_IN_COOKIES",
        "true",
        "Sets the CSRF cookies. If false, logins and refreshes return the values in their JSON, and GET /csrf returns them again.",
    ),
    known(
        "JWT_CSRF_METHODS",
        "POST,PUT,PATCH,DELETE",
        "The methods that need the CSRF header.",
    ),
    known(
        "JWT_ACCESS_COOKIE_NAME",
        "access_token_cookie",
        "The access token's cookie.",
    ),
    known("JWT_ACCESS_COOKIE_PATH", "/", "Its path."),
    known(
        "JWT_ACCESS_CSRF_COOKIE_NAME",
        "csrf_access_token",
        "The cookie with the access token's CSRF value.",
    ),
    known("JWT_ACCESS_CSRF_COOKIE_PATH", "/", "Its path."),
    known(
        "JWT_ACCESS_CSRF_HEADER_NAME",
        "X-CSRF-TOKEN",
        "The header that repeats it.",
    ),
    known(
        "JWT_REFRESH_COOKIE_NAME",
        "refresh_token_cookie",
        "The refresh token's cookie.",
    ),
    known("JWT_REFRESH_COOKIE_PATH", "/", "Its path."),
    known(
        "JWT_REFRESH_CSRF_COOKIE_NAME",
        "csrf_refresh_token",
        "The cookie with the refresh token's CSRF value.",
    ),
    known("JWT_REFRESH_CSRF_COOKIE_PATH", "/", "Its path."),
    known(
        "JWT_REFRESH_CSRF_HEADER_NAME",
        "X-CSRF-TOKEN",
        "The header that repeats it.",
    ),
    known(
        "RUST_LOG",
        "info,actix_http=off,actix_server=warn",
        "What is logged: error, warn, info, debug, or by module (env_logger); tokenpair::request is a line a request.",
    ),
];

/// Settings whose value is never shown.
pub(super) const SECRET: &[&str] = &[
    "JWT_SECRET_KEY",
    "JWT_PREVIOUS_SECRET_KEYS",
    "JWT_PRIVATE_KEY",
];

/// Names that begin like this are ours, so an unknown one is probably a slip of the pen.
pub(super) const PREFIXES: &[&str] = &[
    "JWT_",
    "SERVER_",
    "SESSION_",
    "PASSWORD_",
    "THROTTLE",
    "REVOCATION_",
    "AUDIT_",
];

/// Flask-JWT-Extended has these; this server does not, and says so instead of silently doing something else.
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

/// The known name that is most like an unknown one, and how many letters lie between them.
pub(super) fn nearest(name: &str) -> Option<(&'static str, usize)> {
    let distance = |known: &Known| (known.name, strsim::damerau_levenshtein(known.name, name));
    KNOWN
        .iter()
        .map(distance)
        .min_by_key(|(_, letters)| *letters)
}
