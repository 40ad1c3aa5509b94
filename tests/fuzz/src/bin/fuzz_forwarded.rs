//! Lines that a client writes into `Forwarded` or `X-Forwarded-For`, before a trusted proxy adds where the client really
//! is: nothing that it writes puts it anywhere else.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

use actix_web::HttpRequest;
use actix_web::http::header::HeaderValue;
use actix_web::test::TestRequest;
use fuzz::auth;
use libfuzzer_sys::{Corpus, fuzz_target};
use tokenpair::web::{Auth, TrustedProxies, WebPolicy, client_ip};

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

/// What the proxy says, in either header.
const SAID: [(&str, &str); 2] = [
    ("X-Forwarded-For", "203.0.113.9"),
    ("Forwarded", "for=203.0.113.9;proto=https;by=_edge"),
];

static AUTH: LazyLock<Auth> = LazyLock::new(|| {
    let proxies = TrustedProxies::new(vec![PROXY.into()]);
    auth(WebPolicy {
        trusted_proxies: proxies,
        ..WebPolicy::default()
    })
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let lines = input.split(|byte| *byte == b'\n');
    let lines: Result<Vec<_>, _> = lines.map(HeaderValue::from_bytes).collect();
    let Ok(lines) = lines else {
        return Corpus::Reject; // No HTTP parser lets it through.
    };
    for (name, said) in SAID {
        // The proxy adds a line of its own.
        let mut more = lines.clone();
        more.push(HeaderValue::from_static(said));
        assert_eq!(client_ip(&request(PROXY, name, &more)), Some(CLIENT));

        // Or it adds to the last line. What cannot be read there makes it the proxy itself.
        let last = lines.last().map(HeaderValue::as_bytes).unwrap_or_default();
        let joined = [last, b", ", said.as_bytes()].concat();
        let Ok(joined) = HeaderValue::from_bytes(&joined) else {
            return Corpus::Reject;
        };
        let mut more = lines.clone();
        more.pop();
        more.push(joined);
        let found = client_ip(&request(PROXY, name, &more));
        assert!([Some(CLIENT), Some(PROXY)].contains(&found), "{found:?}");

        // Nobody else is asked.
        assert_eq!(client_ip(&request(CLIENT, name, &lines)), Some(CLIENT));
    }
    Corpus::Keep
});

fn request(peer: IpAddr, name: &'static str, lines: &[HeaderValue]) -> HttpRequest {
    let request = TestRequest::get().app_data(AUTH.clone());
    let append =
        |request: TestRequest, line: &HeaderValue| request.append_header((name, line.clone()));
    let request = lines.iter().fold(request, append);
    request
        .peer_addr(SocketAddr::new(peer, 443))
        .to_http_request()
}
