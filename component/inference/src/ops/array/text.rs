//! `StringConcat` and `StringNormalizer`.

use std::collections::BTreeSet;

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing};
use crate::ops::math::arithmetic::stretched;
use crate::ops::math::broadcast::{Stretched, each};
use crate::tensor::{Element, Fact, View, ViewMut};

/// Two tensors of texts, joined element by element.
#[derive(Debug)]
struct StringConcat {
    left: Stretched,
    right: Stretched,
}

pub(crate) fn string_concat(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(2)?;
    let (operands, element) = node.uniform_inputs()?;
    texts(element)?;
    let (shape, stretches) = stretched(node, &operands)?;
    let [left, right] = each(stretches);
    let output = Fact::new(Element::Text, shape);
    Ok(Built::kernel(StringConcat { left, right }, vec![0, 1], vec![output]))
}

fn texts(element: Element) -> Result<(), String> {
    match element {
        Element::Text => Ok(()),
        element => Err(format!("an input of type {element}, expected strings")),
    }
}

impl Kernel for StringConcat {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let ([View::Text(a), View::Text(b)], ViewMut::Text(y)) = (inputs, &mut outputs[0]) else {
            unreachable!("element types are fixed when a graph is loaded")
        };
        for (place, y) in y.iter_mut().enumerate() {
            *y = format!("{}{}", a[self.left.at(place)], b[self.right.at(place)]);
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    None,
    Lower,
    Upper,
}

impl Case {
    /// In the locale `C`, only the letters of ASCII have a case.
    fn of(self, text: &str, is_ascii: bool) -> String {
        match self {
            Case::Lower if is_ascii => return text.to_ascii_lowercase(),
            Case::Upper if is_ascii => return text.to_ascii_uppercase(),
            _ => {}
        }
        // Letter by letter, so that a text never has more of them than before.
        let only = |mut letters: Box<dyn Iterator<Item = char>>, letter: char| {
            let first = letters.next().unwrap_or(letter);
            if letters.next().is_some() { letter } else { first }
        };
        match self {
            Case::None => text.to_owned(),
            Case::Lower => text.chars().map(|c| only(Box::new(c.to_lowercase()), c)).collect(),
            Case::Upper => text.chars().map(|c| only(Box::new(c.to_uppercase()), c)).collect(),
        }
    }
}

/// Texts in lower or upper case. A stop word is left out, so a text that may be one must be the
/// only one of its row, where an empty one takes its place.
#[derive(Debug)]
struct StringNormalizer {
    case: Case,
    is_ascii: bool,
    is_case_sensitive: bool,
    stop_words: BTreeSet<String>,
}

pub(crate) fn string_normalizer(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    texts(input.fact.element)?;
    // In all others, letters belong together as Unicode says.
    let is_ascii = matches!(node.string("locale")?, Some("C" | "POSIX"));
    let case = match node.string("case_change_action")?.unwrap_or("NONE") {
        "NONE" => Case::None,
        "LOWER" => Case::Lower,
        "UPPER" => Case::Upper,
        other => return Err(format!("the attribute 'case_change_action' is '{other}'")),
    };
    let is_case_sensitive = node.int("is_case_sensitive")?.unwrap_or(0) != 0;
    let words = node.strings("stopwords")?;
    let shape = &input.fact.shape;
    let columns = match shape[..] {
        [columns] | [1, columns] => columns,
        _ => return Err(format!("an input of shape {shape:?}, expected [1, columns]")),
    };
    let stop_words: BTreeSet<String> = words
        .iter()
        .map(|word| if is_case_sensitive { word.clone() } else { Case::Lower.of(word, is_ascii) })
        .collect();
    let kernel = StringNormalizer { case, is_ascii, is_case_sensitive, stop_words };
    if let Some(constant) = input.constant {
        return kernel.of_constant(constant, shape.len());
    }
    if columns != 1 && !kernel.stop_words.is_empty() {
        return Err(format!(
            "stop words for {columns} texts side by side: how many are left depends on the request"
        ));
    }
    Ok(Built::map(kernel, input.fact.clone()))
}

impl StringNormalizer {
    fn is_kept(&self, text: &str) -> bool {
        match self.is_case_sensitive {
            true => !self.stop_words.contains(text),
            false => !self.stop_words.contains(&Case::Lower.of(text, self.is_ascii)),
        }
    }

    fn of_constant(
        &self,
        constant: &tract_hir::internal::Tensor,
        rank: usize,
    ) -> Result<Built, String> {
        let View::Text(texts) = View::of(constant).map_err(|e| e.to_string())? else {
            return Err("no strings".into());
        };
        let kept = texts.iter().filter(|text| self.is_kept(text));
        let mut kept: Vec<String> = kept.map(|text| self.case.of(text, self.is_ascii)).collect();
        if kept.is_empty() {
            kept.push(String::new());
        }
        let shape: Vec<usize> = if rank == 1 { vec![kept.len()] } else { vec![1, kept.len()] };
        let tensor = tract_hir::internal::tensor1(&kept).into_shape(&shape);
        tensor.map(crate::ops::array::shape::value).map_err(|e| e.to_string())
    }
}

impl Kernel for StringNormalizer {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let (View::Text(x), ViewMut::Text(y)) = (inputs[0], &mut outputs[0]) else {
            unreachable!("element types are fixed when a graph is loaded")
        };
        for (y, x) in y.iter_mut().zip(x) {
            *y = if self.is_kept(x) { self.case.of(x, self.is_ascii) } else { String::new() };
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Moves
    }
}
