//! Implements `tokenpair doctor`: looks at a running server from outside, as a browser and as
//! Postman would, and says what will fail where.

mod certificate;
mod checks;
mod client;
mod described;
mod exchange;
mod probe;
mod reach;
mod report;
mod set_cookie;
mod target;
mod walk;

use std::error::Error;
use std::fmt;
use std::io::{self, Write};

use clap::Args;
use url::Url;

use self::checks::{ACCOUNT, Look};
use self::described::Described;
use self::exchange::Request;
use self::probe::Probe;
use self::report::{Finding, Report, Verdict};
use self::target::Target;
use self::walk::Credentials;
use super::input::first_line;
use super::{CommandError, exit, health};
use crate::config::serialized_origin;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tokenpair doctor
  tokenpair doctor https://login.example.org --origin https://app.example.org
  tokenpair doctor https://login.example.org --json
  tokenpair doctor --username ada --password-stdin < password

Without a login it asks only what anyone may ask, and changes nothing. With
--username it logs in, refreshes and logs out again. It prints no token, cookie
value or password.

Exit codes: 0 no problem (perhaps warnings), 1 problems, 2 the server could not
be asked, or the command line is wrong.
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

/// The route with the description of all routes.
const DESCRIPTION: &str = "/openapi.json";

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

/// Prints the report on a command line that the parser rejects, if it asks for JSON.
pub(super) fn report_usage(arguments: &[String], error: &str) -> Result<(), CommandError> {
    let is_doctor = arguments.get(1).is_some_and(|command| command == "doctor");
    if !is_doctor || !arguments.iter().any(|argument| argument == "--json") {
        return Ok(());
    }
    // What follows tells how to use the command.
    let message = error.split("\n\n").next().unwrap_or_default();
    let message = message.trim_start_matches("error: ");
    let lines: Vec<&str> = message.lines().map(str::trim).collect();
    let report = Report::usage(&format!("{}.", lines.join(" ")));
    report.print(true, &mut io::stdout())
}

pub(super) fn run(wanted: &Wanted, out: &mut dyn Write) -> Result<(), CommandError> {
    let not_asked = |text: String| Outcome {
        code: exit::USAGE,
        text,
    };
    let ready = addresses(wanted).and_then(|addresses| {
        let credentials = wanted.username.clone().map(read_password).transpose()?;
        Ok((addresses, credentials))
    });
    let ((target, origin), credentials) = match ready {
        Ok(ready) => ready,
        Err(error) => {
            let text = error.to_string();
            if wanted.json {
                Report::usage(&format!("{text}.")).print(true, out)?;
                out.flush()?;
            }
            return Err(not_asked(text).into());
        }
    };
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
                code: exit::FAILURE,
                text,
            }
            .into())
        }
        Verdict::Unreachable | Verdict::Usage => {
            Err(not_asked("the server could not be asked".to_owned()).into())
        }
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
    let target = target.ok_or(
        "write the server's address, as in https://login.example.org: http or https, a host, and no password, ? or #",
    )?;
    let origin = wanted.origin.as_deref().map(|origin| {
        let url = Url::parse(origin).ok();
        url.filter(|url| serialized_origin(url).is_some())
            .ok_or("write the page's origin, as in --origin https://app.example.org")
    });
    Ok((target, origin.transpose()?))
}

fn read_password(username: String) -> Result<Credentials, CommandError> {
    let line = first_line("the password")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err("--password-stdin: the first line of standard input is empty".into());
    }
    Ok(Credentials { username, password })
}

fn examine(
    target: Target,
    origin: Option<&Url>,
    credentials: Option<&Credentials>,
    report: &mut Report,
) {
    // A server may know it from an earlier walk.
    if let Some(credentials) = credentials {
        report.hide(&credentials.password);
    }
    let asked = target.clone();
    let reached = Probe::new(target).and_then(|probe| {
        let rejected = probe.send(&Request::new("GET", ACCOUNT))?;
        Ok((probe, rejected))
    });
    let (probe, rejected) = match reached {
        Ok(reached) => reached,
        Err(failure) => {
            report.add(reach::unreachable(&asked, &failure));
            return;
        }
    };
    report.add(Finding::ok("reachable", "The address answers."));
    let description = probe.send(&Request::new("GET", DESCRIPTION));
    let described = description.as_ref().ok().and_then(Described::of);
    let identity = reach::identity(&asked, &rejected, described.is_some());
    let is_other = identity.is_fault();
    report.add(identity);
    if is_other {
        return;
    }
    if described.is_none() {
        report.add(reach::undescribed(&description));
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
