//! Which feature goes to which element of which input.

use std::collections::BTreeSet;
use std::slice::ChunksExact;

use foretold_core::model::feature::{self, Domain, Feature, Value};
use foretold_kernels::columns;
use tract_hir::internal::*;

use crate::error::LoadError;
use crate::graph::{Kind, kind, show};
use crate::proto::{GraphProto, TensorTypeProto};
use crate::tensor::{Element, Fact, Keys, ViewMut};

/// Where the values of a row go.
#[derive(Debug)]
pub(crate) struct Bindings {
    features: usize,
    inputs: Vec<Binding>,
}

/// How an input of the graph is made of features, which are named by their positions.
#[derive(Debug)]
enum Binding {
    /// Numbers or truth values, column by column.
    Columns { fact: Fact, features: Vec<usize> },
    /// One feature's category: the tensor of each, ready made.
    Category { feature: usize, tensors: Vec<TValue> },
    /// Categories, column by column.
    Categories { fact: Fact, features: Vec<(usize, Vec<String>)> },
}

/// An input of the graph, as it is for one row.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) fact: Fact,
    /// The keys of a map, of which the tensor has the values.
    pub(crate) keys: Option<Keys>,
    /// Whether the file leaves open how many columns it has.
    pub(crate) width_is_open: bool,
    /// Name, type and shape for people.
    pub(crate) shown: String,
}

/// An input of the graph that is not a constant.
struct Input<'a> {
    name: &'a str,
    element: Element,
    layout: Layout,
    shown: String,
}

enum Layout {
    /// `None` for a dimension of no fixed size; all `None` for any shape.
    Tensor(Option<Vec<Option<i64>>>),
    /// Whether the keys are texts; else they are integers.
    Map { of_texts: bool },
}

/// An input and its features, column by column.
type Bound<'a> = (&'a Input<'a>, Vec<usize>);

impl Bindings {
    /// Binds features to inputs; also gives the inputs, in the order of the tensors that
    /// [`Bindings::tensors`] makes.
    ///
    /// `needed` has the names of the tensors that the outputs depend on.
    ///
    /// A feature goes to the input that the manifest says, or else to the one of its name. Features
    /// that are left are, in the manifest's order, the columns of the one input that is left.
    pub(crate) fn new(
        graph: &GraphProto,
        needed: &BTreeSet<String>,
        features: &[Feature],
    ) -> Result<(Bindings, Vec<Source>), LoadError> {
        let all = inputs(graph).map_err(LoadError::Input)?;
        let bound = assign(&all, needed, features).map_err(LoadError::Input)?;
        let mut bindings = Bindings { features: features.len(), inputs: Vec::new() };
        let mut sources = Vec::new();
        for (input, positions) in bound {
            let shape = shape(input, positions.len()).map_err(LoadError::Input)?;
            let fact = Fact::new(input.element, shape);
            let is_fixed = |dimensions: &[Option<i64>]| matches!(dimensions, [_, Some(_)] | [_]);
            sources.push(Source {
                name: input.name.to_string(),
                fact: fact.clone(),
                keys: keys(input, &positions, features).map_err(LoadError::Input)?,
                width_is_open: match &input.layout {
                    Layout::Tensor(dimensions) => !dimensions.as_deref().is_some_and(is_fixed),
                    Layout::Map { .. } => false,
                },
                shown: input.shown.clone(),
            });
            let binding = binding(input, fact, positions, features).map_err(LoadError::Input)?;
            bindings.inputs.push(binding);
        }
        Ok((bindings, sources))
    }

    /// One numeric feature, the only column of the only input.
    #[cfg(test)]
    pub(crate) fn of_column(fact: Fact) -> Bindings {
        Bindings { features: 1, inputs: vec![Binding::Columns { fact, features: vec![0] }] }
    }

    /// How many values a row has.
    pub(crate) fn len(&self) -> usize {
        self.features
    }

    /// For an input of one category, the tensor of each.
    pub(crate) fn categories(&self, input: usize) -> Option<&[TValue]> {
        match &self.inputs[input] {
            Binding::Category { tensors, .. } => Some(tensors),
            Binding::Columns { .. } | Binding::Categories { .. } => None,
        }
    }

    /// The number of the category of an input of one.
    pub(crate) fn choose(&self, input: usize, row: &[Value]) -> Result<usize, String> {
        match &self.inputs[input] {
            Binding::Category { feature, tensors } => category(row[*feature], tensors.len()),
            Binding::Columns { .. } | Binding::Categories { .. } => {
                unreachable!("an input of one category")
            }
        }
    }

    /// Writes the elements of any other input for each of several rows.
    pub(crate) fn write(
        &self,
        input: usize,
        rows: &[Value],
        target: ViewMut<'_>,
    ) -> Result<(), String> {
        self.inputs[input].write(rows, self.features, target)
    }

    /// The inputs for a row.
    pub(crate) fn tensors(&self, row: &[Value]) -> Result<TVec<TValue>, String> {
        self.inputs.iter().map(|binding| binding.tensor(row)).collect()
    }
}

impl Binding {
    fn tensor(&self, row: &[Value]) -> Result<TValue, String> {
        let fact = match self {
            Binding::Category { feature, tensors } => {
                return Ok(tensors[category(row[*feature], tensors.len())?].clone());
            }
            Binding::Columns { fact, .. } | Binding::Categories { fact, .. } => fact,
        };
        let mut tensor = fact.zeros().map_err(|e| e.to_string())?;
        {
            let mut plain = tensor.try_as_plain_ram_mut().map_err(|e| e.to_string())?;
            self.write(row, row.len(), ViewMut::of(&mut plain).map_err(|e| e.to_string())?)?;
        }
        Ok(tensor.into_tvalue())
    }

    /// Writes the elements of rows of so many values.
    fn write(&self, rows: &[Value], width: usize, target: ViewMut<'_>) -> Result<(), String> {
        let each_row = rows.chunks_exact(width);
        match self {
            Binding::Columns { features, .. } => match target {
                ViewMut::F32(target) => {
                    columns::read_singles(rows, width, features, target).map_err(no_number)
                }
                ViewMut::F64(target) => {
                    columns::read_doubles(rows, width, features, target).map_err(no_number)
                }
                ViewMut::I64(target) => integers(target, features, each_row, Some),
                ViewMut::I32(target) => {
                    integers(target, features, each_row, |value| i32::try_from(value).ok())
                }
                ViewMut::Bool(target) => {
                    integers(target, features, each_row, |value| Some(value != 0))
                }
                ViewMut::Text(_) => unreachable!("an input of strings is one of categories"),
            },
            Binding::Categories { features, .. } => {
                let ViewMut::Text(target) = target else {
                    unreachable!("an input of categories is one of strings")
                };
                for (target, row) in target.chunks_exact_mut(features.len()).zip(each_row) {
                    for (target, (feature, categories)) in target.iter_mut().zip(features) {
                        target.clone_from(&categories[category(row[*feature], categories.len())?]);
                    }
                }
                Ok(())
            }
            Binding::Category { .. } => unreachable!("an input of one category has its tensors"),
        }
    }
}

/// The number of a category, one of `count`.
fn category(value: Value, count: usize) -> Result<usize, String> {
    let Value::Category(index) = value else {
        return Err(format!("{value:?}, expected a category"));
    };
    if index < count { Ok(index) } else { Err(format!("category {index} of {count}")) }
}

fn no_number(value: Value) -> String {
    format!("{value:?}, expected a number")
}

fn integers<T>(
    target: &mut [T],
    features: &[usize],
    rows: ChunksExact<'_, Value>,
    integer: impl Fn(i64) -> Option<T>,
) -> Result<(), String> {
    for (target, row) in target.chunks_exact_mut(features.len()).zip(rows) {
        for (target, &feature) in target.iter_mut().zip(features) {
            let value = row[feature];
            let converted = match value {
                Value::Integer(value) => integer(value),
                Value::Boolean(value) => integer(value.into()),
                _ => None,
            };
            *target =
                converted.ok_or_else(|| format!("{value:?}, expected what the input takes"))?;
        }
    }
    Ok(())
}

fn inputs(graph: &GraphProto) -> Result<Vec<Input<'_>>, String> {
    let constant = |name: &str| graph.initializer.iter().any(|it| it.name == name);
    let mut inputs: Vec<Input<'_>> = Vec::new();
    for info in graph.input.iter().filter(|info| !constant(&info.name)) {
        let name = &*info.name;
        if inputs.iter().any(|other| other.name == name) {
            return Err(format!("there are two inputs '{name}'"));
        }
        let element = |number: i32| {
            Element::from_onnx(number).map_err(|reason| format!("the input '{name}' has {reason}"))
        };
        let (element, layout) = match kind(info) {
            Kind::Tensor(TensorTypeProto { elem_type, shape }) => {
                let dimensions = shape.as_ref().map(|shape| {
                    shape.dim.iter().map(|dim| dim.dim_value.filter(|&size| size > 0)).collect()
                });
                (element(*elem_type)?, Layout::Tensor(dimensions))
            }
            Kind::Map { key, value } => {
                let key = element(key)?;
                if !matches!(key, Element::Text | Element::I64) {
                    return Err(format!("the input '{name}' has keys of type {key}"));
                }
                (element(value)?, Layout::Map { of_texts: key == Element::Text })
            }
            Kind::Other => return Err(format!("the input '{name}' is neither a tensor nor a map")),
        };
        inputs.push(Input { name, element, layout, shown: show(info) });
    }
    Ok(inputs)
}

/// Which features each input has.
fn assign<'a>(
    inputs: &'a [Input<'a>],
    needed: &BTreeSet<String>,
    features: &[Feature],
) -> Result<Vec<Bound<'a>>, String> {
    let find = |name: &str| inputs.iter().position(|input| input.name == name);
    if let ([input], false) = (inputs, features.iter().any(|feature| feature.place.is_some()))
        && !features.is_empty()
    {
        return Ok(vec![(input, (0..features.len()).collect())]);
    }
    // Of each input the columns and the features that they have.
    let mut columns: Vec<Vec<(usize, usize)>> = inputs.iter().map(|_| Vec::new()).collect();
    let mut rest = Vec::new();
    for (position, feature) in features.iter().enumerate() {
        let (name, column) = match (&feature.place, &feature.element) {
            (Some(place), _) => (&place.input, place.column),
            (None, Some(element)) => (&element.vector, element.index),
            (None, None) => (&feature.name, 0),
        };
        match find(name) {
            Some(input) => columns[input].push((column, position)),
            None if feature.place.is_none() => rest.push(position),
            None => {
                return Err(format!(
                    "the feature '{}' goes to the input '{name}', the model has {}",
                    feature.name,
                    shown(inputs)
                ));
            }
        }
    }
    let without = |columns: &[Vec<(usize, usize)>]| -> Vec<usize> {
        let is_without = |&i: &usize| columns[i].is_empty() && needed.contains(inputs[i].name);
        (0..inputs.len()).filter(is_without).collect()
    };
    // A single one is rather a name that is spelt otherwise.
    if let ([input], 2..) = (&without(&columns)[..], rest.len()) {
        columns[*input] = rest.drain(..).enumerate().collect();
    }
    if !rest.is_empty() || !without(&columns).is_empty() || features.is_empty() {
        let names: Vec<&str> = feature::fields(features).map(|field| field.name).collect();
        return Err(format!(
            "the model has {}; the features are {}. Expected an input for each feature, of the \
             same name, or a single input whose columns are the features; or say with `input` to \
             which one a feature goes",
            shown(inputs),
            names.join(", ")
        ));
    }
    let mut bound = Vec::new();
    for (input, mut columns) in inputs.iter().zip(columns) {
        columns.sort_unstable();
        if columns.iter().enumerate().any(|(i, &(column, _))| i != column) {
            let listed: Vec<String> = columns
                .iter()
                .map(|&(column, position)| format!("'{}' {column}", features[position].name))
                .collect();
            return Err(format!(
                "of the columns of the model's input {}, the features have {}; expected each \
                 column from 0 on once",
                input.shown,
                listed.join(", ")
            ));
        }
        if !columns.is_empty() {
            bound.push((input, columns.into_iter().map(|(_, position)| position).collect()));
        }
    }
    Ok(bound)
}

fn shown(inputs: &[Input<'_>]) -> String {
    let shown: Vec<&str> = inputs.iter().map(|input| &*input.shown).collect();
    shown.join(", ")
}

/// The keys of a map: the names of its features.
fn keys(
    input: &Input<'_>,
    positions: &[usize],
    features: &[Feature],
) -> Result<Option<Keys>, String> {
    let Layout::Map { of_texts } = input.layout else { return Ok(None) };
    let names = positions.iter().map(|&position| &features[position].name);
    if of_texts {
        return Ok(Some(Keys::Text(names.cloned().collect())));
    }
    let numbers = names.map(|name| {
        name.parse::<i64>().map_err(|_| {
            format!(
                "the feature '{name}' is a key of the model's input {}, expected an integer as \
                 its name",
                input.shown
            )
        })
    });
    numbers.collect::<Result<_, _>>().map(Keys::Integer).map(Some)
}

/// The shape of an input for one row of `columns` features.
fn shape(input: &Input<'_>, columns: usize) -> Result<Vec<usize>, String> {
    let fits = |size: &Option<i64>, wanted: usize| size.is_none_or(|size| size == wanted as i64);
    let dimensions = match &input.layout {
        Layout::Map { .. } | Layout::Tensor(None) => return Ok(vec![1, columns]),
        Layout::Tensor(Some(dimensions)) => &dimensions[..],
    };
    match dimensions {
        [] if columns == 1 => return Ok(vec![]),
        // A vector: a row with one column, or all columns of the only row.
        [None] if columns == 1 => return Ok(vec![1]),
        [Some(size)] if *size == columns as i64 => return Ok(vec![columns]),
        [rows, rest @ ..] if fits(rows, 1) => {
            let fixed = rest.iter().flatten().try_fold(1_usize, |product, &size| {
                product.checked_mul(usize::try_from(size).ok()?)
            });
            let open = rest.iter().filter(|size| size.is_none()).count();
            let fixed = fixed.unwrap_or(usize::MAX);
            if open <= 1 && columns.is_multiple_of(fixed) && (open == 1 || columns == fixed) {
                let left = columns / fixed;
                let rest = rest.iter().map(|size| size.map_or(left, |size| size as usize));
                return Ok([1].into_iter().chain(rest).collect());
            }
            if let [Some(width)] = rest {
                return Err(format!(
                    "the model's input {} has {width} columns, the manifest {columns} features \
                     for it",
                    input.shown
                ));
            }
        }
        _ => {}
    }
    Err(format!(
        "the model's input {} does not take rows of {columns} features; export it with any number \
         of rows",
        input.shown
    ))
}

fn binding(
    input: &Input<'_>,
    fact: Fact,
    positions: Vec<usize>,
    features: &[Feature],
) -> Result<Binding, String> {
    positions.iter().try_for_each(|&position| check(&features[position], input))?;
    if input.element != Element::Text {
        return Ok(Binding::Columns { fact, features: positions });
    }
    let categories = positions.iter().filter_map(|&position| match &features[position].domain {
        Domain::Category { categories } => Some((position, categories.clone())),
        _ => None,
    });
    let features: Vec<(usize, Vec<String>)> = categories.collect();
    let [(feature, categories)] = &features[..] else {
        return Ok(Binding::Categories { fact, features });
    };
    let tensors = categories.iter().map(|category| {
        let tensor = tensor1(std::slice::from_ref(category)).into_shape(&fact.shape)?;
        Ok(tensor.into_tvalue())
    });
    let tensors = tensors.collect::<TractResult<_>>().map_err(|e| e.to_string())?;
    Ok(Binding::Category { feature: *feature, tensors })
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
