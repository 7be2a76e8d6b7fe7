//! Which feature goes to which element of which input.

use std::collections::BTreeSet;

use foretold_core::model::feature::{Domain, Feature, Value};
use tract_hir::internal::*;

use crate::error::LoadError;
use crate::graph::{show, tensor_type};
use crate::proto::GraphProto;
use crate::tensor::{Element, Fact};

/// Where the values of a row go.
#[derive(Debug)]
pub(crate) struct Bindings {
    features: usize,
    inputs: Vec<Binding>,
}

/// How an input of the graph is made of features.
#[derive(Debug)]
enum Binding {
    /// Numbers or truth values of the features from this position on.
    Columns { fact: Fact, first: usize },
    /// One feature's category: the tensor of each, ready made.
    Category { feature: usize, tensors: Vec<TValue> },
    /// Categories of the features from this position on.
    Categories { fact: Fact, first: usize, categories: Vec<Vec<String>> },
}

/// An input of the graph, as it is for one row.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) fact: Fact,
    /// Whether the file leaves open how many columns it has.
    pub(crate) width_is_open: bool,
    /// Name, type and shape for people.
    pub(crate) shown: String,
}

/// An input of the graph that is not a constant.
struct Input<'a> {
    name: &'a str,
    element: Element,
    /// `None` for a dimension of no fixed size; all `None` for any shape.
    dimensions: Option<Vec<Option<i64>>>,
    shown: String,
}

impl Bindings {
    /// Binds features to inputs; also gives the inputs, in the order of the tensors that
    /// [`Bindings::tensors`] makes.
    ///
    /// `needed` has the names of the tensors that the outputs depend on.
    ///
    /// Either each feature has an input of its name, with one column; or there is a single input,
    /// and the features are its columns.
    pub(crate) fn new(
        graph: &GraphProto,
        needed: &BTreeSet<String>,
        features: &[Feature],
    ) -> Result<(Bindings, Vec<Source>), LoadError> {
        let all = inputs(graph).map_err(LoadError::Input)?;
        let find = |feature: &Feature| all.iter().find(|input| input.name == feature.name);
        let named: Option<Vec<&Input<'_>>> = features.iter().map(find).collect();
        let only_named = all.iter().all(|input| {
            !needed.contains(input.name) || features.iter().any(|it| it.name == input.name)
        });
        let bound: Vec<(&Input<'_>, usize, &[Feature])> = match (named, &all[..]) {
            (Some(named), _) if !named.is_empty() && only_named => {
                let each = named.into_iter().enumerate();
                each.map(|(i, input)| (input, i, &features[i..=i])).collect()
            }
            (None, [input]) => vec![(input, 0, features)],
            _ => {
                let shown: Vec<&str> = all.iter().map(|input| &*input.shown).collect();
                let names: Vec<&str> = features.iter().map(|feature| &*feature.name).collect();
                return Err(LoadError::Input(format!(
                    "the model has {}; the features are {}. Expected an input for each feature, \
                     of the same name, or a single input whose columns are the features",
                    shown.join(", "),
                    names.join(", ")
                )));
            }
        };
        let mut bindings = Bindings { features: features.len(), inputs: Vec::new() };
        let mut sources = Vec::new();
        for (input, first, features) in bound {
            let shape = shape(input, features.len()).map_err(LoadError::Input)?;
            let fact = Fact::new(input.element, shape);
            sources.push(Source {
                name: input.name.to_string(),
                fact: fact.clone(),
                width_is_open: !matches!(input.dimensions.as_deref(), Some([_, Some(_)] | [_])),
                shown: input.shown.clone(),
            });
            bindings.inputs.push(binding(input, fact, first, features).map_err(LoadError::Input)?);
        }
        Ok((bindings, sources))
    }

    /// One numeric feature, the only column of the only input.
    #[cfg(test)]
    pub(crate) fn of_column(fact: Fact) -> Bindings {
        Bindings { features: 1, inputs: vec![Binding::Columns { fact, first: 0 }] }
    }

    /// How many values a row has.
    pub(crate) fn len(&self) -> usize {
        self.features
    }

    /// The inputs for a row.
    pub(crate) fn tensors(&self, row: &[Value]) -> Result<TVec<TValue>, String> {
        self.inputs.iter().map(|binding| binding.tensor(row)).collect()
    }
}

impl Binding {
    fn tensor(&self, row: &[Value]) -> Result<TValue, String> {
        let tensor = match self {
            Binding::Category { feature, tensors } => {
                let tensor = category(row[*feature], tensors)?;
                return Ok(tensor.clone());
            }
            Binding::Columns { fact, first } => {
                let values = &row[*first..];
                match fact.element {
                    Element::F32 => {
                        floats(fact, values, |value| value as f32, |value| value as f32)
                    }
                    Element::F64 => floats(fact, values, |value| value, |value| value as f64),
                    Element::I64 => integers(fact, values, Some),
                    Element::I32 => integers(fact, values, |value| i32::try_from(value).ok()),
                    _ => integers(fact, values, |value| Some(value != 0)),
                }?
            }
            Binding::Categories { fact, first, categories } => {
                let texts = row[*first..].iter().zip(categories);
                let texts = texts.map(|(&value, categories)| category(value, categories).cloned());
                let texts = texts.collect::<Result<Vec<String>, _>>()?;
                tensor1(&texts).into_shape(&fact.shape).map_err(|e| e.to_string())?
            }
        };
        Ok(tensor.into_tvalue())
    }
}

fn category<T>(value: Value, categories: &[T]) -> Result<&T, String> {
    let Value::Category(index) = value else {
        return Err(format!("{value:?}, expected a category"));
    };
    categories.get(index).ok_or_else(|| format!("category {index} of {}", categories.len()))
}

/// Converts values as numpy converts them to the input's type.
fn floats<T: Datum + Copy>(
    fact: &Fact,
    values: &[Value],
    number: fn(f64) -> T,
    integer: fn(i64) -> T,
) -> Result<Tensor, String> {
    let converted = values.iter().take(fact.shape.iter().product()).map(|&value| match value {
        Value::Number(value) => Ok(number(value)),
        Value::Integer(value) => Ok(integer(value)),
        Value::Boolean(value) => Ok(integer(value.into())),
        Value::Missing => Ok(number(f64::NAN)),
        Value::Category(_) => Err(format!("{value:?}, expected a number")),
    });
    let converted = converted.collect::<Result<TVec<T>, _>>()?;
    Tensor::from_shape(&fact.shape, &converted).map_err(|e| e.to_string())
}

fn integers<T: Datum + Copy>(
    fact: &Fact,
    values: &[Value],
    integer: fn(i64) -> Option<T>,
) -> Result<Tensor, String> {
    let converted = values.iter().take(fact.shape.iter().product()).map(|&value| {
        let converted = match value {
            Value::Integer(value) => integer(value),
            Value::Boolean(value) => integer(value.into()),
            _ => None,
        };
        converted.ok_or_else(|| format!("{value:?} for an input of type {}", fact.element))
    });
    let converted = converted.collect::<Result<TVec<T>, _>>()?;
    Tensor::from_shape(&fact.shape, &converted).map_err(|e| e.to_string())
}

fn inputs(graph: &GraphProto) -> Result<Vec<Input<'_>>, String> {
    let constant = |name: &str| graph.initializer.iter().any(|it| it.name == name);
    let mut inputs: Vec<Input<'_>> = Vec::new();
    for info in graph.input.iter().filter(|info| !constant(&info.name)) {
        let name = &*info.name;
        let Some(tensor) = tensor_type(info) else {
            return Err(format!("the input '{name}' is not a tensor"));
        };
        if inputs.iter().any(|other| other.name == name) {
            return Err(format!("there are two inputs '{name}'"));
        }
        let element = Element::from_onnx(tensor.elem_type)
            .map_err(|reason| format!("the input '{name}' has {reason}"))?;
        let dimensions = tensor.shape.as_ref().map(|shape| {
            shape.dim.iter().map(|dim| dim.dim_value.filter(|&size| size > 0)).collect()
        });
        inputs.push(Input { name, element, dimensions, shown: show(info) });
    }
    Ok(inputs)
}

/// The shape of an input for one row of `columns` features.
fn shape(input: &Input<'_>, columns: usize) -> Result<Vec<usize>, String> {
    let fits = |size: &Option<i64>, wanted: usize| size.is_none_or(|size| size == wanted as i64);
    match input.dimensions.as_deref() {
        None => Ok(vec![1, columns]),
        Some([rows, width]) if fits(rows, 1) && fits(width, columns) => Ok(vec![1, columns]),
        Some([rows]) if columns == 1 && fits(rows, 1) => Ok(vec![1]),
        Some([rows, Some(width)]) if fits(rows, 1) => Err(format!(
            "the model's input {} has {width} columns, the manifest {columns} features for it",
            input.shown
        )),
        Some(_) => Err(format!(
            "the model's input {} does not take rows of {columns} features; export it with any \
             number of rows",
            input.shown
        )),
    }
}

fn binding(
    input: &Input<'_>,
    fact: Fact,
    first: usize,
    features: &[Feature],
) -> Result<Binding, String> {
    features.iter().try_for_each(|feature| check(feature, input))?;
    if input.element != Element::Text {
        return Ok(Binding::Columns { fact, first });
    }
    let categories = features.iter().filter_map(|feature| match &feature.domain {
        Domain::Category { categories } => Some(categories.clone()),
        _ => None,
    });
    let categories: Vec<Vec<String>> = categories.collect();
    let [categories] = &categories[..] else {
        return Ok(Binding::Categories { fact, first, categories });
    };
    let tensors = categories.iter().map(|category| {
        let tensor = tensor1(std::slice::from_ref(category)).into_shape(&fact.shape)?;
        Ok(tensor.into_tvalue())
    });
    let tensors = tensors.collect::<TractResult<_>>().map_err(|e| e.to_string())?;
    Ok(Binding::Category { feature: first, tensors })
}

/// Whether an input takes all values of a feature.
fn check(feature: &Feature, input: &Input<'_>) -> Result<(), String> {
    let name = &feature.name;
    let fits = match (&feature.domain, input.element) {
        (Domain::Category { .. }, Element::Text) => true,
        (Domain::Number { .. }, Element::F32 | Element::F64) => true,
        (Domain::Integer { minimum, maximum }, Element::I32) => {
            i32::try_from(*minimum).is_ok() && i32::try_from(*maximum).is_ok()
        }
        (Domain::Integer { .. }, Element::F32 | Element::F64 | Element::I64) => true,
        (Domain::Boolean, Element::Text) => false,
        (Domain::Boolean, _) => true,
        _ => false,
    };
    if !fits {
        let expected = match input.element {
            Element::Text => "a category",
            Element::Bool => "true or false",
            Element::I32 => "an integer of 32 bits, or true or false",
            Element::I64 => "an integer, or true or false",
            Element::F32 | Element::F64 => "a number, an integer, or true or false",
        };
        return Err(format!(
            "the feature '{name}' is {}, but the model's input {} takes {expected}",
            feature.domain, input.shown
        ));
    }
    if feature.optional && !input.element.is_float() {
        return Err(format!(
            "the feature '{name}' is optional, but the model's input {} has no way to say that a \
             value is missing; only float inputs have NaN",
            input.shown
        ));
    }
    Ok(())
}
