//! Defines notes on how tokens travel: without encryption, without protection, or through a proxy.

use actix_web::http::Method;
use url::Url;

use crate::config::Settings;
use crate::config::tokens::carries_csrf;
use crate::config::urls::is_loopback;

/// Returns notes on settings that work, but may be a mistake.
pub(super) fn remarks(settings: &Settings) -> Vec<String> {
    let url = settings.public_url.as_ref();
    let cookies = &settings.web.cookies;
    let public = !settings.bind.is_loopback();
    let mut remarks = Vec::new();
    if public && !settings.web.csrf.protect {
        let remark = "JWT_COOKIE_CSRF_PROTECT is false: any site can act for a logged-in user";
        remarks.push(remark.to_owned());
    }
    let unsafe_methods = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let is_unguarded = |method: &Method| !settings.web.csrf.methods.contains(method);
    let unguarded: Vec<String> = unsafe_methods
        .into_iter()
        .filter(is_unguarded)
        .map(|method| method.to_string())
        .collect();
    if carries_csrf(&settings.web) && !unguarded.is_empty() {
        let unguarded = unguarded.join(", ");
        remarks.push(format!(
            "JWT_CSRF_METHODS lacks {unguarded}: such requests need no CSRF token, so pages of sibling hosts can send them for a \
             logged-in user. Add them to the list"
        ));
    }
    // A proxy may serve the address that browsers use, so the listening address does not decide.
    let own = |url: &Url| url.scheme() == "http" && is_loopback(url);
    if !cookies.secure && !url.map_or(!public, own) {
        let remark = "JWT_COOKIE_SECURE is false: tokens travel unencrypted over plain http";
        remarks.push(remark.to_owned());
    }
    if cookies.secure && settings.tls.is_none() && url.is_none_or(|url| url.scheme() == "http") {
        let remark = "cookies are Secure, and browsers and curl keep them only over https: \
                      set PUBLIC_URL to the https address that browsers use";
        remarks.push(remark.to_owned());
    }
    if let Some(webhook) = settings
        .webhook
        .as_ref()
        .filter(|webhook| webhook.url.scheme() == "http" && !is_loopback(&webhook.url))
    {
        remarks.push(format!(
            "WEBHOOK_URL is {}: alerts, with usernames and addresses, travel unencrypted. Use https, unless that network is private",
            webhook.origin()
        ));
    }
    let https = url.is_some_and(|url| url.scheme() == "https");
    if https && settings.tls.is_none() && settings.web.trusted_proxies.is_empty() {
        let remark = "PUBLIC_URL is https, and SERVER_TRUSTED_PROXIES names no proxy: \
                      behind a proxy, all clients would appear to have its address";
        remarks.push(remark.to_owned());
    }
    remarks
}
