//! What operators of this crate see of tract's tensors.

use std::fmt;
use std::ops::Range;

use tract_hir::internal::*;

use crate::proto::{EXTERNAL, TensorProto};

/// Most elements that one tensor may have. Tabular models stay far below it.
const MAX_ELEMENTS: usize = 1 << 24;

/// Most dimensions that one tensor may have.
const MAX_RANK: usize = 32;

/// Type of the elements of a tensor, of those that tabular models have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F64,
    I32,
    I64,
    Bool,
    Text,
}

impl Element {
    /// The type with a number of `TensorProto.DataType`.
    pub(crate) fn from_onnx(number: i32) -> Result<Element, String> {
        Ok(match number {
            1 => Element::F32,
            6 => Element::I32,
            7 => Element::I64,
            8 => Element::Text,
            9 => Element::Bool,
            11 => Element::F64,
            _ => {
                return Err(format!(
                    "element type {number} of ONNX, expected float32 (1), int32 (6), int64 (7), \
                     string (8), bool (9) or float64 (11)"
                ));
            }
        })
    }

    pub(crate) fn of(datum: DatumType) -> Option<Element> {
        Some(match datum {
            DatumType::F32 => Element::F32,
            DatumType::F64 => Element::F64,
            DatumType::I32 => Element::I32,
            DatumType::I64 => Element::I64,
            DatumType::Bool => Element::Bool,
            DatumType::String => Element::Text,
            _ => return None,
        })
    }

    pub(crate) fn datum(self) -> DatumType {
        match self {
            Element::F32 => DatumType::F32,
            Element::F64 => DatumType::F64,
            Element::I32 => DatumType::I32,
            Element::I64 => DatumType::I64,
            Element::Bool => DatumType::Bool,
            Element::Text => DatumType::String,
        }
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Element::F32 | Element::F64)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Element::F32 => "float32",
            Element::F64 => "float64",
            Element::I32 => "int32",
            Element::I64 => "int64",
            Element::Bool => "bool",
            Element::Text => "string",
        })
    }
}

/// Keys of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Text(Vec<String>),
    Integer(Vec<i64>),
}

/// Type and shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) element: Element,
    pub(crate) shape: Vec<usize>,
}

impl Fact {
    pub(crate) fn new(element: Element, shape: impl Into<Vec<usize>>) -> Fact {
        Fact { element, shape: shape.into() }
    }

    /// A typed fact with a known shape.
    pub(crate) fn of(fact: &TypedFact) -> TractResult<Fact> {
        let shape = fact.shape.as_concrete().context("a tensor of unknown shape")?;
        Fact::known(fact.datum_type, shape)
    }

    /// The type and the shape of a tensor.
    pub(crate) fn of_tensor(tensor: &Tensor) -> TractResult<Fact> {
        Fact::known(tensor.datum_type(), tensor.shape())
    }

    fn known(datum: DatumType, shape: &[usize]) -> TractResult<Fact> {
        let element = Element::of(datum).with_context(|| format!("a tensor of type {datum:?}"))?;
        elements(shape).map_err(TractError::msg)?;
        Ok(Fact::new(element, shape))
    }

    pub(crate) fn typed(&self) -> TypedFact {
        self.element.datum().fact(&self.shape)
    }

    /// Rows and columns of a matrix; a vector is one row.
    pub(crate) fn matrix(&self) -> Result<(usize, usize), String> {
        match self.shape[..] {
            [columns] => Ok((1, columns)),
            [rows, columns] => Ok((rows, columns)),
            _ => Err(format!("an input of shape {:?}, expected [rows, columns]", self.shape)),
        }
    }

    /// A tensor of zeros or empty strings.
    pub(crate) fn zeros(&self) -> TractResult<Tensor> {
        match self.element {
            Element::Text => {
                let texts = vec![String::new(); elements(&self.shape).map_err(TractError::msg)?];
                tensor1(&texts).into_shape(&self.shape)
            }
            element => Tensor::zero_dt(element.datum(), &self.shape),
        }
    }
}

/// How many elements a tensor of this shape has.
///
/// The limit holds for the product of any of the dimensions, also beside one of size 0, so that
/// such products can be formed freely afterwards.
pub(crate) fn elements(shape: &[usize]) -> Result<usize, String> {
    if shape.len() > MAX_RANK {
        return Err(format!("a tensor of {} dimensions, expected at most {MAX_RANK}", shape.len()));
    }
    shape
        .iter()
        .try_fold(1_usize, |product, &size| product.checked_mul(size.max(1)))
        .filter(|&product| product <= MAX_ELEMENTS)
        .map(|product| if shape.contains(&0) { 0 } else { product })
        .ok_or_else(|| {
            format!("a tensor of shape {shape:?}, expected at most {MAX_ELEMENTS} elements")
        })
}

/// Elements of a tensor, the last dimension's next to each other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum View<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    Bool(&'a [bool]),
    Text(&'a [String]),
}

/// [`View`] of a tensor that is being computed.
#[derive(Debug)]
pub(crate) enum ViewMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    I32(&'a mut [i32]),
    I64(&'a mut [i64]),
    Bool(&'a mut [bool]),
    Text(&'a mut [String]),
}

/// Runs an expression on the slices of two views of the same element type.
macro_rules! same_type {
    ($source:expr, $target:expr, |$s:ident, $t:ident| $body:expr) => {
        match ($source, $target) {
            (View::F32($s), ViewMut::F32($t)) => $body,
            (View::F64($s), ViewMut::F64($t)) => $body,
            (View::I32($s), ViewMut::I32($t)) => $body,
            (View::I64($s), ViewMut::I64($t)) => $body,
            (View::Bool($s), ViewMut::Bool($t)) => $body,
            (View::Text($s), ViewMut::Text($t)) => $body,
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
    };
}
pub(crate) use same_type;

impl<'a> View<'a> {
    pub(crate) fn of(tensor: &'a Tensor) -> TractResult<View<'a>> {
        let plain = tensor.try_as_plain_ram()?;
        Ok(match Element::of(tensor.datum_type()) {
            Some(Element::F32) => View::F32(plain.as_slice()?),
            Some(Element::F64) => View::F64(plain.as_slice()?),
            Some(Element::I32) => View::I32(plain.as_slice()?),
            Some(Element::I64) => View::I64(plain.as_slice()?),
            Some(Element::Bool) => View::Bool(plain.as_slice()?),
            Some(Element::Text) => View::Text(plain.as_slice()?),
            None => bail!("a tensor of type {:?}", tensor.datum_type()),
        })
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            View::F32(values) => values.len(),
            View::F64(values) => values.len(),
            View::I32(values) => values.len(),
            View::I64(values) => values.len(),
            View::Bool(values) => values.len(),
            View::Text(values) => values.len(),
        }
    }

    /// Some of the elements.
    pub(crate) fn part(self, range: Range<usize>) -> View<'a> {
        match self {
            View::F32(values) => View::F32(&values[range]),
            View::F64(values) => View::F64(&values[range]),
            View::I32(values) => View::I32(&values[range]),
            View::I64(values) => View::I64(&values[range]),
            View::Bool(values) => View::Bool(&values[range]),
            View::Text(values) => View::Text(&values[range]),
        }
    }

    /// Whether both have the same elements, bit for bit.
    pub(crate) fn is_same(self, other: View<'_>) -> bool {
        match (self, other) {
            (View::F32(a), View::F32(b)) => {
                let mut pairs = a.iter().zip(b);
                a.len() == b.len() && pairs.all(|(a, b)| a.to_bits() == b.to_bits())
            }
            (View::F64(a), View::F64(b)) => {
                let mut pairs = a.iter().zip(b);
                a.len() == b.len() && pairs.all(|(a, b)| a.to_bits() == b.to_bits())
            }
            (View::I32(a), View::I32(b)) => a == b,
            (View::I64(a), View::I64(b)) => a == b,
            (View::Bool(a), View::Bool(b)) => foretold_kernels::elements::are_same(a, b),
            (View::Text(a), View::Text(b)) => a == b,
            _ => false,
        }
    }

    /// An element as a float64; a truth value is 0 or 1.
    pub(crate) fn number(&self, index: usize) -> f64 {
        match self {
            View::F32(values) => f64::from(values[index]),
            View::F64(values) => values[index],
            View::I32(values) => f64::from(values[index]),
            View::I64(values) => values[index] as f64,
            View::Bool(values) => f64::from(values[index]),
            View::Text(_) => {
                unreachable!("operators on numbers refuse strings when they are built")
            }
        }
    }

    /// An element as a float32, rounded once.
    pub(crate) fn single(&self, index: usize) -> f32 {
        match self {
            View::F32(values) => values[index],
            View::I64(values) => values[index] as f32,
            View::I32(values) => values[index] as f32,
            _ => self.number(index) as f32,
        }
    }

    pub(crate) fn has_nan(&self) -> bool {
        match self {
            View::F32(values) => values.iter().any(|value| value.is_nan()),
            View::F64(values) => values.iter().any(|value| value.is_nan()),
            _ => false,
        }
    }

    /// A tensor of the elements.
    pub(crate) fn tensor(&self, shape: &[usize]) -> TractResult<Tensor> {
        match self {
            View::F32(values) => Tensor::from_shape(shape, values),
            View::F64(values) => Tensor::from_shape(shape, values),
            View::I32(values) => Tensor::from_shape(shape, values),
            View::I64(values) => Tensor::from_shape(shape, values),
            View::Bool(values) => Tensor::from_shape(shape, values),
            View::Text(values) => tensor1(values).into_shape(shape),
        }
    }

    /// An element as an int64, if it is an integer.
    pub(crate) fn integer(&self, index: usize) -> Option<i64> {
        match self {
            View::I32(values) => Some(values[index].into()),
            View::I64(values) => Some(values[index]),
            _ => None,
        }
    }
}

impl<'a> ViewMut<'a> {
    pub(crate) fn of(plain: &'a mut PlainViewMut<'_>) -> TractResult<ViewMut<'a>> {
        Ok(match Element::of(plain.datum_type()) {
            Some(Element::F32) => ViewMut::F32(plain.as_slice_mut()?),
            Some(Element::F64) => ViewMut::F64(plain.as_slice_mut()?),
            Some(Element::I32) => ViewMut::I32(plain.as_slice_mut()?),
            Some(Element::I64) => ViewMut::I64(plain.as_slice_mut()?),
            Some(Element::Bool) => ViewMut::Bool(plain.as_slice_mut()?),
            Some(Element::Text) => ViewMut::Text(plain.as_slice_mut()?),
            None => bail!("a tensor of type {:?}", plain.datum_type()),
        })
    }

    /// Some of the elements.
    pub(crate) fn part(&mut self, range: Range<usize>) -> ViewMut<'_> {
        match self {
            ViewMut::F32(values) => ViewMut::F32(&mut values[range]),
            ViewMut::F64(values) => ViewMut::F64(&mut values[range]),
            ViewMut::I32(values) => ViewMut::I32(&mut values[range]),
            ViewMut::I64(values) => ViewMut::I64(&mut values[range]),
            ViewMut::Bool(values) => ViewMut::Bool(&mut values[range]),
            ViewMut::Text(values) => ViewMut::Text(&mut values[range]),
        }
    }

    pub(crate) fn element(&self) -> Element {
        match self {
            ViewMut::F32(_) => Element::F32,
            ViewMut::F64(_) => Element::F64,
            ViewMut::I32(_) => Element::I32,
            ViewMut::I64(_) => Element::I64,
            ViewMut::Bool(_) => Element::Bool,
            ViewMut::Text(_) => Element::Text,
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            ViewMut::F32(values) => values.len(),
            ViewMut::F64(values) => values.len(),
            ViewMut::I32(values) => values.len(),
            ViewMut::I64(values) => values.len(),
            ViewMut::Bool(values) => values.len(),
            ViewMut::Text(values) => values.len(),
        }
    }

    /// The truth values; the caller has made the tensor one of bool.
    pub(crate) fn truths(&mut self) -> &mut [bool] {
        match self {
            ViewMut::Bool(values) => values,
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
    }

    /// The float32 elements; the caller has made the tensor one of float32.
    pub(crate) fn singles(&mut self) -> &mut [f32] {
        match self {
            ViewMut::F32(values) => values,
            _ => unreachable!("element types are fixed when a graph is loaded"),
        }
    }
}

/// A tensor of the file.
pub(crate) fn read(tensor: &TensorProto) -> Result<Tensor, String> {
    if tensor.data_location == EXTERNAL {
        return Err("its data is in a file of its own; save the model as one file".into());
    }
    let element = Element::from_onnx(tensor.data_type)?;
    let shape = tensor
        .dims
        .iter()
        .map(|&size| usize::try_from(size).map_err(|_| format!("a dimension of {size}")))
        .collect::<Result<Vec<_>, _>>()?;
    elements(&shape)?;
    let raw = &*tensor.raw_data;
    match element {
        Element::F32 => numbers(&shape, raw, &tensor.float_data, f32::from_le_bytes),
        Element::F64 => numbers(&shape, raw, &tensor.double_data, f64::from_le_bytes),
        Element::I32 => numbers(&shape, raw, &tensor.int32_data, i32::from_le_bytes),
        Element::I64 => numbers(&shape, raw, &tensor.int64_data, i64::from_le_bytes),
        Element::Bool => {
            let listed: Vec<bool> = tensor.int32_data.iter().map(|&value| value != 0).collect();
            numbers(&shape, raw, &listed, |[byte]| byte != 0)
        }
        Element::Text if !raw.is_empty() => Err("strings as raw data".into()),
        Element::Text => {
            check_length(&shape, tensor.string_data.len(), 0)?;
            let texts = tensor.string_data.iter().map(|bytes| text(bytes));
            let texts = texts.collect::<Result<Vec<String>, _>>()?;
            tensor1(&texts).into_shape(&shape).map_err(|e| e.to_string())
        }
    }
}

/// A tensor as a file has it.
pub(crate) fn write(tensor: &Tensor) -> TractResult<TensorProto> {
    let dims = tensor.shape().iter().map(|&size| size as i64).collect();
    let proto = TensorProto { dims, ..TensorProto::default() };
    Ok(match View::of(tensor)? {
        View::F32(values) => TensorProto { data_type: 1, float_data: values.to_vec(), ..proto },
        View::I32(values) => TensorProto { data_type: 6, int32_data: values.to_vec(), ..proto },
        View::I64(values) => TensorProto { data_type: 7, int64_data: values.to_vec(), ..proto },
        View::F64(values) => TensorProto { data_type: 11, double_data: values.to_vec(), ..proto },
        View::Bool(values) => {
            let int32_data = values.iter().map(|&value| value.into()).collect();
            TensorProto { data_type: 9, int32_data, ..proto }
        }
        View::Text(values) => {
            let string_data = values.iter().map(|text| text.as_bytes().to_vec()).collect();
            TensorProto { data_type: 8, string_data, ..proto }
        }
    })
}

/// A tensor of the file that is a list of uint8, which nothing but an attribute is.
pub(crate) fn read_bytes(tensor: &TensorProto) -> Result<Vec<u8>, String> {
    const UINT8: i32 = 2;
    if tensor.data_location == EXTERNAL || tensor.data_type != UINT8 {
        return Err(format!("of element type {}, expected uint8 (2)", tensor.data_type));
    }
    let bytes = match &tensor.raw_data[..] {
        [] => tensor.int32_data.iter().map(|&byte| u8::try_from(byte).unwrap_or(u8::MAX)).collect(),
        raw => raw.to_vec(),
    };
    match tensor.dims[..] {
        [length] if usize::try_from(length) == Ok(bytes.len()) => Ok(bytes),
        _ => Err(format!("of shape {:?}, with {} elements", tensor.dims, bytes.len())),
    }
}

/// A tensor of raw data, which is little endian, or else of the list that its type has.
fn numbers<T: Datum + Copy, const SIZE: usize>(
    shape: &[usize],
    raw: &[u8],
    listed: &[T],
    number: fn([u8; SIZE]) -> T,
) -> Result<Tensor, String> {
    let made = if raw.is_empty() {
        check_length(shape, listed.len(), 0)?;
        Tensor::from_shape(shape, listed)
    } else {
        let (parts, rest) = raw.as_chunks();
        check_length(shape, parts.len(), rest.len())?;
        let numbers: Vec<T> = parts.iter().copied().map(number).collect();
        Tensor::from_shape(shape, &numbers)
    };
    made.map_err(|e| e.to_string())
}

fn check_length(shape: &[usize], found: usize, rest: usize) -> Result<(), String> {
    let length = elements(shape)?;
    if found != length || rest != 0 {
        return Err(format!("it has {found} elements, its shape {shape:?} {length}"));
    }
    Ok(())
}

/// A string of the file.
pub(crate) fn text(bytes: &[u8]) -> Result<String, String> {
    std::str::from_utf8(bytes).map(String::from).map_err(|_| "a string that is not UTF-8".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_data_and_lists_give_the_same_tensor() {
        let check = |data_type: i32, raw: &[u8], listed: TensorProto| {
            let listed = TensorProto { data_type, dims: vec![2, 1], ..listed };
            let raw = TensorProto {
                data_type,
                dims: vec![2, 1],
                raw_data: raw.to_vec().into(),
                ..TensorProto::default()
            };
            let read = read(&listed).expect("a tensor of a list");
            assert_eq!(read, super::read(&raw).expect("a tensor of raw data"));
            assert_eq!(read.shape(), [2, 1]);
            read
        };
        let none = TensorProto::default;
        let float = check(
            1,
            &[[0, 0, 192, 63], [0, 0, 0, 192]].concat(),
            TensorProto { float_data: vec![1.5, -2.0], ..none() },
        );
        assert_eq!(float, tensor2(&[[1.5_f32], [-2.0]]));
        let double = [1.5_f64, -2.0].map(f64::to_le_bytes).concat();
        check(11, &double, TensorProto { double_data: vec![1.5, -2.0], ..none() });
        let int = [1, 2, 3, 4, 255, 255, 255, 255];
        check(6, &int, TensorProto { int32_data: vec![0x0403_0201, -1], ..none() });
        let long = [0x0807_0605_0403_0201, -1_i64];
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 255, 255, 255, 255, 255, 255, 255, 255];
        check(7, &bytes, TensorProto { int64_data: long.to_vec(), ..none() });
        check(9, &[0, 2], TensorProto { int32_data: vec![0, 7], ..none() });
    }

    #[test]
    fn texts_are_read_and_must_be_utf_8() {
        let texts = |last: &[u8]| {
            let string_data = vec![b"a".to_vec(), last.to_vec()];
            read(&TensorProto {
                data_type: 8,
                dims: vec![2],
                string_data,
                ..TensorProto::default()
            })
        };
        let read = texts("é".as_bytes()).expect("texts");
        assert!(matches!(View::of(&read), Ok(View::Text([a, b])) if a == "a" && b == "é"));
        assert_eq!(texts(&[0xff]), Err("a string that is not UTF-8".into()));
    }
}
