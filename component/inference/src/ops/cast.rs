//! `Cast` between numbers, truth values and strings.
//!
//! Floats lose their fraction on the way to integers; NaN gives 0. A float becomes the string that
//! C's `%.8g` gives (`%.17g` for float64), as in onnxruntime.

use super::{Built, Kernel, shape::identity};
use crate::node::Node;
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Debug)]
struct Cast;

pub(crate) fn cast(node: &Node<'_>) -> Result<Built, String> {
    let fact = node.input(0)?.fact;
    let to = node.int("to")?.ok_or("it has no attribute 'to'")?;
    let to = Element::from_onnx(i32::try_from(to).unwrap_or(-1))?;
    if to == fact.element {
        return identity(node);
    }
    Ok(Built::map(Cast, Fact::new(to, fact.shape.clone())))
}

impl Kernel for Cast {
    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        for i in 0..inputs[0].len() {
            cast_element(&inputs[0], &mut outputs[0], i)?;
        }
        Ok(())
    }
}

fn cast_element(source: &View<'_>, target: &mut ViewMut<'_>, i: usize) -> Result<(), String> {
    if let View::Text(source) = source {
        return parse(&source[i], target, i);
    }
    match target {
        ViewMut::F32(target) => target[i] = source.single(i),
        ViewMut::F64(target) => target[i] = source.number(i),
        // Not through float64, which does not hold every int64.
        ViewMut::I32(target) => {
            target[i] = source.integer(i).map_or_else(|| source.number(i) as i32, |it| it as i32);
        }
        ViewMut::I64(target) => {
            target[i] = source.integer(i).unwrap_or_else(|| source.number(i) as i64);
        }
        ViewMut::Bool(target) => target[i] = source.number(i) != 0.0,
        ViewMut::Text(target) => target[i] = to_text(source, i),
    }
    Ok(())
}

fn parse(text: &str, target: &mut ViewMut<'_>, i: usize) -> Result<(), String> {
    let element = target.element();
    let text = text.trim();
    let parsed = match target {
        ViewMut::F32(target) => text.parse().map(|value| target[i] = value).is_ok(),
        ViewMut::F64(target) => text.parse().map(|value| target[i] = value).is_ok(),
        ViewMut::I32(target) => text.parse().map(|value| target[i] = value).is_ok(),
        ViewMut::I64(target) => text.parse().map(|value| target[i] = value).is_ok(),
        ViewMut::Bool(_) | ViewMut::Text(_) => false,
    };
    if parsed { Ok(()) } else { Err(format!("the string '{text}' to be cast to {element}")) }
}

fn to_text(source: &View<'_>, i: usize) -> String {
    match source {
        View::F32(values) => general(values[i].into(), 8),
        View::F64(values) => general(values[i], 17),
        View::I32(values) => values[i].to_string(),
        View::I64(values) => values[i].to_string(),
        View::Bool(values) => if values[i] { "1" } else { "0" }.into(),
        View::Text(values) => values[i].clone(),
    }
}

/// C's `%.{digits}g`.
fn general(value: f64, digits: usize) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "INF" } else { "-INF" }.into();
    }
    let scientific = format!("{value:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 || exponent >= digits as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", shorten(mantissa), exponent.abs());
    }
    let decimals = (digits as i32 - 1 - exponent) as usize;
    shorten(&format!("{value:.decimals$}")).into()
}

/// Without the zeros that end a fraction.
fn shorten(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}
