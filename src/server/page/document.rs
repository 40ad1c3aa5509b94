//! Implements the frame around every state of the page, and the headers of its response.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderValue, LOCATION, REFERRER_POLICY, VARY,
};
use actix_web::{HttpRequest, HttpResponse};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::address::{Address, PAGE};
use super::language::Language;
use super::next::Next;
use super::site::{Look, Site};
use super::texts::Texts;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Without a referrer, a browser would not send the form's origin, and the form would be rejected.
const REFERRER: HeaderValue = HeaderValue::from_static("same-origin");

const BY_LANGUAGE: HeaderValue = HeaderValue::from_static("Accept-Language");

/// The page as one visitor sees it: the operator's part of it, in the visitor's language.
pub(in crate::server) struct Shown<'a> {
    pub(super) site: &'a Site,
    pub(super) texts: &'static Texts,
    language: Language,
}

/// A state of the page.
pub(super) struct State {
    pub(super) heading: String,
    /// Whether it shows an error, which the title then says first.
    pub(super) failed: bool,
    /// The language of the heading, if it is not the page's.
    pub(super) language: Option<&'static str>,
    pub(super) main: Markup,
}

impl State {
    pub(super) fn new(heading: impl Into<String>, main: Markup) -> Self {
        Self {
            heading: heading.into(),
            failed: false,
            language: None,
            main,
        }
    }

    /// Returns the state with an error in it, or without.
    pub(super) fn failed(self, failed: bool) -> Self {
        Self { failed, ..self }
    }
}

impl<'a> Shown<'a> {
    pub(in crate::server) fn to(request: &HttpRequest, site: &'a Site) -> Self {
        let language = Language::of(request);
        Self {
            site,
            texts: Texts::of(language),
            language,
        }
    }

    /// Returns the response with this state of the page.
    pub(super) fn respond(&self, state: &State) -> HttpResponse {
        let look = self.site.look();
        let mut response = HttpResponse::build(StatusCode::OK).body(self.document(state, &look));
        self.describe(response.headers_mut(), &look);
        response
    }

    /// Adds the headers of the page to a response that becomes one.
    pub(super) fn describe(&self, headers: &mut HeaderMap, look: &Look) {
        headers.remove(CONTENT_LENGTH);
        headers.insert(CONTENT_TYPE, HTML);
        headers.insert(CONTENT_SECURITY_POLICY, look.policy.clone());
        headers.insert(REFERRER_POLICY, REFERRER);
        headers.insert(CONTENT_LANGUAGE, self.language.header());
        headers.append(VARY, BY_LANGUAGE);
    }

    pub(super) fn document(&self, state: &State, look: &Look) -> String {
        let title = &self.site.title;
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title {
                        @if state.failed { (self.texts.error) ": " }
                        (state.heading) " – " (title)
                    }
                    // Checked by the settings: it cannot end the element.
                    style { (PreEscaped(&look.style)) }
                }
                body {
                    header.brand {
                        a href=(PAGE) {
                            span.mark aria-hidden="true" { (initial(title)) }
                            span { (title) }
                        }
                    }
                    main {
                        h1 lang=[state.language] { (state.heading) }
                        (state.main)
                    }
                }
            }
        };
        page.into_string()
    }
}

/// Returns the first letter of the title, as a mark beside it.
fn initial(title: &str) -> String {
    title.chars().take(1).flat_map(char::to_uppercase).collect()
}

/// Redirects to a state of the page (303).
pub(in crate::server) fn see_other(address: Address, next: Option<&Next>) -> HttpResponse {
    to_path(&address.with_next(next))
}

/// Redirects a browser to a path (303).
pub(in crate::server) fn to_path(path: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, path))
        .finish()
}
