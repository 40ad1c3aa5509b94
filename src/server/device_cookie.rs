//! Defines the device cookie, which identifies a browser that has logged in to an account before.
//! Attackers who exhaust the account's limit for all networks do not lock that browser out (OWASP,
//! *Slow Down Online Guessing Attacks with Device Cookies*).
//!
//! It is not a credential. Its holder still needs the password and is counted by the cookie's
//! nonce, under the same limit as one network. So a stolen cookie allows a few guesses, once. Only
//! a server that has the key and the username can tell its account. It is not in the database.
//!
//! It survives a logout, since it identifies a browser and not a session. It survives a change of
//! the password too: the owner is likely under attack at that moment, and their other browsers
//! would be locked out.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::shared_key::SharedKey;
use crate::config::DEVICE_COOKIE;
use tokenpair::clock::Timestamp;
use tokenpair::random::{ID_BYTES, random_bytes};
use tokenpair::web::Auth;

/// Lifetime after a login.
const LIFETIME: Duration = Duration::from_secs(180 * 86_400);

/// Maximum number of logins in a cookie, for people who share a browser. Past it, the oldest is
/// dropped.
const MOST: usize = 5;

/// The separator between logins, newest first.
const SEPARATOR: char = '.';

/// Length in bytes of the time of a login and its nonce.
const HEAD: usize = size_of::<u64>() + ID_BYTES;

/// Length in bytes of a head and its HMAC-SHA-256 tag.
const BYTES: usize = HEAD + 32;

/// The device cookies of a request, not yet verified.
#[derive(Clone, Debug, Default)]
pub(super) struct Devices(Vec<Mark>);

/// A login that a browser remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark([u8; BYTES]);

/// Signs device cookies.
#[derive(Debug)]
pub(super) struct DeviceKey(hmac::Key);

impl Devices {
    /// Returns the marks of all cookies of that name, so that a cookie set by a sibling host hides
    /// no other.
    pub(super) fn of(auth: &Auth, request: &HttpRequest) -> Self {
        let cookies = auth.cookies().read_own(request, DEVICE_COOKIE);
        let marks = cookies.iter().flat_map(|cookie| cookie.split(SEPARATOR));
        Self(marks.filter_map(Mark::parse).collect())
    }

    /// Adds the cookie to a response.
    pub(super) fn set(auth: &Auth, headers: &mut HeaderMap, value: &str) {
        auth.cookies()
            .set_own(headers, DEVICE_COOKIE, value, LIFETIME);
    }
}

impl Mark {
    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    fn new(key: &hmac::Key, name: &str, now: Timestamp) -> Self {
        let mut bytes = [0; BYTES];
        let (head, tag) = bytes.split_at_mut(HEAD);
        let (at, nonce) = head.split_at_mut(size_of::<i64>());
        at.copy_from_slice(&now.unix().to_be_bytes());
        random_bytes(nonce);
        tag.copy_from_slice(hmac::sign(key, &signed(head, name)).as_ref());
        Self(bytes)
    }

    /// Returns the nonce if this key signed the mark for that name within [`LIFETIME`].
    fn nonce(&self, key: &hmac::Key, name: &str, now: Timestamp) -> Option<String> {
        let (head, tag) = self.0.split_at_checked(HEAD)?;
        hmac::verify(key, &signed(head, name), tag).ok()?;
        let (at, nonce) = head.split_first_chunk()?;
        let at = Timestamp::from_unix(i64::from_be_bytes(*at));
        (now < at + LIFETIME).then(|| URL_SAFE_NO_PAD.encode(nonce))
    }

    fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

/// Returns the signed bytes. They are unambiguous, since the head has a fixed length.
fn signed(head: &[u8], name: &str) -> Vec<u8> {
    [head, name.as_bytes()].concat()
}

impl DeviceKey {
    pub(super) fn new(key: &SharedKey) -> Self {
        Self(key.derive(b"tokenpair device cookie v1"))
    }

    /// Returns the nonce by which the account's device cookie is counted, if the request has one.
    pub(super) fn nonce(&self, devices: &Devices, name: &str, now: Timestamp) -> Option<String> {
        let mut marks = devices.0.iter();
        marks.find_map(|mark| mark.nonce(&self.0, name, now))
    }

    /// Returns the cookie's value after a login: a new mark, so that copies of the previous one are
    /// counted separately, and the marks of other accounts.
    pub(super) fn renewed(&self, devices: &Devices, name: &str, now: Timestamp) -> String {
        let others = devices.0.iter();
        let others = others.filter(|mark| mark.nonce(&self.0, name, now).is_none());
        let marks = std::iter::once(Mark::new(&self.0, name, now)).chain(others.cloned());
        let texts: Vec<String> = marks.take(MOST).map(|mark| mark.text()).collect();
        texts.join(&SEPARATOR.to_string())
    }
}
