//! The device behind a request, for the list of sessions.

use actix_web::HttpRequest;
use actix_web::http::header::USER_AGENT;

use crate::session::Device;

/// What is kept of a `User-Agent`, in characters.
const ENOUGH: usize = 256;

/// The browser's own words, and the peer's address: what a header claims of addresses is anyone's to claim.
pub fn device(request: &HttpRequest) -> Device {
    let words = request.headers().get(USER_AGENT).map(|words| {
        let words = String::from_utf8_lossy(words.as_bytes());
        let printable = words.chars().filter(|letter| !letter.is_control());
        printable.take(ENOUGH).collect()
    });
    Device {
        user_agent: words,
        ip: request.peer_addr().map(|peer| peer.ip().to_string()),
    }
}
