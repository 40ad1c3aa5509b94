//! Defines [`Origins`], the origins whose pages may send requests.

use url::Url;

use crate::config::{Settings, serialized_origin};

/// The origins whose pages may send requests through a browser, and the server's own host name.
pub(crate) struct Origins {
    /// The origin of `PUBLIC_URL`.
    pub(super) public: Option<String>,
    /// The host in `PUBLIC_URL`.
    pub(super) host: Option<String>,
    /// Whether `PUBLIC_URL` was set, so that browsers must use its host name.
    pub(super) only_host: bool,
    /// `SERVER_CORS_ORIGINS`
    pub(super) listed: Vec<String>,
}

/// The origins trusted with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Only the server's own origin.
    Own,
    /// Also those of `SERVER_CORS_ORIGINS`.
    Listed,
}

impl Origins {
    pub(super) fn of(settings: &Settings) -> Self {
        let public = settings.public_url.as_ref();
        Self {
            public: public.and_then(serialized_origin),
            host: public.and_then(Url::host_str).map(str::to_owned),
            only_host: settings.public_url_set,
            listed: settings.cors_origins.clone(),
        }
    }

    pub(super) fn has(&self, origin: &str, trust: Trust) -> bool {
        let listed = || self.listed.iter().any(|listed| listed == origin);
        self.public.as_deref() == Some(origin) || (trust == Trust::Listed && listed())
    }
}
