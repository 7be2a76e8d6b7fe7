//! `ai.onnx.ml.OneHotEncoder`: a 1 at the position of an element's category, zeros beside it.
//!
//! A float is compared without its fraction; NaN, and what no integer holds, counts as the smallest
//! integer, as in onnxruntime on x86-64.

use std::fmt::Debug;

use crate::node::Node;
use crate::ops::array::cast::truncated;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, KnownTexts, Missing, Rows};
use crate::tensor::{Element, Fact, View, ViewMut, elements};

/// Categories in sorted order, with their positions.
#[derive(Debug)]
enum Categories {
    Text(Vec<(String, usize)>),
    Integer(Vec<(i64, usize)>),
}

#[derive(Debug)]
struct OneHotEncoder {
    categories: Categories,
    count: usize,
    /// Whether an element of no category gives zeros, rather than an error.
    zeros: bool,
}

pub(crate) fn one_hot_encoder(node: &Node<'_>) -> Result<Built, String> {
    let fact = node.input(0)?.fact;
    let (strings, integers) = (node.strings("cats_strings")?, node.ints("cats_int64s")?);
    let (categories, count) = match (strings.len(), integers.len(), fact.element) {
        (1.., 0, Element::Text) => {
            let count = strings.len();
            (Categories::Text(sorted(strings)), count)
        }
        (0, 1.., Element::F32 | Element::F64 | Element::I32 | Element::I64) => {
            (Categories::Integer(sorted(integers.iter().copied())), integers.len())
        }
        (strings, integers, element) => {
            return Err(format!(
                "{strings} categories that are strings and {integers} that are integers for an \
                 input of type {element}, expected categories of its kind only"
            ));
        }
    };
    if fact.shape.len() > 2 {
        return Err(format!("an input of shape {:?}, expected two dimensions", fact.shape));
    }
    let shape = [&fact.shape[..], &[count]].concat();
    elements(&shape)?;
    let zeros = node.int("zeros")?.unwrap_or(1) != 0;
    Ok(Built::map(OneHotEncoder { categories, count, zeros }, Fact::new(Element::F32, shape)))
}

/// With positions, sorted for a binary search; of equal categories the last one counts.
fn sorted<T: Ord>(categories: impl IntoIterator<Item = T>) -> Vec<(T, usize)> {
    let mut pairs: Vec<(T, usize)> = categories.into_iter().zip(0..).collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    pairs.dedup_by(|b, a| a.0 == b.0);
    pairs
}

impl OneHotEncoder {
    /// Why it fails on an element.
    fn unknown(&self, source: &View<'_>, at: usize) -> String {
        let (value, known) = match (&self.categories, source) {
            (Categories::Text(pairs), View::Text(source)) => {
                (format!("{:?}", source[at]), shown(pairs.iter().map(|(text, _)| text)))
            }
            (Categories::Integer(pairs), source) => {
                (source.number(at).to_string(), shown(pairs.iter().map(|(number, _)| number)))
            }
            _ => unreachable!("element types are fixed when a graph is loaded"),
        };
        format!("{value} is none of an encoder's categories, which are {known}")
    }
}

fn shown<T: Debug>(mut all: impl ExactSizeIterator<Item = T>) -> String {
    const MOST: usize = 10;
    let count = all.len();
    let some: Vec<String> = all.by_ref().take(MOST).map(|it| format!("{it:?}")).collect();
    let more = if count > MOST { format!(" and {} more", count - MOST) } else { String::new() };
    some.join(", ") + &more
}

impl Kernel for OneHotEncoder {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn known_texts(&self) -> Option<KnownTexts<'_>> {
        let Categories::Text(pairs) = &self.categories else { return None };
        let texts = pairs.iter().map(|(text, _)| text.as_str()).collect();
        Some(KnownTexts { texts, refuses_others: !self.zeros })
    }

    fn missing(&self) -> Missing {
        Missing::Encodes
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let target = outputs[0].singles();
        target.fill(0.0);
        for (i, ones) in target.chunks_exact_mut(self.count).enumerate() {
            let found = match (&self.categories, inputs[0]) {
                (Categories::Text(pairs), View::Text(source)) => {
                    pairs.binary_search_by(|pair| pair.0.cmp(&source[i])).map(|at| pairs[at].1)
                }
                (Categories::Integer(pairs), source) => {
                    let value = match source {
                        View::I64(source) => source[i],
                        source => truncated(source.number(i)),
                    };
                    pairs.binary_search_by(|pair| pair.0.cmp(&value)).map(|at| pairs[at].1)
                }
                _ => unreachable!("element types are fixed when a graph is loaded"),
            };
            match found {
                Ok(position) => ones[position] = 1.0,
                Err(_) if self.zeros => {}
                Err(_) => return Err(self.unknown(&inputs[0], i)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_fails_on_is_named_with_what_it_knows() {
        let categories = Categories::Integer(sorted((1..13).filter(|it| *it != 5)));
        let encoder = OneHotEncoder { categories, count: 11, zeros: false };
        let mut found = [7.0; 11];
        let mut run =
            |value: i64| encoder.run(&[View::I64(&[value])], &mut [ViewMut::F32(&mut found)]);
        assert_eq!(run(6), Ok(()));
        assert_eq!(
            run(5).unwrap_err(),
            "5 is none of an encoder's categories, which are 1, 2, 3, 4, 6, 7, 8, 9, 10, 11 and 1 more"
        );
    }
}
