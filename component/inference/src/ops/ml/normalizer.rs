//! `ai.onnx.ml.Normalizer`: rows divided by their largest element, or by their L1 or L2 norm.
//!
//! A row whose norm is zero stays as it is.

use crate::node::Node;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Rows};
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Clone, Copy, Debug)]
enum Norm {
    Max,
    L1,
    L2,
}

#[derive(Debug)]
struct Normalizer {
    norm: Norm,
    columns: usize,
}

pub(crate) fn normalizer(node: &Node<'_>) -> Result<Built, String> {
    let input = node.input(0)?;
    input.numeric()?;
    let (_, columns) = input.fact.matrix()?;
    let norm = match node.string("norm")?.unwrap_or("MAX") {
        "MAX" => Norm::Max,
        "L1" => Norm::L1,
        "L2" => Norm::L2,
        norm => return Err(format!("the attribute 'norm' is '{norm}', expected MAX, L1 or L2")),
    };
    let output = Fact::new(Element::F32, input.fact.shape.clone());
    Ok(Built::map(Normalizer { norm, columns }, output))
}

/// Numbers that onnxruntime squares in their own type: integers wrap around.
trait Number: Copy {
    fn single(self) -> f32;
    fn magnitude(self) -> f32;
    fn square(self) -> f32;
}

macro_rules! number {
    ($type:ty, $abs:expr, $square:expr) => {
        impl Number for $type {
            fn single(self) -> f32 {
                self as f32
            }
            fn magnitude(self) -> f32 {
                $abs(self) as f32
            }
            fn square(self) -> f32 {
                $square(self, self) as f32
            }
        }
    };
}
number!(f32, f32::abs, |a, b| a * b);
number!(f64, f64::abs, |a, b| a * b);
number!(i32, i32::wrapping_abs, i32::wrapping_mul);
number!(i64, i64::wrapping_abs, i64::wrapping_mul);

impl Normalizer {
    fn of<T: Number>(&self, x: &[T], y: &mut [f32]) {
        let columns = self.columns.max(1);
        for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)) {
            let norm = match self.norm {
                Norm::Max => x.iter().map(|x| x.single()).fold(f32::MIN, f32::max),
                Norm::L1 => x.iter().fold(0.0, |sum, x| sum + x.magnitude()),
                Norm::L2 => x.iter().fold(0.0, |sum, x| sum + x.square()),
            };
            for (y, x) in y.iter_mut().zip(x) {
                let single = x.single();
                *y = match self.norm {
                    _ if norm == 0.0 => single,
                    Norm::L2 if single < 0.0 => -(x.square() / norm).sqrt(),
                    Norm::L2 => (x.square() / norm).sqrt(),
                    Norm::Max | Norm::L1 => single / norm,
                };
            }
        }
    }
}

impl Kernel for Normalizer {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        let target = outputs[0].singles();
        match inputs[0] {
            View::F32(x) => self.of(x, target),
            View::F64(x) => self.of(x, target),
            View::I32(x) => self.of(x, target),
            View::I64(x) => self.of(x, target),
            View::Bool(_) | View::Text(_) => {
                unreachable!("operators on numbers refuse others when they are built")
            }
        }
        Ok(())
    }
}
