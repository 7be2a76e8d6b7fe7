//! The keys that a component reaches: those of its own model, wherever the store has them.
//!
//! A component says itself which model it is, and nothing in its bytes proves it. Where the operator
//! does not believe it, its entries lie under an id that depends on its bytes, so that whatever it
//! says, no other component's entries have that id.

use std::borrow::Cow;

use foretold_core::cache::key::{self, ModelId, Parsed};

/// The keys that are a component's own.
#[derive(Default)]
pub(crate) struct OwnKeys {
    /// The id of its model, as it says; none before it has said it.
    said: Option<String>,
    /// The id under which the store has its entries, if that is another one.
    stored: Option<String>,
    /// The Python classes whose keys it shares with a Python service.
    python_classes: Vec<String>,
}

impl OwnKeys {
    /// Those of a model and of Python classes; none where the id has not the form of one.
    pub(crate) fn new(model_id: &str, python_classes: Vec<String>) -> OwnKeys {
        let said = key::is_model_id(model_id).then(|| model_id.to_owned());
        OwnKeys { said, stored: None, python_classes }
    }

    /// Those of a component that may lie about its id, by the digest of its bytes.
    pub(crate) fn of_untrusted(model_id: &str, component: &blake3::Hash) -> OwnKeys {
        let stored = ModelId::of_untrusted(model_id, component.as_bytes()).to_string();
        OwnKeys { stored: Some(stored), ..OwnKeys::new(model_id, Vec::new()) }
    }

    /// Whether the store has them under other names than the component's.
    pub(crate) fn are_renamed(&self) -> bool {
        self.stored.is_some()
    }

    /// The id under which the store has them.
    pub(crate) fn stored_id(&self) -> Option<&str> {
        self.stored.as_deref().or(self.said_id())
    }

    /// The id that the component says.
    pub(crate) fn said_id(&self) -> Option<&str> {
        self.said.as_deref()
    }

    /// Whether a key is one that a Python service shares, whose entry says nothing of itself.
    pub(crate) fn are_of_python(&self, key: &str) -> bool {
        matches!(key::parse(key), Some(Parsed::Python { .. }))
    }

    /// The key under which the store has what the component calls so; none where that is not its
    /// own.
    pub(crate) fn stored<'k>(&self, key: &'k str) -> Option<Cow<'k, str>> {
        match key::parse(key)? {
            Parsed::Model { model, rest } if self.said.as_deref() == Some(model) => {
                Some(match &self.stored {
                    Some(stored) => key::join(stored, rest).into(),
                    None => key.into(),
                })
            }
            Parsed::Python { class } if self.python_classes.iter().any(|own| own == class) => {
                Some(key.into())
            }
            Parsed::Model { .. } | Parsed::Python { .. } => None,
        }
    }

    /// What the component calls a key that the store has.
    pub(crate) fn said<'k>(&self, key: &'k str) -> Cow<'k, str> {
        match (key::parse(key), &self.said, &self.stored) {
            (Some(Parsed::Model { model, rest }), Some(said), Some(stored)) if model == stored => {
                key::join(said, rest).into()
            }
            _ => key.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "oqOYiB-NH-T4wBA";

    #[test]
    fn only_keys_of_the_model_and_of_declared_classes_are_a_components_own() {
        let keys = OwnKeys::new(MODEL, vec!["Decision".to_owned()]);
        for own in ["foretold:oqOYiB-NH-T4wBA:pGRgA", "foretold:oqOYiB-NH-T4wBA:x", "Decision(a=1)"]
        {
            assert_eq!(keys.stored(own).as_deref(), Some(own));
            assert_eq!(keys.said(own), own);
        }
        for other in [
            "",
            "a",
            "foretold:",
            "foretold:generations",
            "foretold:oqOYiB-NH-T4wBA",
            "foretold:oqOYiB-NH-T4wBA:",
            "foretold:oqOYiB-NH-T4wBB:pGRgA",
            "xforetold:oqOYiB-NH-T4wBA:pGRgA",
            "Decisions(a=1)",
            "Decision",
            "(a=1)",
        ] {
            assert_eq!(keys.stored(other), None, "{other}");
        }
        assert_eq!(OwnKeys::default().stored("foretold:oqOYiB-NH-T4wBA:pGRgA"), None);
        assert_eq!(OwnKeys::new("", vec![]).stored("foretold::pGRgA"), None);
    }

    #[test]
    fn the_entries_of_an_untrusted_component_lie_where_its_bytes_say() {
        let component = blake3::hash(b"one");
        let keys = OwnKeys::of_untrusted(MODEL, &component);
        let id = keys.stored_id().unwrap();
        assert!(key::is_model_id(id) && id != MODEL, "{id}");
        let stored = keys.stored("foretold:oqOYiB-NH-T4wBA:pGRgA").unwrap();
        assert_eq!(stored, format!("foretold:{id}:pGRgA"));
        assert_eq!(keys.said(&stored), "foretold:oqOYiB-NH-T4wBA:pGRgA");
        // Whoever knows the id cannot name it either.
        assert_eq!(keys.stored(&stored), None);
        assert_eq!(keys.stored("Decision(a=1)"), None);

        let same = OwnKeys::of_untrusted(MODEL, &component);
        assert_eq!(same.stored_id(), Some(id));
        let other_bytes = OwnKeys::of_untrusted(MODEL, &blake3::hash(b"two"));
        let other_model = OwnKeys::of_untrusted("another-model-0", &component);
        for other in [other_bytes, other_model] {
            assert_ne!(other.stored_id(), Some(id));
        }
        assert_eq!(OwnKeys::of_untrusted("", &component).stored("foretold::pGRgA"), None);
    }
}
