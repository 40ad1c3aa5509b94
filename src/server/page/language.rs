//! Defines [`Language`], and how `Accept-Language` chooses one (RFC 9110 section 12.5.4).

use actix_web::HttpRequest;
use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderValue};

/// A language of the page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Language {
    English,
    Korean,
}

/// A language range with its weight.
struct Range<'a> {
    /// The primary subtag, or `*`.
    primary: &'a str,
    /// In thousandths.
    weight: u16,
}

impl Language {
    /// All languages. The first is the default.
    pub(super) const ALL: [Self; 2] = [Self::English, Self::Korean];

    /// Returns the language that the request prefers. Of several with the same weight, the one
    /// named first. Default: English.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let headers = request.headers().get_all(ACCEPT_LANGUAGE);
        let texts = headers.filter_map(|header| header.to_str().ok());
        let ranges: Vec<Range<'_>> = texts
            .flat_map(|text| text.split(','))
            .filter_map(Range::parse)
            .collect();
        Self::chosen(&ranges)
    }

    fn chosen(ranges: &[Range<'_>]) -> Self {
        let mut best = (Self::English, 0, usize::MAX);
        for language in Self::ALL {
            let Some((place, weight)) = language.weight(ranges) else {
                continue;
            };
            if weight > best.1 || (weight == best.1 && weight > 0 && place < best.2) {
                best = (language, weight, place);
            }
        }
        best.0
    }

    /// Returns the place and the weight of the range that fits best: one that names the language,
    /// or else `*`.
    fn weight(self, ranges: &[Range<'_>]) -> Option<(usize, u16)> {
        let best = |wanted: &str| {
            let fitting = ranges.iter().enumerate();
            let fitting = fitting.filter(|(_, range)| range.primary.eq_ignore_ascii_case(wanted));
            let weights = fitting.map(|(place, range)| (place, range.weight));
            weights.reduce(|best, next| if next.1 > best.1 { next } else { best })
        };
        best(self.tag()).or_else(|| best("*"))
    }

    /// Returns the language tag (RFC 5646).
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Korean => "ko",
        }
    }

    /// Returns the value of `Content-Language`.
    pub(super) const fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.tag())
    }
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (tag, weight) = text.split_once(';').unwrap_or((text, "q=1"));
        let (name, weight) = weight.split_once('=')?;
        let weight: f32 = weight.trim().parse().ok()?;
        let is_weight = name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&weight);
        let primary = tag.trim().split('-').next()?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is from 0 to 1000"
        )]
        let weight = (weight * 1000.0).round() as u16;
        is_weight.then_some(Self { primary, weight })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::Language::{self, English, Korean};

    #[test]
    fn the_language_of_the_highest_weight_is_chosen() {
        for (accepted, chosen) in [
            ("", English),
            ("ko", Korean),
            ("KO-kr", Korean),
            ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", Korean),
            ("en-US,en;q=0.9,ko;q=0.8", English),
            ("en;q=0.2, ko ; q=0.3", Korean),
            ("ko;q=0.001", Korean),
            ("ko;q=0", English),
            ("ko, en", Korean),
            ("en, ko", English),
            ("fr, de;q=0.9", English),
            ("fr, ko;q=0.1", Korean),
            ("*", English),
            ("*, en;q=0", Korean),
            ("en;q=0.5, *;q=0.8", Korean),
            ("ko;q=0, *", English),
            ("ko;q=2", English),
            ("ko;q=NaN", English),
            ("ko;level=1", English),
            ("kok", English),
            ("ko;Q=1", Korean),
            (",, ,ko", Korean),
        ] {
            let request = TestRequest::default().insert_header(("Accept-Language", accepted));
            assert_eq!(
                Language::of(&request.to_http_request()),
                chosen,
                "{accepted}"
            );
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let request = TestRequest::default()
            .append_header(("Accept-Language", "en;q=0.5"))
            .append_header(("Accept-Language", "ko"));
        assert_eq!(Language::of(&request.to_http_request()), Korean);
    }
}
