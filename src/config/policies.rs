//! Reads settings into the policies of the modules below, one function each.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::edge::is_loopback;
use super::{Migrate, Registration};
use tokenpair::config::{
    Never, Reader, ZERO, parse_duration, read_token_policy, read_web_policy, reissue_within,
};
use tokenpair::session::{ReusePolicy, SessionPolicy};
use tokenpair::token::TokenPolicy;
use tokenpair::web::{CookiePolicy, ForwardedHeader, Location, TrustedProxies, WebPolicy};
use tokenpair_store::password::PasswordPolicy;
use tokenpair_store::rate_limit::{Rate, ThrottlePolicy};
use tokenpair_store::{DatabaseUrl, Pooler, PurgePolicy, StorePolicy};

/// The maximum of actix-server.
pub(super) const MAX_WORKERS: usize = 512;

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().min(MAX_WORKERS))
}

pub(super) fn bind(reader: &mut Reader<'_>) -> SocketAddr {
    let default = SocketAddr::from(([127, 0, 0, 1], 8080));
    reader.parsed(
        "SERVER_BIND",
        default,
        "write an address and a port, as in 127.0.0.1:8080",
        |text| text.parse().ok(),
    )
}

/// Returns whether cookies are Secure by default: always, except on plain http on loopback, where
/// curl, Postman and Safari would drop a Secure cookie.
fn secure_by_default(public_url: Option<&Url>) -> bool {
    !public_url.is_some_and(|url| url.scheme() == "http" && is_loopback(url))
}

pub(super) fn database(reader: &mut Reader<'_>) -> DatabaseUrl {
    const NAME: &str = "DATABASE_URL";
    let text = reader.text_or(NAME, "sqlite://data/tokenpair.db");
    let url = DatabaseUrl::parse(&text).unwrap_or_else(|error| {
        // Not quoted: it may hold a password.
        reader.problem(NAME, format!("cannot be used: {error}"));
        DatabaseUrl::Sqlite(PathBuf::new())
    });
    if let DatabaseUrl::Sqlite(path) = &url
        && let Some(folder) = missing_folder(path)
    {
        let (path, folder) = (path.display(), folder.display());
        let complaint = format!(
            "names {path}, and there is no folder {folder}; create it, or correct the path"
        );
        reader.problem(NAME, complaint);
    }
    url
}

/// The folder of the default path, the only folder that the server creates.
const DATA: &str = "data";

/// Returns the folder of this path if it is missing. Creating it would start an empty database
/// after a typo.
fn missing_folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    let named = !folder.as_os_str().is_empty() && folder != Path::new(DATA);
    (named && !folder.is_dir()).then_some(folder)
}

pub(super) fn migrate(reader: &mut Reader<'_>) -> Migrate {
    reader.parsed(
        "DATABASE_MIGRATE",
        Migrate::Auto,
        "write auto or off",
        |text| match text {
            "auto" => Some(Migrate::Auto),
            "off" => Some(Migrate::Off),
            _ => None,
        },
    )
}

/// Default: 30 s, long enough for PostgreSQL to start, and short enough for supervisors.
pub(super) fn start_wait(reader: &mut Reader<'_>) -> Duration {
    const NAME: &str = "DATABASE_START_WAIT";
    let wait = reader.duration(NAME, Duration::from_secs(30));
    if wait > Duration::from_secs(3600) {
        reader.problem(NAME, "has to be from 0s to 1h");
    }
    wait
}

/// Reads the policy of the store. The maximum wait is a minute, since clients and proxies give up
/// by then.
pub(super) fn store(reader: &mut Reader<'_>) -> StorePolicy {
    const WAIT: &str = "DATABASE_WAIT";
    let default = StorePolicy::default();
    let wait = reader.duration(WAIT, default.wait);
    if !(1..=60).contains(&wait.as_secs()) {
        reader.problem(WAIT, "has to be from 1s to 60s");
    }
    StorePolicy {
        pool: reader.number("DATABASE_POOL", default.pool, 1..=1000),
        wait,
        pooler: pooler(reader, default.pooler),
    }
}

fn pooler(reader: &mut Reader<'_>, default: Pooler) -> Pooler {
    let wanted = "write auto, off or transaction";
    reader.parsed("DATABASE_POOLER", default, wanted, |text| match text {
        "auto" => Some(Pooler::Auto),
        "off" => Some(Pooler::Off),
        "transaction" => Some(Pooler::Transaction),
        _ => None,
    })
}

pub(super) fn registration(reader: &mut Reader<'_>) -> Registration {
    reader.parsed(
        "REGISTRATION",
        Registration::Open,
        "write open or closed",
        |text| match text {
            "open" => Some(Registration::Open),
            "closed" => Some(Registration::Closed),
            _ => None,
        },
    )
}

pub(super) fn password(reader: &mut Reader<'_>) -> PasswordPolicy {
    let default = PasswordPolicy::default();
    PasswordPolicy {
        cost: reader.number("PASSWORD_BCRYPT_COST", default.cost, PasswordPolicy::COSTS),
        queue: reader.number("PASSWORD_QUEUE", default.queue, 1..=10_000),
        min_chars: reader.number(
            "PASSWORD_MIN_LENGTH",
            default.min_chars,
            PasswordPolicy::MIN_CHARS,
        ),
    }
}

pub(super) fn throttle(reader: &mut Reader<'_>) -> Option<ThrottlePolicy> {
    let default = ThrottlePolicy::default();
    let policy = ThrottlePolicy {
        account: rate(reader, "THROTTLE_ACCOUNT", default.account),
        peer: rate(reader, "THROTTLE_PEER", default.peer),
    };
    reader.truth("THROTTLE", true).then_some(policy)
}

fn rate(reader: &mut Reader<'_>, name: &str, default: Rate) -> Rate {
    let wanted =
        "write a number of failures and a time, as in 10/15m: 1 to 1000000 failures in 1s to 1d";
    reader.parsed(name, default, wanted, |text| {
        let (count, per) = text.split_once('/')?;
        let rate = Rate {
            count: count.trim().parse().ok()?,
            per: parse_duration(per.trim())?,
        };
        let sane =
            (1..=1_000_000).contains(&rate.count) && (1..=86_400).contains(&rate.per.as_secs());
        sane.then_some(rate)
    })
}

/// How far ahead the clock of another replica may be. NTP keeps clocks much closer.
const EARLY_LEEWAY: Duration = Duration::from_secs(5);

pub(super) fn tokens(reader: &mut Reader<'_>) -> TokenPolicy {
    let default = TokenPolicy {
        early_leeway: EARLY_LEEWAY,
        ..TokenPolicy::default()
    };
    let tokens = read_token_policy(reader, default, Never::Refused);
    if tokens.leeway > Duration::from_secs(300) {
        reader.problem(
            "JWT_DECODE_LEEWAY",
            "is more than 5m; synchronize the servers' clocks with NTP",
        );
    }
    tokens
}

pub(super) fn web(
    reader: &mut Reader<'_>,
    public_url: Option<&Url>,
    tokens: &TokenPolicy,
) -> WebPolicy {
    let default = WebPolicy::default();
    let cookies = CookiePolicy {
        secure: secure_by_default(public_url),
        ..default.cookies
    };
    let allowed = [Location::Cookies, Location::Headers];
    let default = WebPolicy {
        cookies,
        reissue_within: reissue_within(default.reissue_within, tokens),
        trusted_proxies: trusted_proxies(reader),
        ..default
    };
    read_web_policy(reader, default, &allowed)
}

fn trusted_proxies(reader: &mut Reader<'_>) -> TrustedProxies {
    let wanted = "write the proxies' addresses or networks with commas, as in 10.0.0.1,10.1.0.0/16; \
                  trusting all addresses (/0) lets anyone claim any address";
    let network = |text: &str| {
        let network: IpNet = text
            .parse()
            .or_else(|_| text.parse().map(IpAddr::into))
            .ok()?;
        (network.prefix_len() > 0).then_some(network)
    };
    TrustedProxies::new(reader.parsed_list("SERVER_TRUSTED_PROXIES", Vec::new(), wanted, network))
        .reading(forwarded_header(reader))
}

fn forwarded_header(reader: &mut Reader<'_>) -> ForwardedHeader {
    let wanted = "write auto, forwarded or x-forwarded-for";
    let parse = |text: &str| match text.to_ascii_lowercase().as_str() {
        "auto" => Some(ForwardedHeader::Auto),
        "forwarded" => Some(ForwardedHeader::Forwarded),
        "x-forwarded-for" => Some(ForwardedHeader::XForwardedFor),
        _ => None,
    };
    reader.parsed(
        "SERVER_FORWARDED_HEADER",
        ForwardedHeader::Auto,
        wanted,
        parse,
    )
}

/// Returns whether tokens carry a CSRF value: where they may travel in protected cookies.
pub(super) fn carries_csrf(web: &WebPolicy) -> bool {
    web.csrf.protect && web.locations.contains(&Location::Cookies)
}

/// Reads a lifetime. Zero is rejected.
fn lifetime(reader: &mut Reader<'_>, name: &str, default: Duration) -> Duration {
    let lifetime = reader.duration(name, default);
    if lifetime.is_zero() {
        reader.problem(name, ZERO);
        return default;
    }
    lifetime
}

/// Default maximum of live sessions per user: more than a person's devices, and few enough for one
/// page of `GET /sessions`.
const SESSIONS: usize = 100;

fn limit(reader: &mut Reader<'_>) -> Option<usize> {
    let any = |text: &str| (text == "off").then_some(None);
    let number = |text: &str| text.parse().ok().filter(|limit| *limit > 0).map(Some);
    let wanted = "write a whole number from 1, or off";
    reader.parsed("SESSION_LIMIT", Some(SESSIONS), wanted, |text| {
        any(text).or_else(|| number(text))
    })
}

fn reuse(reader: &mut Reader<'_>) -> ReusePolicy {
    let wanted = "write recover or strict";
    reader.parsed(
        "SESSION_REUSE_POLICY",
        ReusePolicy::Recover,
        wanted,
        |text| match text {
            "recover" => Some(ReusePolicy::Recover),
            "strict" => Some(ReusePolicy::Strict),
            _ => None,
        },
    )
}

pub(super) fn sessions(reader: &mut Reader<'_>, tokens: &TokenPolicy) -> SessionPolicy {
    let default = SessionPolicy::default();
    let idle = tokens.refresh_expires.unwrap_or(default.idle);
    let rotation_window = reader.duration("SESSION_ROTATION_WINDOW", default.rotation_window);
    if !(10..=3600).contains(&rotation_window.as_secs()) {
        reader.problem(
            "SESSION_ROTATION_WINDOW",
            "has to be from 10s to 1h: more than twice what a slow request takes",
        );
    }
    SessionPolicy {
        rotation_window,
        reuse: reuse(reader),
        limit: limit(reader),
        idle,
        max_age: lifetime(reader, "SESSION_MAX_AGE", default.max_age),
        stale_limit: stale_limit(reader),
    }
}

/// The minimum is 10 s, because one slow database response must not deny requests.
fn stale_limit(reader: &mut Reader<'_>) -> Option<Duration> {
    const NAME: &str = "REVOCATION_STALE_LIMIT";
    let off = reader.text(NAME).is_none_or(|text| text == "off");
    let limit = (!off).then(|| reader.duration(NAME, Duration::from_secs(60)));
    if limit.is_some_and(|limit| !(10..=86_400).contains(&limit.as_secs())) {
        reader.problem(NAME, "has to be from 10s to 1d, or off");
    }
    limit
}

pub(super) fn purge(reader: &mut Reader<'_>) -> PurgePolicy {
    let default = PurgePolicy::default();
    PurgePolicy {
        events: lifetime(reader, "AUDIT_KEEP", default.events),
        ..default
    }
}
