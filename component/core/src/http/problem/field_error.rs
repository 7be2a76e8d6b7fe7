//! What is wrong with one field of a request.

use serde_json::json;

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// Name of the field or parameter; empty where the whole body is meant.
    pub field: String,
    /// Where it is.
    pub place: Place,
    /// What was found: a string as it is, anything else as its JSON text; `None` where nothing
    /// was found. Long values are cut.
    pub value: Option<String>,
    /// What is expected, e.g. `an integer from 18 to 127`.
    pub expected: String,
    /// The whole sentence.
    pub detail: String,
}

/// Where a mistake is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Place {
    /// In the field of that name, of the body or of a row.
    #[default]
    Field,
    /// In the element of this position of the field of that name.
    Element(usize),
    /// At this pointer (RFC 6901) into the body.
    Pointer(String),
    /// In the query parameter of that name.
    Parameter,
}

impl FieldError {
    /// A mistake of the whole body, or of a whole row.
    pub(crate) fn body(expected: impl Into<String>, detail: impl Into<String>) -> FieldError {
        FieldError::field("", expected, detail)
    }

    /// A mistake in the field of a name.
    pub(crate) fn field(
        name: impl Into<String>,
        expected: impl Into<String>,
        detail: impl Into<String>,
    ) -> FieldError {
        FieldError {
            field: name.into(),
            place: Place::Field,
            value: None,
            expected: expected.into(),
            detail: detail.into(),
        }
    }

    /// A mistake in the query parameter of a name.
    pub(crate) fn parameter(
        name: impl Into<String>,
        expected: impl Into<String>,
        detail: impl Into<String>,
    ) -> FieldError {
        FieldError { place: Place::Parameter, ..FieldError::field(name, expected, detail) }
    }

    /// The same mistake at a pointer (RFC 6901) into the body.
    pub(crate) fn at(self, pointer: impl Into<String>) -> FieldError {
        FieldError { place: Place::Pointer(pointer.into()), ..self }
    }

    /// The same mistake with what was found.
    pub(crate) fn found(self, value: impl Into<String>) -> FieldError {
        FieldError { value: Some(value.into()), ..self }
    }

    /// Bytes that it takes in a problem document, where its sentence stands twice.
    pub(crate) fn bytes(&self) -> usize {
        self.to_json(None).to_string().len() + self.detail.len()
    }

    /// The member `errors[i]`: the pointer is RFC 6901.
    pub(super) fn to_json(&self, row: Option<usize>) -> serde_json::Value {
        let row = row.map_or(String::new(), |row| format!("/{row}"));
        let mut error = json!({
            "field": self.field,
            "value": self.value,
            "expected": self.expected,
            "detail": self.detail,
        });
        let (name, place) = match (&self.place, self.field.as_str()) {
            (Place::Pointer(pointer), _) => ("pointer", pointer.clone()),
            (Place::Parameter, name) => ("parameter", name.to_owned()),
            (Place::Field, "") => ("pointer", row),
            (Place::Field, field) => ("pointer", format!("{row}/{}", escaped(field))),
            (Place::Element(index), field) => {
                ("pointer", format!("{row}/{}/{index}", escaped(field)))
            }
        };
        error[name] = place.into();
        error
    }
}

/// A member's name as a part of a pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
