//! Defines files that are part of the program: [`Site`], a page with its scripts and style sheets,
//! and [`StableFile`].
//!
//! A page names its files by a hash of their content, so browsers may keep them for good.

use std::io::{self, Read};
use std::sync::{LazyLock, OnceLock};

use actix_web::http::StatusCode;
use actix_web::http::header::{
    AcceptEncoding, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETag,
    Encoding, EntityTag, Header, HeaderValue, IfNoneMatch, Preference, Quality, QualityItem,
    REFERRER_POLICY, VARY,
};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use aws_lc_rs::digest::{Context, SHA256};
use flate2::read::GzDecoder;
use maud::html;

use tokenpair::web::Rejection;

/// A page and its files.
pub(super) struct Site {
    /// The path of the page, such as `/docs`. Its files are one folder below.
    pub(super) path: &'static str,
    /// The document, in which `{{files}}` stands for the folder of the files, relative to the page,
    /// and `{{settings}}` for the settings that its scripts need.
    document: &'static str,
    policy: &'static str,
    files: &'static [File],
    version: LazyLock<String>,
}

/// A file at an address that stays the same when its content changes. Clients keep it for an hour,
/// and then ask whether it has changed.
pub(super) struct StableFile {
    pub(super) path: &'static str,
    file: &'static File,
    version: LazyLock<String>,
}

/// A file of the program.
pub(super) struct File {
    name: &'static str,
    content_type: &'static str,
    content: Content,
}

enum Content {
    Plain(&'static [u8]),
    /// Compressed by gzip, and decompressed once a client without gzip has asked for it.
    Gzip(&'static [u8], &'static OnceLock<Bytes>),
}

const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const AN_HOUR: HeaderValue = HeaderValue::from_static("public, max-age=3600");

impl Site {
    pub(super) const fn new(
        path: &'static str,
        document: &'static str,
        policy: &'static str,
        files: &'static [File],
        version: fn() -> String,
    ) -> Self {
        Self {
            path,
            document,
            policy,
            files,
            version: LazyLock::new(version),
        }
    }

    /// Returns the document, for scripts that read these settings.
    pub(super) fn document(&self, settings: &str) -> Bytes {
        let page = self.path.trim_start_matches('/');
        let files = format!("{page}/{}", *self.version);
        // Escaped as an attribute needs it.
        let settings = html! { (settings) }.into_string();
        let document = self.document.replace("{{files}}", &files);
        document.replace("{{settings}}", &settings).into()
    }

    /// Returns the page.
    pub(super) fn page(&self, document: Bytes) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((CONTENT_SECURITY_POLICY, self.policy))
            .insert_header((REFERRER_POLICY, "same-origin"))
            .body(document)
    }

    /// Returns a file, or `None` if this version has no such file.
    pub(super) fn file(
        &self,
        (version, name): &(String, String),
        request: &HttpRequest,
    ) -> Option<Result<HttpResponse, Rejection>> {
        let mut files = self.files.iter().filter(|_| *version == *self.version);
        let file = files.find(|file| file.name == name)?;
        let mut response = HttpResponse::Ok();
        response.insert_header((CACHE_CONTROL, FOREVER));
        let response = file.response(request, response);
        Some(response.map_err(Rejection::internal))
    }
}

impl StableFile {
    pub(super) const fn new(
        path: &'static str,
        file: &'static File,
        version: fn() -> String,
    ) -> Self {
        Self {
            path,
            file,
            version: LazyLock::new(version),
        }
    }

    /// Returns the file, or a 304 for a client that has it.
    pub(super) fn response(&self, request: &HttpRequest) -> Result<HttpResponse, Rejection> {
        // Weak, since it names the file with and without compression.
        let tag = EntityTag::new_weak(self.version.clone());
        let is_known = has(request, &tag);
        let mut response = HttpResponse::Ok();
        response
            .insert_header((CACHE_CONTROL, AN_HOUR))
            .insert_header(ETag(tag));
        if is_known {
            response
                .status(StatusCode::NOT_MODIFIED)
                .insert_header((VARY, "Accept-Encoding"));
            return Ok(response.finish());
        }
        let response = self.file.response(request, response);
        response.map_err(Rejection::internal)
    }
}

/// Returns whether the client has the content of this tag (RFC 9110 section 13.1.2).
fn has(request: &HttpRequest, tag: &EntityTag) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(known)) => known.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}

/// Returns a hash of the files, which changes whenever one of them does.
pub(super) fn version(files: &[File]) -> String {
    let mut hash = Context::new(&SHA256);
    for file in files {
        let (Content::Plain(bytes) | Content::Gzip(bytes, _)) = file.content;
        hash.update(file.name.as_bytes());
        hash.update(&bytes.len().to_be_bytes());
        hash.update(bytes);
    }
    let hash = hash.finish();
    let start = hash.as_ref().iter().take(8);
    start.map(|byte| format!("{byte:02x}")).collect()
}

impl File {
    pub(super) const fn script(name: &'static str, content: &'static [u8]) -> Self {
        Self::plain(name, "text/javascript; charset=utf-8", content)
    }

    pub(super) const fn style(name: &'static str, content: &'static [u8]) -> Self {
        Self::plain(name, "text/css; charset=utf-8", content)
    }

    pub(super) const fn icon(name: &'static str, content: &'static [u8]) -> Self {
        Self::plain(name, "image/svg+xml", content)
    }

    pub(super) const fn text(name: &'static str, content: &'static [u8]) -> Self {
        Self::plain(name, "text/plain; charset=utf-8", content)
    }

    const fn plain(name: &'static str, content_type: &'static str, content: &'static [u8]) -> Self {
        Self {
            name,
            content_type,
            content: Content::Plain(content),
        }
    }

    /// Returns the file with this content instead, which gzip compressed.
    pub(super) const fn compressed(
        self,
        content: &'static [u8],
        plain: &'static OnceLock<Bytes>,
    ) -> Self {
        Self {
            content: Content::Gzip(content, plain),
            ..self
        }
    }

    fn response(
        &self,
        request: &HttpRequest,
        mut response: HttpResponseBuilder,
    ) -> io::Result<HttpResponse> {
        response.insert_header((CONTENT_TYPE, self.content_type));
        Ok(match self.content {
            Content::Plain(bytes) => response.body(bytes),
            Content::Gzip(bytes, plain) => {
                response.insert_header((VARY, "Accept-Encoding"));
                if accepts_gzip(request) {
                    response.insert_header((CONTENT_ENCODING, "gzip"));
                    response.body(bytes)
                } else {
                    response.body(decompressed(bytes, plain)?)
                }
            }
        })
    }
}

/// Returns whether a client prefers gzip (RFC 9110 section 12.5.3). Without the header, or with a
/// malformed one, it gets the plain file, and so does a client that accepts neither.
fn accepts_gzip(request: &HttpRequest) -> bool {
    let Ok(accepted) = AcceptEncoding::parse(request) else {
        return false;
    };
    let named = |names: &[&str]| {
        let is_named = |item: &&QualityItem<Preference<Encoding>>| match &item.item {
            Preference::Any => false,
            Preference::Specific(coding) => {
                let coding = coding.to_string();
                names.iter().any(|name| name.eq_ignore_ascii_case(&coding))
            }
        };
        let of_name = accepted.iter().filter(is_named);
        of_name.map(|item| item.quality).max()
    };
    let mut others = accepted.iter().filter(|item| item.item == Preference::Any);
    let other = others.next().map(|item| item.quality);
    // Codings that are not named are not acceptable, except for the plain text.
    let gzip = named(&["gzip", "x-gzip"])
        .or(other)
        .unwrap_or(Quality::ZERO);
    let plain = named(&["identity"]).or(other);
    gzip > Quality::ZERO && plain.is_none_or(|plain| gzip >= plain)
}

fn decompressed(bytes: &[u8], plain: &OnceLock<Bytes>) -> io::Result<Bytes> {
    if let Some(plain) = plain.get() {
        return Ok(plain.clone());
    }
    let mut text = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut text)?;
    Ok(plain.get_or_init(|| text.into()).clone())
}
