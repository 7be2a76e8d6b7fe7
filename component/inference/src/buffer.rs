//! Elements of a value for the rows of a block, kept from run to run.

use std::ops::Range;

use tract_hir::internal::*;

use crate::tensor::{Element, View, ViewMut};

#[derive(Debug)]
pub(crate) enum Buffer {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
    Text(Vec<String>),
}

/// Runs an expression on the vector of a buffer.
macro_rules! each {
    ($buffer:expr, |$values:ident| $body:expr) => {
        match $buffer {
            Buffer::F32($values) => $body,
            Buffer::F64($values) => $body,
            Buffer::I32($values) => $body,
            Buffer::I64($values) => $body,
            Buffer::Bool($values) => $body,
            Buffer::Text($values) => $body,
        }
    };
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer::F32(Vec::new())
    }
}

impl Buffer {
    /// Without elements.
    pub(crate) fn new(element: Element) -> Buffer {
        match element {
            Element::F32 => Buffer::F32(Vec::new()),
            Element::F64 => Buffer::F64(Vec::new()),
            Element::I32 => Buffer::I32(Vec::new()),
            Element::I64 => Buffer::I64(Vec::new()),
            Element::Bool => Buffer::Bool(Vec::new()),
            Element::Text => Buffer::Text(Vec::new()),
        }
    }

    /// With the elements of a tensor.
    pub(crate) fn of(tensor: &Tensor) -> TractResult<Buffer> {
        Ok(match View::of(tensor)? {
            View::F32(values) => Buffer::F32(values.to_vec()),
            View::F64(values) => Buffer::F64(values.to_vec()),
            View::I32(values) => Buffer::I32(values.to_vec()),
            View::I64(values) => Buffer::I64(values.to_vec()),
            View::Bool(values) => Buffer::Bool(values.to_vec()),
            View::Text(values) => Buffer::Text(values.to_vec()),
        })
    }

    pub(crate) fn element(&self) -> Element {
        match self {
            Buffer::F32(_) => Element::F32,
            Buffer::F64(_) => Element::F64,
            Buffer::I32(_) => Element::I32,
            Buffer::I64(_) => Element::I64,
            Buffer::Bool(_) => Element::Bool,
            Buffer::Text(_) => Element::Text,
        }
    }

    pub(crate) fn len(&self) -> usize {
        each!(self, |values| values.len())
    }

    /// Makes room for at least so many elements.
    pub(crate) fn grow(&mut self, len: usize) {
        if self.len() < len {
            each!(self, |values| values.resize(len, Default::default()));
        }
    }

    /// Puts zeros or empty strings in place of elements.
    pub(crate) fn clear(&mut self, range: Range<usize>) {
        each!(self, |values| values[range].fill(Default::default()));
    }

    pub(crate) fn view(&self, range: Range<usize>) -> View<'_> {
        match self {
            Buffer::F32(values) => View::F32(&values[range]),
            Buffer::F64(values) => View::F64(&values[range]),
            Buffer::I32(values) => View::I32(&values[range]),
            Buffer::I64(values) => View::I64(&values[range]),
            Buffer::Bool(values) => View::Bool(&values[range]),
            Buffer::Text(values) => View::Text(&values[range]),
        }
    }

    pub(crate) fn view_mut(&mut self, range: Range<usize>) -> ViewMut<'_> {
        match self {
            Buffer::F32(values) => ViewMut::F32(&mut values[range]),
            Buffer::F64(values) => ViewMut::F64(&mut values[range]),
            Buffer::I32(values) => ViewMut::I32(&mut values[range]),
            Buffer::I64(values) => ViewMut::I64(&mut values[range]),
            Buffer::Bool(values) => ViewMut::Bool(&mut values[range]),
            Buffer::Text(values) => ViewMut::Text(&mut values[range]),
        }
    }
}
