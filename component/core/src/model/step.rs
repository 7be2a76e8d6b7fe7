//! The grid a number lies on: `minimum + index * step`, exact in decimal.
//!
//! `0.1 * 3` is not `0.3` in binary floating point, so a grid is kept as integers over a power of
//! ten. A point is then one correctly rounded division, the very float that the decimal text
//! `0.3` parses to.

use std::fmt;

/// A grid of decimal numbers from a minimum to a maximum.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    size: f64,
    /// The minimum and the step, both times `scale`.
    first: i64,
    stride: i64,
    /// A power of ten, at most 10^15.
    scale: f64,
    last_index: u64,
}

/// Why there is no such grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepError {
    /// The step is zero, negative, infinite or NaN.
    NotPositive {
        /// The step.
        size: f64,
    },
    /// Floats cannot tell its points apart.
    TooFine {
        /// The step.
        size: f64,
        /// The first point.
        minimum: f64,
        /// The bound of the last.
        maximum: f64,
    },
    /// There is no point.
    Empty {
        /// The first point.
        minimum: f64,
        /// The bound of the last.
        maximum: f64,
    },
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StepError::NotPositive { size } => {
                write!(f, "step {size} must be a positive number")
            }
            StepError::TooFine { size, minimum, maximum } => write!(
                f,
                "step {size} from {minimum} to {maximum} needs more than 15 digits; use a coarser \
                 step, or none"
            ),
            StepError::Empty { minimum, maximum } => {
                write!(f, "minimum {minimum} is above maximum {maximum}")
            }
        }
    }
}

impl std::error::Error for StepError {}

/// Decimal numbers of up to 15 digits are told apart by 64-bit floats.
const MAX_SCALED: f64 = 1e15;

impl Step {
    /// The grid `minimum, minimum + size, …` up to `maximum`.
    ///
    /// # Errors
    /// If the step is not positive and finite, or the grid needs more than 15 digits.
    pub fn new(minimum: f64, maximum: f64, size: f64) -> Result<Step, StepError> {
        if !(size > 0.0 && size.is_finite()) {
            return Err(StepError::NotPositive { size });
        }
        let places = decimal_places(minimum).max(decimal_places(size));
        let scale = 10f64.powi(places as i32);
        if places > 15 || (minimum.abs().max(maximum.abs()).max(size) * scale) > MAX_SCALED {
            return Err(StepError::TooFine { size, minimum, maximum });
        }
        let first = (minimum * scale).round() as i64;
        let stride = (size * scale).round() as i64;
        let span = (maximum * scale + 1e-6).floor() as i64 - first;
        if span < 0 {
            return Err(StepError::Empty { minimum, maximum });
        }
        Ok(Step { size, first, stride, scale, last_index: (span / stride) as u64 })
    }

    /// The distance between two points.
    pub fn size(&self) -> f64 {
        self.size
    }

    /// The index of the last point.
    pub fn last_index(&self) -> u64 {
        self.last_index
    }

    /// The point at an index, or `None` beyond the last.
    pub fn value(&self, index: u64) -> Option<f64> {
        (index <= self.last_index)
            .then(|| (self.first + index as i64 * self.stride) as f64 / self.scale + 0.0)
    }

    /// The index of the point nearest to a number within the grid's bounds.
    pub fn nearest(&self, number: f64) -> u64 {
        let index = (number * self.scale - self.first as f64) / self.stride as f64;
        (index.round().max(0.0) as u64).min(self.last_index)
    }
}

/// Digits behind the point in the shortest decimal text of a number.
fn decimal_places(number: f64) -> usize {
    let text = number.to_string();
    text.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_the_float_that_its_decimal_text_parses_to() {
        let step = Step::new(-1.0, 4.0, 0.1).unwrap();
        assert_eq!(step.last_index(), 50);
        for index in 0..=50 {
            let tenths = index as i64 - 10;
            let text = format!(
                "{}{}.{}",
                if tenths < 0 { "-" } else { "" },
                tenths.abs() / 10,
                tenths.abs() % 10
            );
            let value = step.value(index).unwrap();
            assert_eq!(value, text.parse::<f64>().unwrap(), "{text}");
            assert_eq!(step.nearest(value), index);
        }
        assert_eq!(step.value(51), None);
        assert!(step.value(10).unwrap().is_sign_positive());
    }

    #[test]
    fn a_maximum_off_the_grid_is_not_a_point() {
        assert_eq!(Step::new(0.0, 1.0, 0.3).unwrap().last_index(), 3);
        assert_eq!(Step::new(0.0, 0.3, 0.1).unwrap().last_index(), 3);
    }

    #[test]
    fn a_grid_that_floats_cannot_hold_is_refused() {
        for (minimum, maximum, size) in [
            (0.0, 1.0, 0.0),
            (0.0, 1.0, -1.0),
            (0.0, 1e300, 1.0),
            (0.0, 1.0, 1e-16),
            (1.0, 0.0, 0.1),
            (0.0, 900_719_925_474_099.0, 0.1),
        ] {
            assert!(Step::new(minimum, maximum, size).is_err(), "{minimum} {maximum} {size}");
        }
    }
}
