//! Defines the built-in page, which shows people the login form, a greeting, or an error.

use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
};
use actix_web::{HttpRequest, HttpResponse};
use html_escape::encode_text;

use super::browser;
use tokenpair::web::Rejection;

/// Allows no scripts, images or frames, no style except [`STYLE`], by its hash (CSP Level 3,
/// section 6.7.3.3), and forms only to this server.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'sha256-eg8bZWGboG6tedPf6ylHxLn0m2/vN8qo+HSIaeUv8ps='; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);

/// The style sheet, for light and dark colours and for touch screens.
const STYLE: &str = "
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 22rem; margin: 10vh auto 2rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
label { display: block; }
input, button { font: inherit; padding: .5rem; box-sizing: border-box; }
input:not([type=checkbox]) { display: block; width: 100%; }
button { width: 100%; cursor: pointer; }
[role=alert] { border-left: .25rem solid crimson; padding-left: .75rem; }
code { overflow-wrap: anywhere; }
";

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Without a referrer, a browser would not send the form's origin, and the form would be rejected.
const REFERRER: HeaderValue = HeaderValue::from_static("same-origin");

/// The login form.
pub(super) const FORM: &str = r#"<form method="post" action="/login">
<p><label>Username <input name="username" autocomplete="username" required autofocus></label></p>
<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>
<p><label><input name="remember" type="checkbox"> Stay logged in on this device</label></p>
<p><button>Log in</button></p>
</form>"#;

/// Returns a page with this HTML in it.
pub(super) fn page(main: &str) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::OK).body(document(main));
    describe(response.headers_mut());
    response
}

/// Greets the logged-in user.
pub(super) fn greeting(name: &str) -> HttpResponse {
    let name = encode_text(name);
    page(&format!(
        "<p>Hello, {name}.</p>\n<p><a href=\"/logout\">Log out</a></p>"
    ))
}

/// Shows an error as a page if a browser navigates to it. Other headers of the response are kept.
pub(super) fn show_error(response: ServiceResponse) -> ServiceResponse {
    let request = response.request();
    let error = response.response().error();
    let rejection = error.and_then(|error| error.as_error::<Rejection>());
    let Some(rejection) = rejection.filter(|_| browser::navigates(request)) else {
        return response;
    };
    let text = document(&error_text(rejection, request));
    let mut response = response.map_body(|_, _| BoxBody::new(text));
    describe(response.headers_mut());
    response
}

fn error_text(rejection: &Rejection, request: &HttpRequest) -> String {
    let mut main = format!(
        "<p role=\"alert\">{}.</p>\n",
        encode_text(&rejection.to_string())
    );
    // The hint about waiting names a header, which is for programs.
    let next = match rejection.seconds_to_wait() {
        Some(seconds) => Some(format!("Try again in {}.", duration(seconds))),
        None => rejection.advice().map(str::to_owned),
    };
    if let Some(next) = next {
        main += &format!("<p>{}</p>\n", encode_text(&next));
    }
    main + match request.path() {
        "/login" => FORM,
        "/logout" if rejection.seconds_to_wait().is_some() => {
            "<p><a href=\"/logout\">Try again</a></p>"
        }
        "/" => "<p><a href=\"/\">Try again</a></p>",
        _ => "<p><a href=\"/\">Go to the start page</a></p>",
    }
}

fn duration(seconds: u32) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        0..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

fn describe(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HTML);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(REFERRER_POLICY, REFERRER);
}

fn document(main: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>tokenpair</title>\n<style>{STYLE}</style>\n\
         <main>\n<h1>tokenpair</h1>\n{main}\n</main>\n</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::{POLICY, STYLE};

    #[test]
    fn the_policy_allows_the_page_s_own_style() {
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        let policy = POLICY;
        let policy = policy.to_str().unwrap();
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{hash}");
    }
}
