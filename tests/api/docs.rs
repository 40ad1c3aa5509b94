//! Tests `/docs` and `/demo` and their files: the setting, headers, methods and compression.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Backend, Response, TestApp};

const PAGES: [&str; 2] = ["/docs", "/demo"];

/// Returns the addresses of the files that a page names, which are relative to it.
fn files(page: &Response) -> Vec<String> {
    let values = page.body.split('"').skip(1).step_by(2);
    let files = values.filter(|value| value.starts_with("docs/") || value.starts_with("demo/"));
    files.map(|file| format!("/{file}")).collect()
}

/// Returns the head and the body of a file, as bytes.
pub(crate) fn raw(app: &TestApp, path: &str, headers: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(app.address()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head.to_ascii_lowercase(), answer[end + 4..].to_vec())
}

fn the_pages_allow_scripts_of_this_server_alone_and_are_not_kept(on: Backend) {
    let app = on.app();
    for path in PAGES {
        let page = app.get(path).send();
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
        assert_eq!(page.header("cache-control"), Some("no-store"));
        let policy = page.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|found| found == part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let head = app.request("HEAD", path).send();
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        for method in ["POST", "PUT", "DELETE"] {
            let response = app.request(method, path).send();
            response.refused(405, "method_not_allowed", "Method not allowed");
            assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
        }
        let slash = app.get(&format!("{path}/")).send();
        slash.refused(404, "not_found", "Not found");
    }
}

fn their_files_are_kept_for_good_under_names_that_change_with_them(on: Backend) {
    let app = on.app();
    for path in PAGES {
        let page = app.get(path).send();
        let files = files(&page);
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            let (head, body) = raw(&app, &file, "");
            assert!(head.starts_with("http/1.1 200 ok\r\n"), "{file}: {head}");
            assert!(
                head.contains("\r\ncache-control: public, max-age=31536000, immutable\r\n"),
                "{head}"
            );
            assert!(
                head.contains("\r\nx-content-type-options: nosniff"),
                "{head}"
            );
            let kind = match file.rsplit('.').next().unwrap() {
                "js" => "text/javascript; charset=utf-8",
                "css" => "text/css; charset=utf-8",
                "svg" => "image/svg+xml",
                _ => "text/plain; charset=utf-8",
            };
            assert!(
                head.contains(&format!("\r\ncontent-type: {kind}")),
                "{head}"
            );
            assert!(!body.is_empty() && !head.contains("set-cookie"), "{file}");
            let response = app.request("DELETE", &file).send();
            response.refused(405, "method_not_allowed", "Method not allowed");
            let (folder, name) = file.rsplit_once('/').unwrap();
            let old = format!(
                "{}/0000000000000000/{name}",
                folder.rsplit_once('/').unwrap().0
            );
            for unknown in [
                old,
                format!("{folder}/other.js"),
                format!("{folder}/..%2f{name}"),
            ] {
                let response = app.get(&unknown).send();
                response.refused(404, "not_found", "Not found");
            }
        }
    }
}

fn large_files_are_compressed_for_clients_that_take_gzip(on: Backend) {
    let app = on.app();
    let files = files(&app.get("/docs").send());
    let ends_with = |end: &str| files.iter().find(|file| file.ends_with(end)).unwrap();
    for (end, start) in [
        ("/swagger-ui-bundle.js", &b"/*! For license information"[..]),
        ("/swagger-ui.css", b".swagger-ui"),
    ] {
        let file = ends_with(end);
        for accepted in [
            "gzip",
            "GZIP",
            "x-gzip",
            "br, gzip;q=0.5",
            "gzip, deflate, br, zstd",
            "*",
            "identity;q=0, *;q=0.1",
            "identity;q=0.2, gzip;q=0.3",
            "deflate, *;q=0.5",
            "gzip;q=0.5, *;q=0",
        ] {
            let (head, body) = raw(&app, file, &format!("Accept-Encoding: {accepted}\r\n"));
            assert!(
                head.contains("\r\ncontent-encoding: gzip"),
                "{accepted}: {head}"
            );
            assert!(head.contains("\r\nvary: accept-encoding"), "{head}");
            assert_eq!(body[..2], [0x1f, 0x8b]);
        }
        for refused in [
            "",
            "Accept-Encoding: identity\r\n",
            "Accept-Encoding: gzip;q=0\r\n",
            "Accept-Encoding:\r\n",
            "Accept-Encoding: *;q=0\r\n",
            "Accept-Encoding: br\r\n",
            "Accept-Encoding: gzip;q=0, *\r\n",
            "Accept-Encoding: x-gzip;q=0, *;q=0.5\r\n",
            "Accept-Encoding: identity, gzip;q=0.5\r\n",
            "Accept-Encoding: gzip;q=nonsense\r\n",
        ] {
            let (head, body) = raw(&app, file, refused);
            assert!(!head.contains("content-encoding"), "{refused}: {head}");
            assert!(head.contains("\r\nvary: accept-encoding"), "{head}");
            assert!(body.starts_with(start), "{refused}");
        }
    }
}

fn the_scripts_learn_the_names_of_cookies_and_headers_and_no_secret(on: Backend) {
    let app = on.app_with(&[
        ("JWT_ACCESS_COOKIE_NAME", "entry"),
        ("JWT_REFRESH_CSRF_HEADER_NAME", "X-Proof"),
        ("JWT_ACCESS_TOKEN_EXPIRES", "1m"),
    ]);
    for path in PAGES {
        // Every response is checked for the signing secret.
        let page = app.get(path).send().body.replace("&quot;", "\"");
        for part in [
            r#""access":{"name":"entry","csrf_name":"csrf_access_token"}"#,
            r#""refresh_header":"x-proof""#,
            r#""access_expires":60"#,
            r#""reissue_within":30"#,
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
    }
}

fn with_the_setting_off_nothing_of_them_is_there(on: Backend) {
    let app = on.app();
    let off = on.app_with(&[("SERVER_DOCS", "off")]);
    for path in PAGES {
        let nothing = off.get(path).send();
        nothing.refused(404, "not_found", "Not found");
        for file in files(&app.get(path).send()) {
            let response = off.get(&file).send();
            response.refused(404, "not_found", "Not found");
        }
    }
}

fn by_default_they_are_only_where_no_other_machine_can_reach_them(on: Backend) {
    for (url, status) in [
        ("http://localhost:8080", 200),
        ("https://login.example.org", 404),
    ] {
        let app = on.app_with(&[("PUBLIC_URL", url)]);
        assert_eq!(app.get("/docs").send().status, status, "{url}");
        let told = on.app_with(&[("PUBLIC_URL", url), ("SERVER_DOCS", "on")]);
        assert_eq!(told.get("/demo").send().status, 200, "{url}");
    }
}

on_both_databases!(
    the_pages_allow_scripts_of_this_server_alone_and_are_not_kept,
    their_files_are_kept_for_good_under_names_that_change_with_them,
    large_files_are_compressed_for_clients_that_take_gzip,
    the_scripts_learn_the_names_of_cookies_and_headers_and_no_secret,
    with_the_setting_off_nothing_of_them_is_there,
    by_default_they_are_only_where_no_other_machine_can_reach_them,
);
