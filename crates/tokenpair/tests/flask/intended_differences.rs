//! Lists where ours differs from Flask-JWT-Extended, and why. Each entry must occur, or the list is
//! too long.

use super::cases::Case;
use super::compare::{ABSENT, Difference};
use super::http::Response;

/// The kind of a difference.
#[derive(Clone, Copy, Debug)]
enum Excused {
    /// The peer fails with a 5xx; ours responds.
    Crash,
    /// The peer fails with a 5xx where access must be denied; ours rejects.
    CrashAtTheGate,
    /// The peer accepts; ours rejects.
    Strict,
    /// The peer rejects; ours accepts.
    Lenient,
    /// Both reject, each in its own way.
    Refusal,
    /// Both reject with this beginning of a message, which the peer ends in the words of Python's
    /// own parser.
    Words(&'static str),
    /// Ours has fields with this ending, the peer has not.
    Added(&'static str),
    /// Ours has other values than this in fields with this ending.
    Replaced(&'static str, &'static str),
    /// The peer has this in fields with this ending, ours has no such fields.
    LeftOut(&'static str, &'static str),
}

// The headings of the guide's list, which is written for readers.
const CRASH: &str = "Where FJE fails with a 500";
const TYPE: &str = "A `type` other than `access` and `refresh`";
const GOOD_FORM: &str = "Tokens that are not valid JSON or base64url";
const B64: &str = "The extension `b64`";
const WORDS: &str = "Messages about broken JSON";
const COOKIES: &str = "Cookies are read as they come";
const AUDIENCE: &str = "A login that issues tokens for others only";
const UPLOADS: &str = "A CSRF token in a form";
const YEAR: &str = "`JWT_SESSION_COOKIE=false`";
const REISSUE: &str = "The reissue";

/// Entries of the guide that two apps under one set of requests cannot show.
const UNCOMPARED: &[(&str, &str)] = &[
    (
        "Errors say more",
        "`code` and `hint` are left out of the comparison",
    ),
    ("A loader that fails", "no loader of the two apps fails"),
    ("Reserved claims.", "no request has claims made for it"),
    ("OPTIONS", "both apps answer it on every route"),
    ("Secrets", "neither app would start"),
];

const UNKNOWN_TYPES: &[&str] = &[
    "type in capitals",
    "type unknown",
    "type null",
    "type a list",
];

#[derive(Clone, Copy, Debug)]
pub(crate) struct Purposeful {
    /// The heading of the guide's entry.
    told: &'static str,
    pub(crate) reason: &'static str,
    /// The kinds of requests with the difference; empty for all.
    kinds: &'static [&'static str],
    excused: Excused,
}

const fn differs(
    excused: Excused,
    told: &'static str,
    reason: &'static str,
    kinds: &'static [&'static str],
) -> Purposeful {
    Purposeful {
        told,
        reason,
        kinds,
        excused,
    }
}

pub(crate) const PURPOSEFUL: &[Purposeful] = &[
    differs(
        Excused::CrashAtTheGate,
        CRASH,
        "a fresh claim that is neither boolean nor number is compared with a number",
        &["fresh a word", "fresh null", "fresh a list"],
    ),
    differs(
        Excused::CrashAtTheGate,
        CRASH,
        "a csrf claim that is not a text is compared with one",
        &["csrf a number", "csrf null"],
    ),
    differs(
        Excused::CrashAtTheGate,
        CRASH,
        "a CSRF value beyond ASCII is compared by a function for ASCII",
        &["csrf beyond ASCII"],
    ),
    differs(
        Excused::Crash,
        CRASH,
        "a token is looked up in JSON that is not an object",
        &["JSON that is not an object"],
    ),
    differs(
        Excused::Crash,
        CRASH,
        "the first word is taken of a header value that has none",
        &["a blank among header values"],
    ),
    differs(
        Excused::Strict,
        TYPE,
        "an unknown type passes as an access token",
        UNKNOWN_TYPES,
    ),
    differs(
        Excused::Refusal,
        TYPE,
        "an unknown type is not a refresh token to the peer, and not a type to ours",
        UNKNOWN_TYPES,
    ),
    differs(
        Excused::Strict,
        GOOD_FORM,
        "times in quotes pass as numbers",
        &[
            "exp a number in quotes",
            "nbf a number in quotes",
            "iat a number in quotes",
        ],
    ),
    differs(
        Excused::Refusal,
        GOOD_FORM,
        "true passes as the time 1",
        &["exp true"],
    ),
    differs(
        Excused::Strict,
        GOOD_FORM,
        "base64url with padding passes; RFC 7515 section 2 has none",
        &["padding"],
    ),
    differs(
        Excused::Strict,
        GOOD_FORM,
        "JSON that is not UTF-8, or begins with a byte order mark, passes",
        &["payload in UTF-16", "payload after a mark of order"],
    ),
    differs(
        Excused::Strict,
        GOOD_FORM,
        "NaN and half characters pass among unknown claims",
        &["not a number among claims", "half a character among claims"],
    ),
    differs(
        Excused::Strict,
        GOOD_FORM,
        "of members that come twice the last one counts",
        &[
            "a claim twice",
            "an unknown claim twice",
            "a header member twice",
        ],
    ),
    differs(
        Excused::Strict,
        GOOD_FORM,
        "no token is too long",
        &["very long"],
    ),
    differs(
        Excused::Strict,
        B64,
        "the extension b64 passes as known, and nothing is done for it",
        &["crit b64 true"],
    ),
    differs(
        Excused::Refusal,
        B64,
        "the extension b64 is known, so that its misuse has messages of its own",
        &["crit absent b64", "b64 false", "crit b64 false"],
    ),
    differs(
        Excused::Refusal,
        GOOD_FORM,
        "a number beyond all numbers is JSON to Python",
        &["exp infinite"],
    ),
    differs(
        Excused::Words("Invalid header string: "),
        WORDS,
        "errors in a header's JSON are reported in Python's words",
        &[
            "two dots",
            "header empty",
            "header not JSON",
            "header not UTF-8",
            "header with an end",
        ],
    ),
    differs(
        Excused::Words("Invalid payload string: "),
        WORDS,
        "errors in a payload's JSON are reported in Python's words",
        &[
            "payload not JSON",
            "payload not UTF-8",
            "payload with an end",
            "claims very deep",
        ],
    ),
    differs(
        Excused::Refusal,
        GOOD_FORM,
        "a payload is read before its signature is checked",
        &[
            "a letter too many",
            "payload empty",
            "wrong signature and payload not JSON",
        ],
    ),
    differs(
        Excused::Strict,
        COOKIES,
        "the quotes around a cookie's value are taken away; ours reads cookies as they come",
        &["a cookie in quotes"],
    ),
    differs(
        Excused::Refusal,
        COOKIES,
        "a cookie with a blank in its value is passed over; ours reads cookies as they come",
        &["a blank in a cookie"],
    ),
    differs(
        Excused::Lenient,
        AUDIENCE,
        "a token that is made for others, and would be refused here, cannot be put into a cookie",
        &["login"],
    ),
    differs(
        Excused::Strict,
        UPLOADS,
        "a CSRF value is looked for in forms that upload files too; ours reads those as they come, in the handler",
        &["csrf in a form of many parts"],
    ),
    differs(
        Excused::Refusal,
        UPLOADS,
        "its error is then reported in other words",
        &["csrf in a form of many parts"],
    ),
    differs(
        Excused::Replaced("/Max-Age", "31540000"),
        YEAR,
        "cookies that outlive the browser outlive their tokens: they are kept for a year",
        &[],
    ),
    differs(
        Excused::LeftOut("/Expires", "in 31540000 seconds"),
        YEAR,
        "the same year is reported a second time, as a date",
        &[],
    ),
    differs(
        Excused::Added("/claims/color"),
        REISSUE,
        "the recipe of the reissue drops additional claims",
        &["soon over", "access, soon over"],
    ),
];

impl Purposeful {
    fn allows(&self, case: &Case, sides: (&Response, &Response), found: &Difference) -> bool {
        let (theirs, ours) = sides;
        let refused = |side: &Response| (400..500).contains(&side.status) && side.json().is_some();
        let told = ours.json().is_some() && !ours.is_failure_of_the_server();
        (self.kinds.is_empty() || self.kinds.contains(&case.kind))
            && match self.excused {
                Excused::Crash => theirs.is_failure_of_the_server() && told,
                Excused::CrashAtTheGate => theirs.is_failure_of_the_server() && refused(ours),
                Excused::Strict => theirs.status < 400 && refused(ours),
                Excused::Lenient => refused(theirs) && ours.status < 400,
                Excused::Refusal => refused(theirs) && refused(ours),
                Excused::Words(beginning) => refused(ours) && begin(found, beginning),
                Excused::Added(end) => found.field.ends_with(end) && found.theirs == ABSENT,
                Excused::Replaced(end, value) => {
                    found.field.ends_with(end) && found.theirs == value && found.ours != ABSENT
                }
                Excused::LeftOut(end, value) => {
                    found.field.ends_with(end) && found.theirs == value && found.ours == ABSENT
                }
            }
    }
}

fn begin(difference: &Difference, beginning: &str) -> bool {
    let does = |text: Option<&str>| text.is_some_and(|text| text.starts_with(beginning));
    difference.field.starts_with("/body/")
        && does(difference.theirs.as_str())
        && does(difference.ours.as_str())
}

/// Returns the numbers of the entries that allow these differences; `None` if one difference is not
/// allowed.
pub(crate) fn allowing(
    case: &Case,
    sides: (&Response, &Response),
    found: &[Difference],
) -> Option<Vec<usize>> {
    let allows = |one: &Difference| {
        PURPOSEFUL
            .iter()
            .position(|entry| entry.allows(case, sides, one))
    };
    found.iter().map(allows).collect()
}

#[test]
fn the_guide_tells_of_each_difference_and_of_no_other() {
    let guide = include_str!("../../docs/coming-from-flask.md");
    let list = guide
        .split_once("## Intended differences")
        .and_then(|(_, rest)| rest.split_once("With a record of sessions"))
        .map(|(list, _)| list)
        .expect("the guide has its list");
    let mut heads: Vec<_> = list
        .split("\n- **")
        .skip(1)
        .filter_map(|entry| entry.split_once("**"))
        .map(|(head, _)| head)
        .collect();
    let mut known: Vec<_> = PURPOSEFUL.iter().map(|entry| entry.told).collect();
    known.extend(UNCOMPARED.iter().map(|(head, _)| *head));
    for list in [&mut heads, &mut known] {
        list.sort_unstable();
        list.dedup();
    }
    assert_eq!(heads, known);
}
