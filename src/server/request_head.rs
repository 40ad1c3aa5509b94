//! Finds the ends of request heads, and adapts the first head of a connection for HTTP/1.0. There a
//! `POST` without a length has no body (RFC 9112 section 6.3), but actix-http rejects it (RFC 1945
//! section 7.2.2). nginx sends such heads by default.

use std::borrow::Cow;

use httparse::{EMPTY_HEADER, Request, Status};

/// Maximum size of a head in bytes, as in actix-http.
const LIMIT: usize = 128 * 1024;

/// Maximum number of headers, as in actix-http.
const HEADERS: usize = 96;

/// The headers to insert after the request line. The length follows RFC 9112. Nothing after such a
/// request is read, because a body could otherwise smuggle in a request.
const EMPTY: &[u8] = b"connection: close\r\ncontent-length: 0\r\n";

/// The first bytes of a connection, before they reach actix-http.
#[derive(Default)]
pub(super) struct FirstHead {
    buffered: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    /// The bytes may begin a `POST` over HTTP/1.0.
    #[default]
    Undecided,
    /// All bytes pass unchanged.
    Passing,
    /// The buffered request is the last.
    Last,
}

impl FirstHead {
    /// Returns whether nothing more is to be read.
    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Last
    }

    /// Takes the bytes read, which are empty at the end of the connection. Returns the bytes for
    /// actix-http.
    pub(super) fn pass<'a>(&mut self, bytes: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if self.stage == Stage::Passing {
            return Some(Cow::Borrowed(bytes));
        }
        self.buffered.extend_from_slice(bytes);
        self.stage = match bytes {
            [] => Stage::Passing,
            _ => decide(&mut self.buffered),
        };
        (self.stage != Stage::Undecided).then(|| Cow::Owned(std::mem::take(&mut self.buffered)))
    }
}

/// Returns the end of the first empty line, which ends a head.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|at| match bytes.get(at + 1..)? {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

fn decide(buffered: &mut Vec<u8>) -> Stage {
    let line = buffered.iter().position(|byte| *byte == b'\n');
    let method = b"POST ";
    let Some(line_end) = line else {
        let may_match = method.starts_with(buffered) || buffered.starts_with(method);
        return undecided_if(may_match && buffered.len() < LIMIT);
    };
    let line = buffered
        .get(..line_end)
        .unwrap_or_default()
        .trim_ascii_end();
    if !(line.starts_with(method) && line.ends_with(b" HTTP/1.0")) {
        return Stage::Passing;
    }
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = Request::new(&mut headers);
    // The parser that actix-http uses, so that both see the same head.
    match request.parse(buffered) {
        Ok(Status::Partial) => undecided_if(buffered.len() < LIMIT),
        Ok(Status::Complete(length)) if has_no_length(&request) => {
            buffered.truncate(length);
            let after_line = line_end + 1;
            buffered.splice(after_line..after_line, EMPTY.iter().copied());
            Stage::Last
        }
        _ => Stage::Passing,
    }
}

const fn undecided_if(so: bool) -> Stage {
    if so { Stage::Undecided } else { Stage::Passing }
}

fn has_no_length(request: &Request<'_, '_>) -> bool {
    let decides = ["content-length", "transfer-encoding", "upgrade"];
    let is_0 = request.version == Some(0) && request.method == Some("POST");
    let mut names = request.headers.iter().map(|header| header.name);
    is_0 && !names.any(|name| {
        decides
            .iter()
            .any(|decides| name.eq_ignore_ascii_case(decides))
    })
}

#[cfg(test)]
mod tests {
    use super::FirstHead;

    /// Passes bytes in pieces of the given length. Returns the bytes for actix-http, and whether
    /// reading is over.
    fn opened(bytes: &str, pieces: usize) -> (String, bool) {
        let mut first = FirstHead::default();
        let mut got = Vec::new();
        for piece in bytes.as_bytes().chunks(pieces).chain([&b""[..]]) {
            if first.is_over() {
                break;
            }
            got.extend_from_slice(&first.pass(piece).unwrap_or_default());
        }
        (String::from_utf8(got).unwrap(), first.is_over())
    }

    #[test]
    fn a_post_by_http_1_0_without_a_length_gets_one_and_is_the_last() {
        let inserted =
            "POST /logout HTTP/1.0\r\nconnection: close\r\ncontent-length: 0\r\nHost: x\r\n\r\n";
        for pieces in [1, 7, 4000] {
            let head = "POST /logout HTTP/1.0\r\nHost: x\r\n\r\n";
            assert_eq!(opened(head, pieces), (inserted.to_owned(), true));
            let smuggled = format!("{head}GET / HTTP/1.1\r\n\r\n");
            assert_eq!(opened(&smuggled, pieces), (inserted.to_owned(), true));
        }
    }

    #[test]
    fn everything_else_passes_as_it_came() {
        for bytes in [
            "",
            "P",
            "POST",
            "GET / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.1\r\n\r\nPOST / HTTP/1.0\r\n\r\n",
            "POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
            "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.0\r\nUpgrade: websocket\r\n\r\nabc",
            "POST / HTTP/1.0\r\nContent-Length : 3\r\n\r\nabc",
            "POST / HTTP/1.0\r\nHost: x\r\n",
            "\r\nPOST / HTTP/1.0\r\n\r\n",
            "post / HTTP/1.0\r\n\r\n",
            "PUT / HTTP/1.0\r\n\r\n",
        ] {
            for pieces in [1, 7, 4000] {
                assert_eq!(
                    opened(bytes, pieces),
                    (bytes.to_owned(), false),
                    "{bytes:?}"
                );
            }
        }
    }
}
