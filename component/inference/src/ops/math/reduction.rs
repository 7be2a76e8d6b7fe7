//! `ReduceSum` and its like: one number of all elements along some axes.
//!
//! Elements are taken in their order, in the type of the input. For `ArgMax` and `ArgMin`, NaN counts
//! only where it comes first, as in onnxruntime. What that makes of it in `ReduceMax`, `ReduceMin`
//! and `ReduceLogSumExp` depends on where in a vector register it lies, so here it is an error.

use crate::math::Float;
use crate::node::{Node, axis};
use crate::ops::array::cast::truncated;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing, Rows};
use crate::tensor::{Element, Fact, View, ViewMut, elements};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reducer {
    Sum,
    Mean,
    Product,
    Max,
    Min,
    L1,
    L2,
    SumSquare,
    LogSum,
    LogSumExp,
}

#[derive(Debug)]
struct Reduce {
    reducer: Reducer,
    /// For each element of the input the one of the output that it counts for.
    targets: Vec<u32>,
    /// How many elements count for each one of the output.
    count: usize,
    /// How many elements the output has.
    size: usize,
    /// Whether those that count for one lie side by side.
    is_in_order: bool,
}

fn reduce(node: &Node<'_>, reducer: Reducer) -> Result<Built, String> {
    let input = node.input(0)?;
    let element = input.fact.element;
    let fits = match reducer {
        _ if element.is_float() => true,
        Reducer::LogSum | Reducer::LogSumExp => false,
        Reducer::Max | Reducer::Min => element != Element::Text,
        _ => matches!(element, Element::I32 | Element::I64),
    };
    if !fits {
        return Err(format!("an input of type {element}, expected numbers"));
    }
    let shape = &input.fact.shape;
    // An input in later operator sets, an attribute in earlier ones.
    let given = match node.constant_integers(1)? {
        Some(axes) => axes,
        None => node.ints("axes")?.to_vec(),
    };
    let keep = node.int("keepdims")?.unwrap_or(1) != 0;
    let without_axes = node.int("noop_with_empty_axes")?.unwrap_or(0);
    let axes: Vec<usize> = if !given.is_empty() {
        given.iter().map(|&it| axis(it, shape.len())).collect::<Result<_, _>>()?
    } else if without_axes == 0 {
        (0..shape.len()).collect()
    } else if matches!(
        reducer,
        Reducer::Sum | Reducer::Mean | Reducer::Product | Reducer::Max | Reducer::Min
    ) {
        return crate::ops::array::shape::identity(node);
    } else {
        return Err("no axes and 'noop_with_empty_axes', expected axes".into());
    };
    if axes.iter().enumerate().any(|(i, axis)| axes[..i].contains(axis)) {
        return Err(format!("the axes {given:?}, expected no axis twice"));
    }
    let kept: Vec<usize> =
        (0..shape.len()).map(|i| if axes.contains(&i) { 1 } else { shape[i] }).collect();
    let count = axes.iter().map(|&axis| shape[axis]).product();
    let reduced = match keep {
        true => kept,
        false => (0..shape.len()).filter(|i| !axes.contains(i)).map(|i| shape[i]).collect(),
    };
    let size = elements(&reduced)?;
    let targets = targets(shape, &axes)?;
    let is_in_order = targets.is_sorted();
    let kernel = Reduce { reducer, targets, count, size, is_in_order };
    Ok(Built::map(kernel, Fact::new(input.fact.element, reduced)))
}

/// For each element the one that is left of it when some axes are joined.
pub(crate) fn targets(shape: &[usize], axes: &[usize]) -> Result<Vec<u32>, String> {
    let mut targets = vec![0u32; elements(shape)?];
    let (mut stride, mut target_stride) = (1, 1);
    for (axis, &size) in shape.iter().enumerate().rev() {
        if !axes.contains(&axis) {
            for (i, target) in targets.iter_mut().enumerate() {
                *target += (i / stride % size * target_stride) as u32;
            }
            target_stride *= size;
        }
        stride *= size;
    }
    Ok(targets)
}

impl Reduce {
    fn of<T: Float>(&self, x: &[T], y: &mut [T]) {
        if self.reducer == Reducer::LogSumExp {
            return self.log_sum_exp(x, y);
        }
        if self.count == 0 {
            // What stays as it is when there is nothing to join.
            y.fill(match self.reducer {
                Reducer::Product => T::one(),
                Reducer::Max => T::from_f64(f64::NEG_INFINITY),
                Reducer::Min => T::from_f64(f64::INFINITY),
                _ => T::default(),
            });
        } else {
            match self.reducer {
                Reducer::Product => self.join(x, y, |x| x, |a, b| a * b),
                Reducer::Max => self.join(x, y, |x| x, |a, b| if b > a { b } else { a }),
                Reducer::Min => self.join(x, y, |x| x, |a, b| if b < a { b } else { a }),
                Reducer::L2 | Reducer::SumSquare => self.join(x, y, |x| x * x, |a, b| a + b),
                Reducer::L1 => self.join(x, y, |x| x.abs(), |a, b| a + b),
                _ => self.join(x, y, |x| x, |a, b| a + b),
            }
        }
        match self.reducer {
            Reducer::Mean => {
                let count = T::from_f64(self.count as f64);
                y.iter_mut().for_each(|y| *y = *y / count);
            }
            Reducer::L2 => y.iter_mut().for_each(|y| *y = y.sqrt()),
            Reducer::LogSum => y.iter_mut().for_each(|y| *y = y.ln()),
            _ => {}
        }
    }

    /// Joins what a function makes of the elements that count for each one of the output, of which
    /// there is at least one.
    fn join<T: Float>(&self, x: &[T], y: &mut [T], of: impl Fn(T) -> T, both: impl Fn(T, T) -> T) {
        if self.is_in_order {
            for (x, y) in x.chunks_exact(self.count).zip(y) {
                let [first, rest @ ..] = x else { continue };
                *y = rest.iter().fold(of(*first), |joined, &x| both(joined, of(x)));
            }
            return;
        }
        for (x, y) in x.chunks_exact(self.targets.len()).zip(y.chunks_exact_mut(self.size)) {
            let mut is_first = vec![true; y.len()];
            for (&x, &target) in x.iter().zip(&self.targets) {
                let (y, target) = (&mut y[target as usize], target as usize);
                *y = match std::mem::take(&mut is_first[target]) {
                    true => of(x),
                    false => both(*y, of(x)),
                };
            }
        }
    }

    /// Integers, whose sums and products wrap around as those of onnxruntime do.
    fn of_integers<T: Integer>(&self, x: &[T], y: &mut [T]) {
        y.fill(match self.reducer {
            Reducer::Product => T::from_i64(1),
            Reducer::Max => T::MIN,
            Reducer::Min => T::MAX,
            _ => T::from_i64(0),
        });
        self.each(x, y, |x, y| {
            *y = match self.reducer {
                Reducer::Product => y.times(x),
                Reducer::Max => x.max(*y),
                Reducer::Min => x.min(*y),
                Reducer::L1 if x < T::from_i64(0) => y.plus(x.times(T::from_i64(-1))),
                Reducer::L2 | Reducer::SumSquare => y.plus(x.times(x)),
                _ => y.plus(x),
            };
        });
        for y in y {
            *y = match self.reducer {
                Reducer::Mean => {
                    T::from_i64(y.to_i64().checked_div(self.count as i64).unwrap_or(0))
                }
                Reducer::L2 => T::from_i64(truncated((y.to_i64() as f64).sqrt())),
                _ => *y,
            };
        }
    }

    /// Whether one is true, or all are.
    fn of_truths(&self, x: &[bool], y: &mut [bool]) {
        let is_max = self.reducer == Reducer::Max;
        y.fill(!is_max);
        self.each(x, y, |x, y| *y = if is_max { *y || x } else { *y && x });
    }

    /// Calls a function with each element and the one of the output that it counts for.
    fn each<T: Copy, U>(&self, x: &[T], y: &mut [U], mut visit: impl FnMut(T, &mut U)) {
        let rows = x.chunks_exact(self.targets.len().max(1));
        for (x, y) in rows.zip(y.chunks_exact_mut(self.size.max(1))) {
            x.iter().zip(&self.targets).for_each(|(&x, &at)| visit(x, &mut y[at as usize]));
        }
    }

    /// Relative to the largest element, so that nothing overflows.
    fn log_sum_exp<T: Float>(&self, x: &[T], y: &mut [T]) {
        let mut largest = vec![T::default(); y.len()];
        if self.count > 0 {
            self.join(x, &mut largest, |x| x, |a, b| if b > a { b } else { a });
        }
        for largest in &mut largest {
            if largest.is_nan() || largest.abs() > T::MAX {
                *largest = T::default();
            }
        }
        let mut pairs: Vec<(T, T)> = largest.iter().map(|&it| (it, T::default())).collect();
        self.each(x, &mut pairs, |x, (largest, sum)| *sum += (x - *largest).exp());
        for (y, (largest, sum)) in y.iter_mut().zip(pairs) {
            *y = sum.ln() + largest;
        }
    }
}

impl Kernel for Reduce {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let by_largest = matches!(self.reducer, Reducer::Max | Reducer::Min | Reducer::LogSumExp);
        if by_largest && inputs[0].has_nan() {
            return Err("NaN among numbers of which the largest or smallest counts".into());
        }
        match (inputs[0], &mut outputs[0]) {
            (View::F32(x), ViewMut::F32(y)) => self.of(x, y),
            (View::F64(x), ViewMut::F64(y)) => self.of(x, y),
            (View::I32(x), ViewMut::I32(y)) => self.of_integers(x, y),
            (View::I64(x), ViewMut::I64(y)) => self.of_integers(x, y),
            (View::Bool(x), ViewMut::Bool(y)) => self.of_truths(x, y),
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
        Ok(())
    }
}

/// int32 or int64.
trait Integer: Copy + Ord {
    const MIN: Self;
    const MAX: Self;

    fn from_i64(value: i64) -> Self;
    fn to_i64(self) -> i64;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
}

macro_rules! integer {
    ($type:ty) => {
        impl Integer for $type {
            const MIN: $type = <$type>::MIN;
            const MAX: $type = <$type>::MAX;

            fn from_i64(value: i64) -> $type {
                value as $type
            }
            fn to_i64(self) -> i64 {
                i64::from(self)
            }
            fn plus(self, other: $type) -> $type {
                self.wrapping_add(other)
            }
            fn times(self, other: $type) -> $type {
                self.wrapping_mul(other)
            }
        }
    };
}
integer!(i32);
integer!(i64);

pub(crate) fn sum(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Sum)
}

pub(crate) fn mean(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Mean)
}

pub(crate) fn product(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Product)
}

pub(crate) fn max(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Max)
}

pub(crate) fn min(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::Min)
}

pub(crate) fn l1(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::L1)
}

pub(crate) fn log_sum(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::LogSum)
}

pub(crate) fn l2(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::L2)
}

pub(crate) fn sum_square(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::SumSquare)
}

pub(crate) fn log_sum_exp(node: &Node<'_>) -> Result<Built, String> {
    reduce(node, Reducer::LogSumExp)
}

/// Position of the largest or smallest element along an axis.
#[derive(Debug)]
struct Arg {
    size: usize,
    stride: usize,
    is_max: bool,
    /// Which of equal ones counts.
    last: bool,
}

pub(crate) fn arg_max(node: &Node<'_>) -> Result<Built, String> {
    arg(node, true)
}

pub(crate) fn arg_min(node: &Node<'_>) -> Result<Built, String> {
    arg(node, false)
}

fn arg(node: &Node<'_>, is_max: bool) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    let shape = &input.fact.shape;
    let axis = axis(node.int("axis")?.unwrap_or(0), shape.len())?;
    if shape[axis] == 0 {
        return Err(format!("an input of shape {shape:?}, expected elements"));
    }
    let keep = node.int("keepdims")?.unwrap_or(1) != 0;
    let last = node.int("select_last_index")?.unwrap_or(0) != 0;
    let (size, stride) = (shape[axis], shape[axis + 1..].iter().product());
    let kept: &[usize] = if keep { &[1] } else { &[] };
    let reduced = [&shape[..axis], kept, &shape[axis + 1..]].concat();
    Ok(Built::map(Arg { size, stride, is_max, last }, Fact::new(Element::I64, reduced)))
}

impl Arg {
    fn of<T: PartialOrd>(&self, x: &[T], y: &mut [i64]) {
        let is_better =
            |a: &T, b: &T| (if self.is_max { a > b } else { a < b }) || (self.last && a == b);
        for (i, y) in y.iter_mut().enumerate() {
            let first = i / self.stride * self.stride * self.size + i % self.stride;
            let at = |position: usize| &x[first + position * self.stride];
            let best =
                (1..self.size).fold(0, |best, i| if is_better(at(i), at(best)) { i } else { best });
            *y = best as i64;
        }
    }
}

impl Kernel for Arg {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let ViewMut::I64(y) = &mut outputs[0] else {
            unreachable!("element types are fixed when a graph is loaded")
        };
        match inputs[0] {
            View::F32(x) => self.of(x, y),
            View::F64(x) => self.of(x, y),
            View::I32(x) => self.of(x, y),
            View::I64(x) => self.of(x, y),
            View::Bool(_) | View::Text(_) => {
                unreachable!("operators on numbers refuse others when they are built")
            }
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        Missing::Decides
    }
}
