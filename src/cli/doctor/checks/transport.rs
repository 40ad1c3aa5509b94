//! Checks the connection: its encryption, the version of HTTP, and the clocks at both ends.

use std::time::Duration;

use chrono::DateTime;

use super::{Findings, Look};
use crate::cli::doctor::certificate::Presented;
use crate::cli::doctor::report::{Finding, heard};
use tokenpair::clock::{Clock, Timestamp};

/// How long before its end a certificate should have been renewed.
const RENEWAL: Duration = Duration::from_secs(14 * 86_400);

pub(super) fn tls(look: &Look<'_>) -> Findings {
    const NAME: &str = "tls";
    let target = &look.probe.target;
    if !target.is_https() {
        return Ok(vec![if target.is_loopback() {
            Finding::ok(NAME, "Plain http, which stays on this machine.")
        } else {
            Finding::warning(
                NAME,
                "Plain http: passwords and tokens travel unencrypted.",
                "Serve https: at the proxy, or with SERVER_TLS_CERT and SERVER_TLS_KEY. Then set PUBLIC_URL to the https address.",
            )
        }]);
    }
    let Some(presented) = look.probe.certificate() else {
        return Ok(Vec::new());
    };
    let now = Clock::system().now();
    let mut faults = Vec::new();
    faults.extend(validity_fault(&presented, now));
    if !presented.names_host {
        faults.push(Finding::problem(
            NAME,
            format!(
                "The certificate does not name {}, so browsers and Postman reject it.",
                target.host()
            ),
            "Get a certificate with this name among its subjectAltNames, or use the address that it names.",
        ));
    }
    if presented.is_trusted == Some(false) {
        let message = "This machine does not know the certificate's issuer, and clients that do not know it either reject it.";
        let fix = "Put the whole chain into the certificate's file (SERVER_TLS_CERT, or nginx: ssl_certificate fullchain.pem). \
                   If the issuer is your own, install its certificate at the clients.";
        faults.push(if target.is_loopback() {
            Finding::warning(NAME, message, fix)
        } else {
            Finding::problem(NAME, message, fix)
        });
    }
    if faults.is_empty() {
        let end = presented.validity.map(|[_, end]| heard(end));
        let issuer = match presented.is_trusted {
            Some(_) => "",
            None => " This machine has no list of issuers to check it with.",
        };
        let end = end.unwrap_or_default();
        let text = format!("The certificate names this host and is valid until {end}.{issuer}");
        faults.push(Finding::ok(NAME, text));
    }
    Ok(faults)
}

fn validity_fault(presented: &Presented, now: Timestamp) -> Option<Finding> {
    const NAME: &str = "tls";
    let renew = "Renew it, and let the program that renews it replace the file that the proxy or SERVER_TLS_CERT names.";
    let Some([begin, end]) = presented.validity else {
        let text = "The certificate cannot be read.";
        return Some(Finding::problem(NAME, text, renew));
    };
    if now > end {
        let text = format!(
            "The certificate expired on {}: browsers and Postman reject it.",
            heard(end)
        );
        return Some(Finding::problem(NAME, text, renew));
    }
    if now < begin {
        let text = format!("The certificate is valid only from {} on.", heard(begin));
        let fix = "Correct the clock of the machine that is wrong, or use the previous certificate until then.";
        return Some(Finding::problem(NAME, text, fix));
    }
    (now + RENEWAL > end).then(|| {
        let text = format!("The certificate expires soon, on {}.", heard(end));
        Finding::warning(NAME, text, renew)
    })
}

pub(super) fn http_version(look: &Look<'_>) -> Findings {
    const NAME: &str = "http_version";
    if look.rejected.is_http_1_0 {
        return Ok(vec![Finding::warning(
            NAME,
            "The answer is HTTP/1.0: every request needs a connection of its own, and bodies of unknown length can be cut off unnoticed.",
            "Let the proxy speak HTTP/1.1 (nginx: proxy_http_version 1.1; and proxy_set_header Connection \"\";).",
        )]);
    }
    if !look.probe.target.is_https() {
        return Ok(vec![Finding::ok(NAME, "HTTP/1.1.")]);
    }
    let chosen = look.probe.alpn()?;
    Ok(vec![Finding::ok(
        NAME,
        match chosen.as_deref() {
            Some(b"h2") => "HTTP/1.1, and HTTP/2 for clients that speak it.",
            _ => "HTTP/1.1, also for clients that speak HTTP/2.",
        },
    )])
}

/// The tolerance of tokenpair for tokens from the future, in seconds.
const TOLERANCE: i64 = 5;

/// Past this difference in seconds, clients fail that read a token's times.
const FAR: i64 = 60;

pub(super) fn clock(look: &Look<'_>) -> Findings {
    const NAME: &str = "clock";
    let fix = "Set the clocks of all machines by NTP. If this machine's clock is the wrong one, ask from another.";
    let Some(date) = look.rejected.header("Date").and_then(seconds) else {
        let text = "The response has no readable Date header.";
        let fix = "Let the proxy pass on the server's Date header.";
        return Ok(vec![Finding::warning(NAME, text, fix)]);
    };
    let ahead = ahead(date, look.rejected.between);
    let text = match ahead {
        0 => "The server's clock agrees with this machine's.".to_owned(),
        1.. => format!(
            "The server's clock is {} s ahead of this machine's.",
            heard(ahead)
        ),
        _ => {
            let behind = heard(ahead.unsigned_abs());
            format!("The server's clock is {behind} s behind this machine's.")
        }
    };
    Ok(vec![if ahead.abs() <= TOLERANCE {
        Finding::ok(NAME, text)
    } else if ahead.abs() <= FAR {
        Finding::warning(NAME, text, fix)
    } else {
        Finding::problem(NAME, text, fix)
    }])
}

/// Returns the seconds of an HTTP date (RFC 9110 section 5.6.7).
pub(in crate::cli::doctor) fn seconds(date: &str) -> Option<i64> {
    let date = DateTime::parse_from_rfc2822(date).ok()?;
    Some(date.timestamp())
}

/// Returns by how much a time is outside the time of the exchange. The date has whole seconds.
fn ahead(date: i64, [sent, received]: [Timestamp; 2]) -> i64 {
    let (first, last) = (sent.unix() - 1, received.unix() + 1);
    if date > last {
        date - received.unix()
    } else if date < first {
        date - sent.unix()
    } else {
        0
    }
}
