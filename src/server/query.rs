//! Implements queries, which are turned into structs, with numbers in bounds.

use actix_web::HttpRequest;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, Unexpected};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use super::fields::Fields;
use tokenpair::web::Rejection;

/// Reads the query into a struct. A function, so that a handler can ask its guard first.
pub(super) fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Rejection> {
    Ok(Fields::of_query(request.query_string()).read()?)
}

/// A whole number from 1 to `MAX` in a query, and `DEFAULT` where the query does not have it.
#[derive(Clone, Copy)]
pub(super) struct Whole<const MAX: i64, const DEFAULT: i64>(pub(super) i64);

impl<'de, const MAX: i64, const DEFAULT: i64> Deserialize<'de> for Whole<MAX, DEFAULT> {
    fn deserialize<D: Deserializer<'de>>(field: D) -> Result<Self, D::Error> {
        let Some(text) = Option::<String>::deserialize(field)? else {
            return Ok(Self(DEFAULT));
        };
        let number = text
            .parse()
            .ok()
            .filter(|number| (1..=MAX).contains(number));
        number.map(Self).ok_or_else(|| {
            let expected = format!("a whole number from 1 to {MAX}");
            D::Error::invalid_value(Unexpected::Str(&text), &expected.as_str())
        })
    }
}

impl<const MAX: i64, const DEFAULT: i64> PartialSchema for Whole<MAX, DEFAULT> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(1))
            .maximum(Some(MAX))
            .default(Some(DEFAULT.into()))
            .into()
    }
}

impl<const MAX: i64, const DEFAULT: i64> ToSchema for Whole<MAX, DEFAULT> {}

/// The `page` of a list that is shown in pages.
pub(super) type PageNumber = Whole<1_000_000, 1>;

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::{Fields, PageNumber};

    #[test]
    fn a_number_of_a_query_has_a_default_and_bounds() {
        #[derive(Deserialize)]
        struct Query {
            page: PageNumber,
            search: Option<String>,
        }
        let read = |text: &str| Fields::of_query(text).read::<Query>();
        let query = read("search=").unwrap();
        assert_eq!((query.page.0, query.search.as_deref()), (1, Some("")));
        let query = read("page=1000000").unwrap();
        assert_eq!((query.page.0, query.search), (1_000_000, None));
        for wrong in ["page=", "page=0", "page=1000001", "page=x", "page=1.0"] {
            let error = read(wrong).err().unwrap();
            let told = "The parameter page has to be a whole number from 1 to 1000000";
            assert_eq!(error.to_string(), told, "{wrong}");
        }
    }
}
