//! Values of rows on their way to columns of floats, and columns on their way to outputs.

use foretold_core::model::feature::Value;

/// What numbers become.
trait Float: Copy {
    fn of(value: Value) -> Option<Self>;
    fn of_number(number: f64) -> Self;
}

/// As numpy converts them to the type.
macro_rules! float {
    ($float:ty) => {
        impl Float for $float {
            #[inline(always)]
            fn of_number(number: f64) -> $float {
                number as $float
            }

            #[inline(always)]
            fn of(value: Value) -> Option<$float> {
                match value {
                    Value::Number(number) => Some(<$float>::of_number(number)),
                    Value::Integer(integer) => Some(integer as $float),
                    Value::Boolean(truth) => Some(u8::from(truth).into()),
                    Value::Missing => Some(<$float>::NAN),
                    Value::Category(_) => None,
                }
            }
        }
    };
}

float!(f32);
float!(f64);

/// Writes some features of rows of `width` values, row after row, in the order of `features`; a value
/// that is missing becomes NaN.
///
/// # Errors
/// With a value that is no number.
///
/// # Panics
/// If a feature is not below `width`, or `features` is empty.
pub fn read_singles(
    rows: &[Value],
    width: usize,
    features: &[usize],
    target: &mut [f32],
) -> Result<(), Value> {
    read(rows, width, features, target)
}

/// The same as [`read_singles`], in float64.
///
/// # Errors
/// With a value that is no number.
///
/// # Panics
/// If a feature is not below `width`, or `features` is empty.
pub fn read_doubles(
    rows: &[Value],
    width: usize,
    features: &[usize],
    target: &mut [f64],
) -> Result<(), Value> {
    read(rows, width, features, target)
}

/// Rows or features in a turn.
const TURN: usize = 4;

#[inline(always)]
fn read<T: Float>(
    rows: &[Value],
    width: usize,
    features: &[usize],
    target: &mut [T],
) -> Result<(), Value> {
    if let &[feature] = features {
        let (turns, rest) = target.as_chunks_mut::<TURN>();
        let (first, last) = rows.split_at(turns.len() * TURN * width);
        for (turn, rows) in turns.iter_mut().zip(first.chunks_exact(TURN * width)) {
            let at = |row: usize| &rows[row * width + feature];
            turn_of(turn, [at(0), at(1), at(2), at(3)])?;
        }
        for (place, row) in rest.iter_mut().zip(last.chunks_exact(width)) {
            *place = any(&row[feature])?;
        }
        return Ok(());
    }
    let (turns, rest) = features.as_chunks::<TURN>();
    for (target, row) in target.chunks_exact_mut(features.len()).zip(rows.chunks_exact(width)) {
        let (places, last) = target.as_chunks_mut::<TURN>();
        for (place, &[a, b, c, d]) in places.iter_mut().zip(turns) {
            turn_of(place, [&row[a], &row[b], &row[c], &row[d]])?;
        }
        for (place, &feature) in last.iter_mut().zip(rest) {
            *place = any(&row[feature])?;
        }
    }
    Ok(())
}

/// The numbers of a turn. Not in a loop, which the host's time limit would check in each of its turns.
#[inline(always)]
fn turn_of<T: Float>(places: &mut [T; TURN], values: [&Value; TURN]) -> Result<(), Value> {
    use Value::Number;
    *places = if let [Number(a), Number(b), Number(c), Number(d)] = values {
        [*a, *b, *c, *d].map(T::of_number)
    } else {
        let [a, b, c, d] = values;
        [any(a)?, any(b)?, any(c)?, any(d)?]
    };
    Ok(())
}

#[inline(always)]
fn any<T: Float>(value: &Value) -> Result<T, Value> {
    T::of(*value).ok_or(*value)
}

/// Copies a column of rows of `width` numbers to a column of rows of `target_width`.
///
/// # Panics
/// If a row does not have its column.
pub fn copy_column(
    source: &[f32],
    width: usize,
    column: usize,
    target: &mut [f32],
    target_width: usize,
    target_column: usize,
) {
    let mut sources = source.chunks_exact(TURN * width);
    let mut targets = target.chunks_exact_mut(TURN * target_width);
    for (source, target) in sources.by_ref().zip(targets.by_ref()) {
        let at = |row: usize| source[row * width + column];
        let numbers: [f32; TURN] = [at(0), at(1), at(2), at(3)];
        target[target_column] = numbers[0];
        target[target_width + target_column] = numbers[1];
        target[2 * target_width + target_column] = numbers[2];
        target[3 * target_width + target_column] = numbers[3];
    }
    let rest = sources.remainder().chunks_exact(width);
    for (source, target) in rest.zip(targets.into_remainder().chunks_exact_mut(target_width)) {
        target[target_column] = source[column];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [Value; 7] = [
        Value::Number(0.1),
        Value::Integer(i64::MAX),
        Value::Boolean(true),
        Value::Missing,
        Value::Number(-1e300),
        Value::Integer(-3),
        Value::Boolean(false),
    ];

    fn rows(count: usize, width: usize) -> Vec<Value> {
        (0..count * width).map(|i| VALUES[(i * 5 + i / 7) % VALUES.len()]).collect()
    }

    fn plainly(value: Value) -> f64 {
        match value {
            Value::Number(number) => number,
            Value::Integer(integer) => integer as f64,
            Value::Boolean(truth) => f64::from(truth),
            Value::Missing => f64::NAN,
            Value::Category(_) => unreachable!(),
        }
    }

    #[test]
    fn any_number_of_rows_and_features_is_read_as_one_after_the_other() {
        for count in 0..11 {
            for width in 1..11 {
                let rows = rows(count, width);
                for features in [vec![0], vec![width - 1], (0..width).rev().collect()] {
                    let each =
                        rows.chunks_exact(width).flat_map(|row| features.iter().map(|&it| row[it]));
                    let expected: Vec<f64> = each.map(plainly).collect();
                    let mut doubles = vec![7.0; expected.len()];
                    read_doubles(&rows, width, &features, &mut doubles).unwrap();
                    let bits = |numbers: &[f64]| -> Vec<u64> {
                        numbers.iter().map(|number| number.to_bits()).collect()
                    };
                    assert_eq!(bits(&doubles), bits(&expected));
                    let mut singles = vec![7.0; expected.len()];
                    read_singles(&rows, width, &features, &mut singles).unwrap();
                    for (single, double) in singles.iter().zip(&doubles) {
                        assert_eq!(single.to_bits(), (*double as f32).to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn a_category_is_no_number() {
        for at in 0..9 {
            let mut rows = rows(9, 1);
            rows[at] = Value::Category(at);
            assert_eq!(read_singles(&rows, 1, &[0], &mut [0.0; 9]), Err(rows[at]));
            assert_eq!(
                read_singles(&rows, 9, &[0, 1, 2, 3, 4, 5, 6, 7, 8], &mut [0.0; 9]),
                Err(rows[at])
            );
        }
    }

    #[test]
    fn a_column_is_copied_for_each_row() {
        for count in 0..10 {
            let source: Vec<f32> = (0..count * 3).map(|i| i as f32).collect();
            let mut target = vec![-1.0; count * 2];
            copy_column(&source, 3, 2, &mut target, 2, 1);
            for row in 0..count {
                assert_eq!(target[row * 2..][..2], [-1.0, (row * 3 + 2) as f32]);
            }
        }
    }
}
