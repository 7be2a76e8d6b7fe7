//! The layout `string`: one name per entry, `…:REST`, with the server's own expiry.

use crate::store::redis::layout::arrangement::{Arrangement, DataType, Kind, Located};
use crate::store::redis::layout::place::{NameContext, Place};

pub(crate) const KIND: Kind = Kind {
    name: "string",
    is_swept: false,
    ask: |_, _| {},
    arrange: |_, _| Ok(Box::new(StringLayout)),
};

struct StringLayout;

impl Arrangement for StringLayout {
    fn place(&self, stem: &str, rest: &str, _: &NameContext<'_>) -> Place {
        place(stem, rest)
    }

    fn data_type(&self) -> DataType {
        DataType::String
    }

    fn owns(&self, name_rest: &str) -> bool {
        !name_rest.starts_with(|first: char| first.is_ascii_uppercase())
    }

    fn locate<'a>(&self, stem: &str, rests: &'a [&'a str]) -> Located<'a> {
        Located::At(rests.iter().map(|rest| place(stem, rest)).collect())
    }
}

fn place(stem: &str, rest: &str) -> Place {
    Place { name: format!("{stem}:{rest}"), field: None }
}
