//! Lists the names of a server, which are easy to guess as passwords.

use url::Url;

/// Returns the passwords that are easy to guess on this server: its name, its host's name, and the
/// parts of that.
pub(super) fn server_names(public_url: Option<&Url>) -> Vec<String> {
    let host = public_url
        .and_then(Url::domain)
        .unwrap_or_default()
        .to_owned();
    let parts = host.split('.').map(str::to_owned);
    let names = ["tokenpair".to_owned(), host.clone()];
    names
        .into_iter()
        .chain(parts)
        .filter(|name| !name.is_empty())
        .collect()
}
