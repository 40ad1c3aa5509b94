//! Tests `/tokenpair.js`, the browser client that the server has for pages without a build step.

use std::io::Read;

use flate2::read::GzDecoder;

use crate::docs::raw;
use crate::support::{Backend, TestApp};

const PATH: &str = "/tokenpair.js";

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(&format!("{name}: ")))
}

fn tag(app: &TestApp) -> String {
    let (head, _) = raw(app, PATH, "");
    header(&head, "etag").unwrap().to_owned()
}

fn it_is_a_module_that_any_page_can_import(on: Backend) {
    // Also where the pages for developers are off.
    for settings in [[].as_slice(), &[("SERVER_DOCS", "off")]] {
        let app = on.app_with(settings);
        let (head, body) = raw(&app, PATH, "");
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{head}");
        for (name, value) in [
            ("content-type", "text/javascript; charset=utf-8"),
            ("cache-control", "public, max-age=3600"),
            ("vary", "accept-encoding"),
            ("x-content-type-options", "nosniff"),
            (
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            ),
        ] {
            assert_eq!(header(&head, name), Some(value), "{head}");
        }
        assert!(!head.contains("set-cookie"), "{head}");
        let script = String::from_utf8(body).unwrap();
        assert!(script.starts_with("/*! @tokenpair/client "), "{script}");
        assert!(script.contains("MIT OR Apache-2.0"), "{script}");
        assert!(script.contains(" as createAuth}"), "{script}");

        let (head, compressed) = raw(&app, PATH, "Accept-Encoding: gzip, br\r\n");
        assert_eq!(header(&head, "content-encoding"), Some("gzip"));
        assert!(compressed.len() < 6000, "{}", compressed.len());
        let mut text = String::new();
        GzDecoder::new(&*compressed)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, script);
    }
}

fn a_client_that_has_it_is_told_so(on: Backend) {
    let app = on.app();
    let tag = tag(&app);
    assert!(tag.starts_with("w/\""), "{tag}");
    let tag = tag.replace("w/", "W/");
    let strong = tag.replace("W/", "");
    for known in [
        tag.clone(),
        strong,
        "*".to_owned(),
        format!("\"other\", {tag}"),
    ] {
        for encoding in ["", "Accept-Encoding: gzip\r\n"] {
            let sent = format!("If-None-Match: {known}\r\n{encoding}");
            let (head, body) = raw(&app, PATH, &sent);
            assert!(head.starts_with("http/1.1 304 not modified\r\n"), "{head}");
            assert!(
                body.is_empty() && !head.contains("content-encoding"),
                "{head}"
            );
            assert_eq!(header(&head, "etag"), Some(tag.to_lowercase().as_str()));
            assert_eq!(header(&head, "cache-control"), Some("public, max-age=3600"));
            assert_eq!(header(&head, "vary"), Some("accept-encoding"));
        }
    }
    for other in ["\"other\"", "W/\"\"", "\"", "", "x", "W/\"*\""] {
        let (head, body) = raw(&app, PATH, &format!("If-None-Match: {other}\r\n"));
        assert!(head.starts_with("http/1.1 200 ok\r\n"), "{other}: {head}");
        assert!(!body.is_empty());
    }
}

fn it_is_only_read_and_no_part_of_the_api(on: Backend) {
    let app = on.app();
    let head = app.request("HEAD", PATH).send();
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    for method in ["POST", "PUT", "DELETE"] {
        let response = app.request(method, PATH).send();
        response.refused(405, "method_not_allowed", "Method not allowed");
        assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    let description = app.get("/openapi.json").send().json();
    assert!(description["paths"][PATH].is_null());
}

fn a_listed_page_of_another_origin_can_import_it(on: Backend) {
    let page = "https://app.example.org";
    let app = on.app_with(&[("SERVER_CORS_ORIGINS", page)]);
    let (head, _) = raw(&app, PATH, &format!("Origin: {page}\r\n"));
    assert_eq!(header(&head, "access-control-allow-origin"), Some(page));
    let vary: Vec<&str> = head
        .lines()
        .filter(|line| line.starts_with("vary: "))
        .collect();
    let vary = vary.join(", ");
    assert!(
        vary.contains("origin") && vary.contains("accept-encoding"),
        "{head}"
    );
    let (head, _) = raw(&app, PATH, "Origin: https://evil.example\r\n");
    assert_eq!(header(&head, "access-control-allow-origin"), None);
}

on_both_databases!(
    it_is_a_module_that_any_page_can_import,
    a_client_that_has_it_is_told_so,
    it_is_only_read_and_no_part_of_the_api,
    a_listed_page_of_another_origin_can_import_it,
);
