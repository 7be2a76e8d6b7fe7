//! JSON as it is read piece by piece.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, SeqAccess, Visitor};

/// A string that is borrowed where it has no escapes.
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// A list of which no more than so many items are made: however long it is, it takes no more memory.
pub(crate) struct List<T, const MAX_ITEMS: usize> {
    /// The first of them.
    pub(crate) items: Vec<T>,
    /// How many there are.
    pub(crate) count: usize,
}

impl<'de, T: Deserialize<'de>, const MAX_ITEMS: usize> Deserialize<'de> for List<T, MAX_ITEMS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (items, count) = UpTo::new(MAX_ITEMS).deserialize(deserializer)?;
        Ok(List { items, count })
    }
}

/// Reads a list of which no more than so many items are made; beside them, how many there are.
pub(crate) struct UpTo<T> {
    max_items: usize,
    item: PhantomData<T>,
}

impl<T> UpTo<T> {
    pub(crate) fn new(max_items: usize) -> UpTo<T> {
        UpTo { max_items, item: PhantomData }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for UpTo<T> {
    type Value = (Vec<T>, usize);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for UpTo<T> {
    type Value = (Vec<T>, usize);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < self.max_items {
            let Some(item) = list.next_element()? else {
                let count = items.len();
                return Ok((items, count));
            };
            items.push(item);
        }
        let mut count = items.len();
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((items, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_counted_only() {
        for (json, items, count) in
            [("[]", vec![], 0), ("[1, 2]", vec![1, 2], 2), ("[1, 2, [{}], \"x\"]", vec![1, 2], 4)]
        {
            let list: List<u8, 2> = serde_json::from_str(json).unwrap();
            assert_eq!((list.items, list.count), (items, count), "{json}");
        }
        assert!(serde_json::from_str::<List<u8, 2>>("[1, 2, }").is_err());
        assert!(serde_json::from_str::<List<u8, 2>>("{}").is_err());
    }
}
