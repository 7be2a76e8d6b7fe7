//! Tensors of several shapes, stretched to one.

use std::fmt::Debug;

use crate::tensor::elements;

/// Which element of an operand stands at each place of the stretched tensor.
#[derive(Debug)]
pub(crate) enum Stretch {
    /// The one at the same place.
    Same,
    /// The only one.
    One,
    /// The one at this position.
    Positions(Vec<u32>),
}

// Inlined always, since all else is compiled for size and a call takes longer than what they do.
impl Stretch {
    #[inline(always)]
    pub(crate) fn at(&self, place: usize) -> usize {
        match self {
            Stretch::Same => place,
            Stretch::One => 0,
            Stretch::Positions(positions) => positions[place] as usize,
        }
    }
}

/// How an operand is stretched, and how many elements it has for a row.
#[derive(Debug)]
pub(crate) struct Stretched {
    pub(crate) stretch: Stretch,
    pub(crate) length: usize,
}

impl Stretched {
    /// An operand of so many elements for a row, each at its own place.
    pub(crate) fn same(length: usize) -> Stretched {
        Stretched { stretch: Stretch::Same, length }
    }

    /// What an operand has for one of several rows; of a constant there is one for all of them.
    #[inline(always)]
    pub(crate) fn of_row<'a, T>(&self, x: &'a [T], row: usize) -> &'a [T] {
        &x[self.first(x.len(), row)..][..self.length]
    }

    /// Where that begins in an operand of so many elements.
    #[inline(always)]
    pub(crate) fn first(&self, all: usize, row: usize) -> usize {
        if all > self.length { row * self.length } else { 0 }
    }

    /// Which of them stands at a place.
    #[inline(always)]
    pub(crate) fn at(&self, place: usize) -> usize {
        self.stretch.at(place)
    }
}

/// The shape that operands of these shapes are stretched to, and how each is.
///
/// Shapes are aligned at their last dimensions, and a dimension of 1 stretches.
pub(crate) fn broadcast(shapes: &[&[usize]]) -> Result<(Vec<usize>, Vec<Stretch>), String> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut stretched = vec![1; rank];
    for shape in shapes {
        let own = &mut stretched[rank - shape.len()..];
        for (size, &own_size) in own.iter_mut().zip(*shape) {
            if *size == 1 {
                *size = own_size;
            } else if own_size != 1 && own_size != *size {
                return Err(format!(
                    "inputs of shapes {shapes:?}, which cannot be stretched to one"
                ));
            }
        }
    }
    let count = elements(&stretched)?;
    let stretches = shapes.iter().map(|shape| stretch(shape, &stretched, count));
    let stretches = stretches.collect::<Result<Vec<_>, _>>()?;
    Ok((stretched, stretches))
}

/// What there is of each operand of an operator with so many, to be named one by one.
pub(crate) fn each<T: Debug, const OPERANDS: usize>(operands: Vec<T>) -> [T; OPERANDS] {
    operands.try_into().expect("as many as operands")
}

fn stretch(shape: &[usize], stretched: &[usize], count: usize) -> Result<Stretch, String> {
    Ok(match elements(shape)? {
        own if own == count => Stretch::Same,
        1 => Stretch::One,
        _ => {
            let mut positions = vec![0u32];
            let (mut stride, missing) = (1, stretched.len() - shape.len());
            // From the last dimension to the first, the positions so far are repeated.
            for (axis, &size) in stretched.iter().enumerate().rev() {
                let own_size = if axis < missing { 1 } else { shape[axis - missing] };
                let step = if own_size == 1 { 0 } else { stride };
                let block = positions.clone();
                for i in 1..size {
                    positions.extend(block.iter().map(|&at| at + (i * step) as u32));
                }
                stride *= own_size;
            }
            Stretch::Positions(positions)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(stretch: &Stretch, count: usize) -> Vec<usize> {
        (0..count).map(|place| stretch.at(place)).collect()
    }

    #[test]
    fn dimensions_of_one_are_repeated() {
        let (shape, stretches) = broadcast(&[&[2, 1, 3], &[2, 1], &[]]).unwrap();
        assert_eq!(shape, [2, 2, 3]);
        assert_eq!(positions(&stretches[0], 12), [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5]);
        assert_eq!(positions(&stretches[1], 12), [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]);
        assert_eq!(positions(&stretches[2], 12), [0; 12]);
        let (shape, stretches) = broadcast(&[&[1, 3], &[3]]).unwrap();
        assert_eq!(shape, [1, 3]);
        assert!(stretches.iter().all(|it| matches!(it, Stretch::Same)));
        assert_eq!(broadcast(&[&[0, 3], &[1, 3]]).unwrap().0, [0, 3]);
        assert!(broadcast(&[&[2], &[3]]).is_err());
    }
}
