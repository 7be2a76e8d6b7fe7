//! `Cast` between numbers, truth values and strings, as onnxruntime does it on x86-64.
//!
//! Floats lose their fraction on the way to integers; NaN, and what is out of range, gives the
//! smallest integer. An int64 out of range of int32 keeps its lower bits. NaN is true. A float
//! becomes the string that C's `%.8g` gives. Of a string, the part that is a number counts, as in
//! C's `strtod` and `strtoll`.

use crate::node::Node;
use crate::ops::array::shape::identity;
use crate::ops::built::Built;
use crate::ops::kernel::{Kernel, Missing, Rows};
use crate::tensor::{Element, Fact, View, ViewMut};

#[derive(Debug)]
struct Cast {
    to: Element,
}

pub(crate) fn cast(node: &Node<'_>) -> Result<Built, String> {
    let fact = node.input(0)?.fact;
    // They say how numbers become float8.
    node.ignore(&["saturate", "round_mode"]);
    let to = node.int("to")?.ok_or("it has no attribute 'to'")?;
    let to = Element::from_onnx(i32::try_from(to).unwrap_or(-1))?;
    if to == fact.element {
        return identity(node);
    }
    Ok(Built::map(Cast { to }, Fact::new(to, fact.shape.clone())))
}

/// A cast to the type of the second input.
pub(crate) fn cast_like(node: &Node<'_>) -> Result<Built, String> {
    node.ignore(&["saturate", "round_mode"]);
    let (fact, to) = (node.input(0)?.fact, node.input(1)?.fact.element);
    if to == fact.element {
        return identity(node);
    }
    Ok(Built::map(Cast { to }, Fact::new(to, fact.shape.clone())))
}

impl Kernel for Cast {
    fn rows(&self) -> Rows {
        Rows::Any
    }

    fn run(&self, inputs: &[View<'_>], outputs: &mut [ViewMut<'_>]) -> Result<(), String> {
        for i in 0..inputs[0].len() {
            cast_element(&inputs[0], i, &mut outputs[0], i)?;
        }
        Ok(())
    }

    fn missing(&self) -> Missing {
        // The text "NaN" is as good as NaN.
        if self.to == Element::Text { Missing::Decides } else { Missing::Passes }
    }
}

/// Casts the element `from` of a tensor to the element `to` of another.
pub(crate) fn cast_element(
    source: &View<'_>,
    from: usize,
    target: &mut ViewMut<'_>,
    to: usize,
) -> Result<(), String> {
    if let View::Text(source) = source {
        return parse(&source[from], target, to);
    }
    match target {
        ViewMut::F32(target) => target[to] = source.single(from),
        ViewMut::F64(target) => target[to] = source.number(from),
        // Not through float64, which does not hold every int64.
        ViewMut::I32(target) => {
            target[to] = source.integer(from).map_or_else(
                || i32::try_from(truncated(source.number(from))).unwrap_or(i32::MIN),
                |it| it as i32,
            );
        }
        ViewMut::I64(target) => {
            target[to] = source.integer(from).unwrap_or_else(|| truncated(source.number(from)));
        }
        ViewMut::Bool(target) => target[to] = source.number(from) != 0.0,
        ViewMut::Text(target) => target[to] = to_text(source, from),
    }
    Ok(())
}

/// The integer of a float without its fraction, the smallest one of what is out of range.
pub(crate) fn truncated(number: f64) -> i64 {
    // 2^63, the first number that is too large.
    if number.abs() < 9_223_372_036_854_775_808.0 { number as i64 } else { i64::MIN }
}

fn parse(text: &str, target: &mut ViewMut<'_>, i: usize) -> Result<(), String> {
    let element = target.element();
    let number = || float_of(text);
    let integer = || integer_of(text);
    let parsed = match target {
        // Through float64, as it is rounded there.
        ViewMut::F32(target) => number().map(|value| target[i] = value as f32),
        ViewMut::F64(target) => number().map(|value| target[i] = value),
        ViewMut::I32(target) => integer().map(|value| target[i] = value as i32),
        ViewMut::I64(target) => integer().map(|value| target[i] = value),
        ViewMut::Bool(target) => integer().map(|value| target[i] = value != 0),
        ViewMut::Text(target) => {
            target[i] = text.to_owned();
            Some(())
        }
    };
    parsed.ok_or_else(|| format!("the string {text:?}, which is to be cast to {element}"))
}

/// The text without the white space that C skips, and without its sign.
fn unsigned(text: &str) -> (bool, &str) {
    let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// The integer that a text begins with.
fn integer_of(text: &str) -> Option<i64> {
    let (negative, rest) = unsigned(text);
    let digits = &rest[..digits(rest)];
    format!("{}{digits}", if negative { "-" } else { "" }).parse().ok()
}

/// The number that a text begins with; `None` also for hexadecimal ones, and where float64 has it
/// neither as a finite number nor as a normal one.
fn float_of(text: &str) -> Option<f64> {
    let (negative, rest) = unsigned(text);
    let sign = if negative { -1.0 } else { 1.0 };
    let starts =
        |word: &str| rest.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
    if starts("inf") {
        return Some(sign * f64::INFINITY);
    }
    if starts("nan") {
        return Some(f64::NAN);
    }
    if starts("0x") {
        return None;
    }
    let mut end = digits(rest);
    let mut any = end > 0;
    if rest[end..].starts_with('.') {
        let fraction = digits(&rest[end + 1..]);
        any |= fraction > 0;
        end += 1 + fraction;
    }
    if !any {
        return None;
    }
    if let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let count = digits(&exponent[sign..]);
        end += if count > 0 { 1 + sign + count } else { 0 };
    }
    let number: f64 = rest[..end].parse().ok()?;
    let is_zero = !rest[..end].split(['e', 'E']).next()?.contains(|c| matches!(c, '1'..='9'));
    (number.is_finite() && (number.is_normal() || is_zero)).then_some(sign * number)
}

/// How many digits a text begins with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn to_text(source: &View<'_>, i: usize) -> String {
    match source {
        View::F32(values) => general(values[i].into()),
        View::F64(values) => general(values[i]),
        View::I32(values) => values[i].to_string(),
        View::I64(values) => values[i].to_string(),
        View::Bool(values) => if values[i] { "1" } else { "0" }.into(),
        View::Text(values) => values[i].clone(),
    }
}

/// C's `%.8g`.
fn general(value: f64) -> String {
    let digits = 8;
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
