//! Implements `tokenpair doctor`: looks at a running server from outside, as a browser and as
//! Postman would, and says what will fail where.

mod certificate;
mod checks;
mod client;
mod described;
mod exchange;
mod probe;
mod report;
mod set_cookie;
mod target;
mod walk;

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, Write};

use clap::Args;
use url::Url;

use self::checks::{Look, PROTECTED};
use self::described::Described;
use self::exchange::{Failure, Request, Response};
use self::probe::Probe;
use self::report::{Finding, Report, Verdict};
use self::target::Target;
use self::walk::Credentials;
use super::{CommandError, health};
use crate::config::serialized_origin;
use tokenpair::web::ErrorCode;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tokenpair doctor
  tokenpair doctor https://login.example.org --origin https://app.example.org
  tokenpair doctor https://login.example.org --json
  tokenpair doctor http://127.0.0.1:8080 --username ada --password-stdin < password

Without a login it asks only what anyone may ask, and changes nothing. With --username it logs in,
refreshes and logs out again. It prints no token, cookie value or password.

Exit codes: 0 no problem (perhaps warnings), 1 problems, 2 the server could not be asked.
docs/operating.md lists the checks.")]
pub(super) struct Wanted {
    /// The address that browsers use [default: PUBLIC_URL, or the address in SERVER_BIND]
    url: Option<String>,
    /// Check CORS for pages of this origin, such as https://app.example.org
    #[arg(long)]
    origin: Option<String>,
    /// Print JSON: an object with the verdict and all checks
    #[arg(long)]
    json: bool,
    /// Log in as this user, refresh and log out
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    username: Option<String>,
    /// Read the password from the first line of standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
}

/// The exit code if the server has problems.
const PROBLEMS: u8 = 1;

/// The exit code if the server could not be asked.
const NOT_ASKED: u8 = 2;

/// Faults that are already printed, or the reason that nothing was asked.
#[derive(Debug)]
struct Outcome {
    code: u8,
    text: String,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Outcome {}

/// Returns the exit code of a failure of this command.
pub(super) fn exit_code(failure: &(dyn Error + 'static)) -> Option<u8> {
    Some(failure.downcast_ref::<Outcome>()?.code)
}

pub(super) fn run(wanted: &Wanted, out: &mut dyn Write) -> Result<(), CommandError> {
    let not_asked = |text: String| Outcome {
        code: NOT_ASKED,
        text,
    };
    let (target, origin) = addresses(wanted).map_err(|error| not_asked(error.to_string()))?;
    let credentials = wanted.username.clone().map(read_password).transpose()?;
    let shown_origin = origin.as_ref().and_then(serialized_origin);
    let mut report = Report::new(target.url().to_string(), shown_origin);
    examine(target, origin.as_ref(), credentials.as_ref(), &mut report);
    report.print(wanted.json, out)?;
    out.flush()?;
    match report.verdict() {
        Verdict::Ok | Verdict::Warning => Ok(()),
        Verdict::Problem => {
            let text = "the server, or something in front of it, has problems".to_owned();
            Err(Outcome {
                code: PROBLEMS,
                text,
            }
            .into())
        }
        Verdict::Unreachable => Err(not_asked("the server could not be asked".to_owned()).into()),
    }
}

/// Returns the server's address and the other origin.
fn addresses(wanted: &Wanted) -> Result<(Target, Option<Url>), CommandError> {
    let target = match &wanted.url {
        Some(url) => Target::parse(url),
        None => {
            let settings = super::settings()?;
            let public = settings
                .public_url
                .as_ref()
                .filter(|_| settings.public_url_set);
            let own = || health::own_address(&settings).parse().ok();
            public.cloned().or_else(own).and_then(Target::of)
        }
    };
    let target = target.ok_or("write the server's address, as in https://login.example.org")?;
    let origin = wanted.origin.as_deref().map(|origin| {
        let url = Url::parse(origin).ok();
        url.filter(|url| serialized_origin(url).is_some())
            .ok_or("write the page's origin, as in --origin https://app.example.org")
    });
    Ok((target, origin.transpose()?))
}

fn read_password(username: String) -> Result<Credentials, CommandError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    Ok(Credentials { username, password })
}

fn examine(
    target: Target,
    origin: Option<&Url>,
    credentials: Option<&Credentials>,
    report: &mut Report,
) {
    let url = target.url().to_string();
    // A server may know it from an earlier walk.
    if let Some(credentials) = credentials {
        report.hide(&credentials.password);
    }
    let reached = Probe::new(target).and_then(|probe| {
        let rejected = probe.send(&Request::new("GET", PROTECTED))?;
        Ok((probe, rejected))
    });
    let (probe, rejected) = match reached {
        Ok(reached) => reached,
        Err(failure) => {
            report.add(unreachable(&url, &failure));
            return;
        }
    };
    report.add(Finding::ok("reachable", "The address answers."));
    let described = probe.send(&Request::new("GET", "/openapi.json"));
    let described = described.ok().and_then(|response| Described::of(&response));
    let identity = identity(&rejected, described.as_ref());
    let is_other = identity.is_fault();
    report.add(identity);
    if is_other {
        return;
    }
    let look = Look {
        probe: &probe,
        described: described.unwrap_or_default(),
        origin,
        rejected,
    };
    report.extend(checks::run(&look));
    if let Some(credentials) = credentials {
        walk::walk(&look, credentials, report);
    }
}

fn unreachable(url: &str, failure: &Failure) -> Finding {
    let fix = match failure {
        Failure::Connect(_) => {
            "Start the server, or correct the address, the port or the firewall."
        }
        Failure::Tls(_) => {
            "Use http:// if the server has no certificate, or correct the proxy's TLS."
        }
        Failure::Timeout => {
            "Look whether the address is the right one, and whether a firewall drops its packets."
        }
        Failure::NotHttp(_) | Failure::Broken(_) | Failure::TooLarge => {
            "Use https:// if the server has a certificate. Otherwise another program has this port."
        }
    };
    Finding::unreachable(format!("{url} gives no answer: {failure}."), fix)
}

/// Finds out whether tokenpair answers.
fn identity(rejected: &Response, described: Option<&Described>) -> Finding {
    const NAME: &str = "tokenpair";
    let is_moved = (300..400).contains(&rejected.status);
    if let Some(place) = rejected.header("Location").filter(|_| is_moved) {
        let place = Url::parse(place)
            .ok()
            .and_then(|url| serialized_origin(&url));
        let place = place.unwrap_or_else(|| "another path".to_owned());
        return Finding::problem(
            NAME,
            format!(
                "The address redirects to {place}. Clients that follow lose the method and the body of their requests."
            ),
            format!(
                "Use {place} everywhere, also in Postman, and look at it with tokenpair doctor."
            ),
        );
    }
    if described.is_some() || rejected.has_code(ErrorCode::MissingToken.as_str()) {
        return Finding::ok(NAME, "It is a tokenpair server.");
    }
    let text = if rejected.is_of_tokenpair() {
        format!(
            "The server answers, but not as tokenpair does: {}.",
            rejected.named()
        )
    } else {
        format!("Another program answers, with {}.", rejected.named())
    };
    Finding::problem(
        NAME,
        text,
        "Correct the address, or the proxy's target (nginx: proxy_pass; HAProxy: server). If the routes are under a path, add \
         it to the address.",
    )
}
