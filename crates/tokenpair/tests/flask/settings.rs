//! Defines the sets of settings to compare, and the facts that a client must know of a set.

use jsonwebtoken::Algorithm;

use super::keys::{Keys, SECRET};

/// One set: a sentence, and the variables that are not Flask-JWT-Extended's defaults.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) variables: Vec<(&'static str, String)>,
    /// The topics to test in full; only some of the other requests are sent.
    pub(crate) topics: &'static [Topic],
}

/// The topic of a group of requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Topic {
    Login,
    Routes,
    Kinds,
    Headers,
    Cookies,
    Csrf,
    SoonOver,
    Queries,
    JsonBodies,
    Precedence,
}

/// All settings of Flask-JWT-Extended 4.7: each must be set in some set below.
pub(crate) const OPTIONS: [&str; 43] = [
    "JWT_ACCESS_COOKIE_NAME",
    "JWT_ACCESS_COOKIE_PATH",
    "JWT_ACCESS_CSRF_COOKIE_NAME",
    "JWT_ACCESS_CSRF_COOKIE_PATH",
    "JWT_ACCESS_CSRF_FIELD_NAME",
    "JWT_ACCESS_CSRF_HEADER_NAME",
    "JWT_ACCESS_TOKEN_EXPIRES",
    "JWT_ALGORITHM",
    "JWT_COOKIE_CSRF_PROTECT",
    "JWT_COOKIE_DOMAIN",
    "JWT_COOKIE_SAMESITE",
    "JWT_COOKIE_SECURE",
    "JWT_CSRF_CHECK_FORM",
    "JWT_CSRF_IN_COOKIES",
    "JWT_CSRF_METHODS",
    "JWT_DECODE_ALGORITHMS",
    "JWT_DECODE_AUDIENCE",
    "JWT_DECODE_ISSUER",
    "JWT_DECODE_LEEWAY",
    "JWT_ENCODE_AUDIENCE",
    "JWT_ENCODE_ISSUER",
    "JWT_ENCODE_NBF",
    "JWT_ERROR_MESSAGE_KEY",
    "JWT_HEADER_NAME",
    "JWT_HEADER_TYPE",
    "JWT_IDENTITY_CLAIM",
    "JWT_JSON_KEY",
    "JWT_PRIVATE_KEY",
    "JWT_PUBLIC_KEY",
    "JWT_QUERY_STRING_NAME",
    "JWT_QUERY_STRING_VALUE_PREFIX",
    "JWT_REFRESH_COOKIE_NAME",
    "JWT_REFRESH_COOKIE_PATH",
    "JWT_REFRESH_CSRF_COOKIE_NAME",
    "JWT_REFRESH_CSRF_COOKIE_PATH",
    "JWT_REFRESH_CSRF_FIELD_NAME",
    "JWT_REFRESH_CSRF_HEADER_NAME",
    "JWT_REFRESH_JSON_KEY",
    "JWT_REFRESH_TOKEN_EXPIRES",
    "JWT_SECRET_KEY",
    "JWT_SESSION_COOKIE",
    "JWT_TOKEN_LOCATION",
    "JWT_VERIFY_SUB",
];

const EVERYWHERE: &str = "headers,cookies,query_string,json";

/// Defines a set by its sentence and its lines `NAME=value`, where `NAME` omits `JWT_`.
macro_rules! set {
    ($name:literal $(, $variable:ident = $value:expr)* $(,)?) => {
        Setting {
            name: $name,
            variables: vec![
                ("JWT_SECRET_KEY", SECRET.to_owned())
                $(, (concat!("JWT_", stringify!($variable)), ($value).to_string()))*
            ],
            topics: &[],
        }
    };
}

pub(crate) fn all(keys: &Keys) -> Vec<Setting> {
    use Topic::{
        Cookies, Csrf, Headers, JsonBodies, Kinds, Login, Precedence, Queries, Routes, SoonOver,
    };
    let groups: [(Vec<Setting>, &'static [Topic]); 7] = [
        (
            vec![defaults()],
            &[
                Login, Routes, Kinds, Headers, Cookies, Csrf, SoonOver, Precedence,
            ],
        ),
        (
            locations(),
            &[Headers, Cookies, Queries, JsonBodies, Precedence],
        ),
        (names(), &[Headers, Queries, JsonBodies]),
        (cookies(), &[Cookies, SoonOver]),
        (csrf(), &[Csrf]),
        (claims(), &[Kinds]),
        (algorithms(keys), &[]),
    ];
    let with_topics = |(sets, topics): (Vec<Setting>, _)| {
        sets.into_iter().map(move |set| Setting { topics, ..set })
    };
    groups.into_iter().flat_map(with_topics).collect()
}

pub(crate) fn defaults() -> Setting {
    set!("defaults")
}

fn locations() -> Vec<Setting> {
    vec![
        set!("headers alone", TOKEN_LOCATION = "headers"),
        set!("cookies alone", TOKEN_LOCATION = "cookies"),
        set!("the query alone", TOKEN_LOCATION = "query_string"),
        set!("JSON alone", TOKEN_LOCATION = "json"),
        set!("cookies before headers", TOKEN_LOCATION = "cookies,headers"),
        set!("everywhere", TOKEN_LOCATION = EVERYWHERE),
        set!(
            "everywhere, backwards",
            TOKEN_LOCATION = "json,query_string,cookies,headers"
        ),
    ]
}

fn names() -> Vec<Setting> {
    vec![
        set!("another header", HEADER_NAME = "X-Auth-Token"),
        set!("another word before the token", HEADER_TYPE = "JWT"),
        set!("no word before the token", HEADER_TYPE = ""),
        set!(
            "another header and no word",
            HEADER_NAME = "X-Token",
            HEADER_TYPE = ""
        ),
        set!(
            "another query parameter",
            TOKEN_LOCATION = "query_string,headers",
            QUERY_STRING_NAME = "token",
        ),
        set!(
            "a prefix in the query",
            TOKEN_LOCATION = "query_string,cookies",
            QUERY_STRING_VALUE_PREFIX = "Bearer ",
        ),
        set!(
            "other JSON keys",
            TOKEN_LOCATION = "json,headers",
            JSON_KEY = "ticket",
            REFRESH_JSON_KEY = "renewal",
        ),
        set!("another key for messages", ERROR_MESSAGE_KEY = "error"),
    ]
}

fn cookies() -> Vec<Setting> {
    vec![
        set!(
            "other cookie names",
            ACCESS_COOKIE_NAME = "acc",
            REFRESH_COOKIE_NAME = "ref",
            ACCESS_CSRF_COOKIE_NAME = "acc_csrf",
            REFRESH_CSRF_COOKIE_NAME = "ref_csrf",
        ),
        set!(
            "cookie paths",
            ACCESS_COOKIE_PATH = "/api/",
            REFRESH_COOKIE_PATH = "/refresh",
            ACCESS_CSRF_COOKIE_PATH = "/page",
            REFRESH_CSRF_COOKIE_PATH = "/page/renew",
        ),
        set!(
            "secure cookies of a domain",
            COOKIE_SECURE = true,
            COOKIE_DOMAIN = "example.org",
            COOKIE_SAMESITE = "Lax",
        ),
        set!("SameSite=Strict", COOKIE_SAMESITE = "Strict"),
        set!(
            "cookies for other sites",
            COOKIE_SAMESITE = "None",
            COOKIE_SECURE = true
        ),
        set!("cookies that outlive the browser", SESSION_COOKIE = false),
        set!(
            "everything at once, in cookies",
            TOKEN_LOCATION = "cookies",
            SESSION_COOKIE = false,
            COOKIE_SECURE = true,
            COOKIE_DOMAIN = "example.org",
            COOKIE_SAMESITE = "Strict",
            ACCESS_COOKIE_PATH = "/",
            REFRESH_COOKIE_PATH = "/refresh",
            CSRF_CHECK_FORM = true,
            ERROR_MESSAGE_KEY = "message",
            ACCESS_TOKEN_EXPIRES = "2h",
            ALGORITHM = "HS512",
        ),
    ]
}

fn csrf() -> Vec<Setting> {
    vec![
        set!("no CSRF check", COOKIE_CSRF_PROTECT = false),
        set!("CSRF values only in tokens", CSRF_IN_COOKIES = false),
        set!(
            "CSRF on other methods",
            CSRF_METHODS = "GET,POST",
            TOKEN_LOCATION = "cookies"
        ),
        set!("CSRF in forms", CSRF_CHECK_FORM = true),
        set!(
            "CSRF in other fields of forms",
            CSRF_CHECK_FORM = true,
            ACCESS_CSRF_FIELD_NAME = "guard",
            REFRESH_CSRF_FIELD_NAME = "guard_of_refresh",
        ),
        set!(
            "other CSRF headers",
            ACCESS_CSRF_HEADER_NAME = "X-Guard",
            REFRESH_CSRF_HEADER_NAME = "X-Guard-Refresh",
        ),
    ]
}

fn claims() -> Vec<Setting> {
    vec![
        set!(
            "longer lives",
            ACCESS_TOKEN_EXPIRES = "1h",
            REFRESH_TOKEN_EXPIRES = "7d"
        ),
        set!(
            "lives in seconds",
            ACCESS_TOKEN_EXPIRES = "2400",
            REFRESH_TOKEN_EXPIRES = "86400"
        ),
        set!(
            "tokens for ever",
            ACCESS_TOKEN_EXPIRES = "false",
            REFRESH_TOKEN_EXPIRES = "false",
        ),
        set!("no time at all is for ever", ACCESS_TOKEN_EXPIRES = "0"),
        set!("half a minute of leeway", DECODE_LEEWAY = "30"),
        set!("without nbf", ENCODE_NBF = false),
        set!(
            "an audience",
            ENCODE_AUDIENCE = "shop",
            DECODE_AUDIENCE = "shop"
        ),
        set!(
            "audiences",
            ENCODE_AUDIENCE = "shop,bank",
            DECODE_AUDIENCE = "bank,post"
        ),
        set!(
            "an issuer",
            ENCODE_ISSUER = "https://issuer.example",
            DECODE_ISSUER = "https://issuer.example"
        ),
        set!(
            "an audience asked for and not written",
            TOKEN_LOCATION = "headers",
            DECODE_AUDIENCE = "shop"
        ),
        set!(
            "an issuer asked for and not written",
            DECODE_ISSUER = "here",
            CSRF_IN_COOKIES = false
        ),
        set!(
            "parties written and not asked for",
            ENCODE_ISSUER = "here",
            ENCODE_AUDIENCE = "shop"
        ),
        set!("another identity claim", IDENTITY_CLAIM = "identity"),
        set!("sub may be anything", VERIFY_SUB = false),
    ]
}

fn algorithms(keys: &Keys) -> Vec<Setting> {
    let mut all = vec![
        set!("HS384", ALGORITHM = "HS384"),
        set!("HS512", ALGORITHM = "HS512"),
        set!(
            "tokens of other algorithms too",
            ALGORITHM = "HS384",
            DECODE_ALGORITHMS = "HS256,HS512"
        ),
        set!(
            "RS256, and PS256 too",
            ALGORITHM = "RS256",
            DECODE_ALGORITHMS = "RS256,PS256",
            PRIVATE_KEY = keys.rsa.private,
            PUBLIC_KEY = keys.rsa.public,
        ),
    ];
    all.extend(
        [
            ("RS256", "RS256"),
            ("RS384", "RS384"),
            ("RS512", "RS512"),
            ("PS256", "PS256"),
            ("PS384", "PS384"),
            ("PS512", "PS512"),
            ("ES256", "ES256"),
            ("ES384", "ES384"),
            ("EdDSA", "EdDSA"),
        ]
        .map(|(name, algorithm)| {
            let pair = keys.pair(algorithm.parse().unwrap()).unwrap();
            Setting {
                name,
                variables: vec![
                    ("JWT_ALGORITHM", algorithm.to_owned()),
                    ("JWT_PRIVATE_KEY", pair.private.clone()),
                    ("JWT_PUBLIC_KEY", pair.public.clone()),
                ],
                topics: &[],
            }
        }),
    );
    if cfg!(not(feature = "aws-lc-rs")) {
        // Its RSA does not sign.
        let is_rsa = |name: &str| name.starts_with("RS") || name.starts_with("PS");
        all.retain(|set| !is_rsa(&set.or("JWT_ALGORITHM", "")));
    }
    all
}

impl Setting {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .iter()
            .find(|(given, _)| *given == name)
            .map(|(_, value)| value.as_str())
    }

    fn or(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or(default).to_owned()
    }

    pub(crate) fn list(&self, name: &str, default: &str) -> Vec<String> {
        let text = self.or(name, default);
        text.split(',').map(str::to_owned).collect()
    }

    pub(crate) fn is(&self, name: &str, default: bool) -> bool {
        self.get(name).map_or(default, |value| value == "true")
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.or("JWT_ALGORITHM", "HS256").parse().unwrap()
    }

    pub(crate) fn locations(&self) -> Vec<String> {
        self.list("JWT_TOKEN_LOCATION", "headers,cookies")
    }

    pub(crate) fn looks_in(&self, location: &str) -> bool {
        self.locations().iter().any(|one| one == location)
    }

    pub(crate) fn identity_claim(&self) -> String {
        self.or("JWT_IDENTITY_CLAIM", "sub")
    }

    pub(crate) fn header_name(&self) -> String {
        self.or("JWT_HEADER_NAME", "Authorization")
    }

    /// Returns the text before the token in the header, with its space.
    pub(crate) fn scheme(&self) -> String {
        let word = self.or("JWT_HEADER_TYPE", "Bearer");
        if word.is_empty() {
            word
        } else {
            format!("{word} ")
        }
    }

    pub(crate) fn query_name(&self) -> String {
        self.or("JWT_QUERY_STRING_NAME", "jwt")
    }

    pub(crate) fn query_prefix(&self) -> String {
        self.or("JWT_QUERY_STRING_VALUE_PREFIX", "")
    }

    pub(crate) fn json_key(&self, refresh: bool) -> String {
        if refresh {
            self.or("JWT_REFRESH_JSON_KEY", "refresh_token")
        } else {
            self.or("JWT_JSON_KEY", "access_token")
        }
    }

    pub(crate) fn cookie_name(&self, refresh: bool) -> String {
        if refresh {
            self.or("JWT_REFRESH_COOKIE_NAME", "refresh_token_cookie")
        } else {
            self.or("JWT_ACCESS_COOKIE_NAME", "access_token_cookie")
        }
    }

    pub(crate) fn csrf_header(&self, refresh: bool) -> String {
        let which = if refresh { "REFRESH" } else { "ACCESS" };
        self.or(&format!("JWT_{which}_CSRF_HEADER_NAME"), "X-CSRF-TOKEN")
    }

    pub(crate) fn csrf_field(&self, refresh: bool) -> String {
        let which = if refresh { "REFRESH" } else { "ACCESS" };
        self.or(&format!("JWT_{which}_CSRF_FIELD_NAME"), "csrf_token")
    }

    pub(crate) fn protects_from_csrf(&self) -> bool {
        self.is("JWT_COOKIE_CSRF_PROTECT", true)
    }

    /// Returns whether issued tokens meet the requirements on tokens.
    pub(crate) fn accepts_its_own_tokens(&self) -> bool {
        [
            ("JWT_DECODE_ISSUER", "JWT_ENCODE_ISSUER"),
            ("JWT_DECODE_AUDIENCE", "JWT_ENCODE_AUDIENCE"),
        ]
        .iter()
        .all(|(asked, written)| self.get(asked).is_none() || self.get(written).is_some())
    }
}
