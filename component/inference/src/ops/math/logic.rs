//! Comparisons and logic. NaN is neither equal to, nor less or greater than anything.

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing, Rows};
use crate::ops::math::arithmetic::stretched;
use crate::ops::math::broadcast::{Stretched, each};
use crate::tensor::{Element, Fact, View, ViewMut, elements};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    fn holds<T: PartialOrd>(self, a: &T, b: &T) -> bool {
        match self {
            Relation::Equal => a == b,
            Relation::Less => a < b,
            Relation::LessOrEqual => a <= b,
            Relation::Greater => a > b,
            Relation::GreaterOrEqual => a >= b,
        }
    }
}

/// Two tensors, compared element by element.
#[derive(Debug)]
struct Compare {
    relation: Relation,
    left: Stretched,
    right: Stretched,
    size: usize,
}

fn compare(node: &Node<'_>, relation: Relation) -> Result<Built, String> {
    node.exactly(2)?;
    let (operands, element) = node.uniform_inputs()?;
    let ordered = relation != Relation::Equal;
    if ordered && matches!(element, Element::Bool | Element::Text) {
        return Err(format!("inputs of type {element}, expected numbers"));
    }
    let (shape, stretches) = stretched(node, &operands)?;
    let [left, right] = each(stretches);
    let size = elements(&shape)?;
    let output = Fact::new(Element::Bool, shape);
    Ok(Built::kernel(Compare { relation, left, right, size }, vec![0, 1], vec![output]))
}

impl Kernel for Compare {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let target = outputs[0].truths();
        macro_rules! compare {
            ($($type:ident),*) => {
                match (inputs[0], inputs[1]) {
                    $((View::$type(a), View::$type(b)) => {
                        for (row, y) in target.chunks_exact_mut(self.size.max(1)).enumerate() {
                            let (a, b) = (self.left.of_row(a, row), self.right.of_row(b, row));
                            for (place, y) in y.iter_mut().enumerate() {
                                let (a, b) = (&a[self.left.at(place)], &b[self.right.at(place)]);
                                *y = self.relation.holds(a, b);
                            }
                        }
                    })*
                    _ => unreachable!("element types are fixed when a graph is loaded"),
                }
            };
        }
        compare!(F32, F64, I32, I64, Bool, Text);
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Decides
    }
}

pub(crate) fn equal(node: &Node<'_>) -> Result<Built, String> {
    compare(node, Relation::Equal)
}

pub(crate) fn less(node: &Node<'_>) -> Result<Built, String> {
    compare(node, Relation::Less)
}

pub(crate) fn less_or_equal(node: &Node<'_>) -> Result<Built, String> {
    compare(node, Relation::LessOrEqual)
}

pub(crate) fn greater(node: &Node<'_>) -> Result<Built, String> {
    compare(node, Relation::Greater)
}

pub(crate) fn greater_or_equal(node: &Node<'_>) -> Result<Built, String> {
    compare(node, Relation::GreaterOrEqual)
}

#[derive(Clone, Copy, Debug)]
enum Connective {
    And,
    Or,
    Xor,
}

/// Two tensors of truth values.
#[derive(Debug)]
struct Combine {
    connective: Connective,
    left: Stretched,
    right: Stretched,
    size: usize,
}

/// Checks that all inputs are truth values.
fn truths(node: &Node<'_>) -> Result<(), String> {
    match node.uniform_inputs()?.1 {
        Element::Bool => Ok(()),
        element => Err(format!("inputs of type {element}, expected bool")),
    }
}

fn combine(node: &Node<'_>, connective: Connective) -> Result<Built, String> {
    node.exactly(2)?;
    truths(node)?;
    let (shape, stretches) = stretched(node, &node.all_inputs()?)?;
    let [left, right] = each(stretches);
    let size = elements(&shape)?;
    let output = Fact::new(Element::Bool, shape);
    Ok(Built::kernel(Combine { connective, left, right, size }, vec![0, 1], vec![output]))
}

impl Kernel for Combine {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let [View::Bool(a), View::Bool(b)] = inputs else {
            unreachable!("element types are fixed when a graph is loaded")
        };
        for (row, y) in outputs[0].truths().chunks_exact_mut(self.size.max(1)).enumerate() {
            let (a, b) = (self.left.of_row(a, row), self.right.of_row(b, row));
            for (place, y) in y.iter_mut().enumerate() {
                let (a, b) = (a[self.left.at(place)], b[self.right.at(place)]);
                *y = match self.connective {
                    Connective::And => a && b,
                    Connective::Or => a || b,
                    Connective::Xor => a != b,
                };
            }
        }
        Ok(())
    }
}

pub(crate) fn and(node: &Node<'_>) -> Result<Built, String> {
    combine(node, Connective::And)
}

pub(crate) fn or(node: &Node<'_>) -> Result<Built, String> {
    combine(node, Connective::Or)
}

pub(crate) fn xor(node: &Node<'_>) -> Result<Built, String> {
    combine(node, Connective::Xor)
}

#[derive(Debug)]
struct Not;

pub(crate) fn not(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(1)?;
    truths(node)?;
    Ok(Built::map(Not, node.input(0)?.fact.clone()))
}

impl Kernel for Not {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let View::Bool(x) = inputs[0] else {
            unreachable!("element types are fixed when a graph is loaded")
        };
        outputs[0].truths().iter_mut().zip(x).for_each(|(y, x)| *y = !x);
        Ok(())
    }
}

/// Which of the values that are no numbers are looked for.
#[derive(Debug)]
enum Is {
    Nan,
    Infinite { negative: bool, positive: bool },
}

pub(crate) fn is_nan(node: &Node<'_>) -> Result<Built, String> {
    is(node, Is::Nan)
}

pub(crate) fn is_inf(node: &Node<'_>) -> Result<Built, String> {
    let detect = |name| Ok::<_, String>(node.int(name)?.unwrap_or(1) != 0);
    let (negative, positive) = (detect("detect_negative")?, detect("detect_positive")?);
    is(node, Is::Infinite { negative, positive })
}

fn is(node: &Node<'_>, is: Is) -> Result<Built, String> {
    let input = node.input(0)?;
    input.float()?;
    Ok(Built::map(is, Fact::new(Element::Bool, input.fact.shape.clone())))
}

impl Kernel for Is {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        for (i, y) in outputs[0].truths().iter_mut().enumerate() {
            let x = inputs[0].number(i);
            *y = match *self {
                Is::Nan => x.is_nan(),
                Is::Infinite { negative, positive } => {
                    x.is_infinite() && if x < 0.0 { negative } else { positive }
                }
            };
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Decides
    }
}

/// One of two tensors, element by element, as truth values say. As in onnxruntime, -0 of the first
/// becomes 0.
#[derive(Debug)]
struct Where {
    condition: Stretched,
    yes: Stretched,
    no: Stretched,
    size: usize,
}

pub(crate) fn where_(node: &Node<'_>) -> Result<Built, String> {
    node.exactly(3)?;
    let operands = node.all_inputs()?;
    let [condition, yes, no] = [0, 1, 2].map(|i| operands[i].fact.element);
    if condition != Element::Bool || yes != no {
        return Err(format!(
            "inputs of types {condition}, {yes} and {no}, expected bool and twice the same type"
        ));
    }
    let (shape, stretches) = stretched(node, &operands)?;
    let element = yes;
    let [condition, yes, no] = each(stretches);
    let size = elements(&shape)?;
    let output = Fact::new(element, shape);
    Ok(Built::kernel(Where { condition, yes, no, size }, vec![0, 1, 2], vec![output]))
}

impl Kernel for Where {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let View::Bool(condition) = inputs[0] else {
            unreachable!("element types are fixed when a graph is loaded")
        };
        macro_rules! choose {
            ($($type:ident: |$x:ident| $chosen:expr),*) => {
                match (inputs[1], inputs[2], &mut outputs[0]) {
                    $((View::$type(yes), View::$type(no), ViewMut::$type(y)) => {
                        for (row, y) in y.chunks_exact_mut(self.size.max(1)).enumerate() {
                            let condition = self.condition.of_row(condition, row);
                            let (yes, no) = (self.yes.of_row(yes, row), self.no.of_row(no, row));
                            for (place, y) in y.iter_mut().enumerate() {
                                if condition[self.condition.at(place)] {
                                    let $x = &yes[self.yes.at(place)];
                                    *y = $chosen;
                                } else {
                                    y.clone_from(&no[self.no.at(place)]);
                                }
                            }
                        }
                    })*
                    _ => unreachable!("element types are fixed when a graph is loaded"),
                }
            };
        }
        choose!(
            F32: |x| x + 0.0,
            F64: |x| x + 0.0,
            I32: |x| *x,
            I64: |x| *x,
            Bool: |x| *x,
            Text: |x| x.clone()
        );
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Decides
    }
}
