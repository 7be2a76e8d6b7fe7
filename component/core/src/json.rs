//! JSON as it is read piece by piece.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

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
        struct Items<T, const MAX_ITEMS: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MAX_ITEMS: usize> Visitor<'de> for Items<T, MAX_ITEMS> {
            type Value = List<T, MAX_ITEMS>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sequence")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while items.len() < MAX_ITEMS {
                    let Some(item) = list.next_element()? else {
                        return Ok(List { count: items.len(), items });
                    };
                    items.push(item);
                }
                let mut count = items.len();
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(List { items, count })
            }
        }

        deserializer.deserialize_seq(Items(PhantomData))
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
