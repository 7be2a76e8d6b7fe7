//! What a model's file says of what it takes and gives: what a manifest for it can begin with.
//!
//! The file is not described from its operators but tried out: it is loaded with features that take
//! anything, and run on rows of them. So a draft says what the model that is served will do.

mod classes;
mod known;
mod upstream;

use foretold_core::Model;
use foretold_core::model::feature::{Domain, Feature, Value};
use foretold_core::model::manifest::{Cache, Manifest, Output};
use prost::Message;
use tract_hir::internal::TypedModel;

use crate::draft::known::Known;
use crate::draft::upstream::Givers;
use crate::error::LoadError;
use crate::graph;
use crate::missing;
use crate::model::{OnnxModel, Parts};
use crate::proto::{GraphProto, ModelProto, ValueInfoProto};
use crate::tensor::Element;

/// Widest input that is tried where the file leaves its width open.
const MAX_TRIED_WIDTH: usize = 512;
/// Most columns of an input or an output that become features or numbers.
const MAX_COLUMNS: usize = 10_000;
/// By how much the probabilities of all classes may be off from 1.
const PROBABILITY_NOISE: f32 = 1e-3;

/// What a model's file says.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The program that wrote the file; empty where it does not say.
    pub producer: String,
    /// What can be features, in the order of the file.
    pub features: Vec<DraftFeature>,
    /// Whether the file leaves open how many columns its only input has.
    pub is_width_open: bool,
    /// The tensors of numbers that the model gives for a row.
    pub outputs: Vec<DraftOutput>,
    /// Names of the outputs that cannot be served, and why.
    pub left_out: Vec<(String, String)>,
}

/// What values an input has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Floats of 32 or 64 bits; integers and truth values do as well.
    Number,
    /// Integers of 32 or 64 bits; truth values do as well.
    Integer,
    /// Truth values.
    Boolean,
    /// Texts.
    Text,
}

/// An input, or a column of one that has several.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftFeature {
    /// The input's name, or that and the position of the column.
    pub name: String,
    /// Whether it is a column: its name is made up then, and its order counts.
    pub is_column: bool,
    /// What values it has.
    pub kind: Kind,
    /// The smallest and the largest integer that the model's encoders know, or that fit the input.
    pub bounds: Option<(i64, i64)>,
    /// The texts that the model's encoders know; empty where none sees them.
    pub categories: Vec<String>,
    /// Whether an encoder fails on other texts.
    pub refuses_others: bool,
    /// Whether the model gives numbers where it is missing.
    pub takes_missing: bool,
}

/// A tensor of numbers that the model gives.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftOutput {
    /// Its name.
    pub tensor: String,
    /// How many numbers there are for a row.
    pub columns: usize,
    /// The class that each column is for; empty where the file does not say.
    pub classes: Vec<String>,
    /// Whether the columns are at least two and sum up to one.
    pub are_probabilities: bool,
}

/// Reads what a model's file says.
///
/// Where it leaves open how many columns its only input has, they are `width`, or else as few as it
/// can be loaded with.
///
/// # Errors
/// If the model cannot be run with any manifest.
pub fn draft(model: &[u8], width: Option<usize>) -> Result<Draft, LoadError> {
    let file = ModelProto::decode(model).map_err(|e| LoadError::NotOnnx(e.to_string()))?;
    let producer = file.producer_name;
    let graph = file.graph.ok_or_else(|| LoadError::NotOnnx("it has no graph".into()))?;
    let givers = Givers::of(&graph);
    let (tensors, mut left_out) = candidates(&graph);
    let mut first_refusal = None;
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut inputs = Inputs::of(&graph, &givers, &tensors)?;
    let is_width_open = inputs.is_width_open();
    inputs.close(model, tensors.first(), width)?;
    for tensor in tensors {
        match columns(model, &inputs, &tensor) {
            Ok(columns) => found.push((tensor, columns)),
            Err(error) => {
                left_out.push((tensor, error.to_string()));
                first_refusal.get_or_insert(error);
            }
        }
    }
    if found.is_empty() {
        return Err(first_refusal.unwrap_or_else(|| {
            LoadError::Output(format!(
                "the model has {}; expected one of float32 or float64 for each row",
                graph.output.iter().map(graph::show).collect::<Vec<_>>().join(", ")
            ))
        }));
    }
    let kept: Vec<String> = found.iter().map(|(tensor, _)| tensor.clone()).collect();
    inputs.only_for(&givers, &kept);
    let known = known::find(model, &manifest(inputs.features(None), outputs(&found)))?;
    let tried = Tried::new(model, manifest(inputs.features(Some(&known)), outputs(&found)))?;
    let takes_missing = tried.takes_missing(&inputs);
    let features = inputs.draft(known, &takes_missing);
    let outputs = found.iter().enumerate().map(|(i, (tensor, columns))| DraftOutput {
        tensor: tensor.clone(),
        columns: *columns,
        classes: classes::find(&graph, &givers, tensor, *columns).unwrap_or_default(),
        are_probabilities: tried.are_probabilities(&found, i),
    });
    let outputs = outputs.collect();
    Ok(Draft { producer, features, is_width_open, outputs, left_out })
}

/// The outputs that may be numbers, and those that are none.
fn candidates(graph: &GraphProto) -> (Vec<String>, Vec<(String, String)>) {
    let (mut candidates, mut left_out) = (Vec::new(), Vec::new());
    for output in &graph.output {
        let element = match graph::kind(output) {
            graph::Kind::Tensor(tensor) => Element::from_onnx(tensor.elem_type).ok(),
            graph::Kind::Map { .. } | graph::Kind::Other => None,
        };
        match element {
            Some(element) if !element.is_float() => {
                let reason = format!("its elements are of type {element}");
                left_out.push((output.name.clone(), reason));
            }
            _ => candidates.push(output.name.clone()),
        }
    }
    (candidates, left_out)
}

/// How many numbers a tensor has for a row.
fn columns(model: &[u8], inputs: &Inputs, tensor: &str) -> Result<usize, LoadError> {
    let one = [(tensor.to_owned(), 1)];
    let parts = Parts::read(model, &manifest(inputs.features(None), outputs(&one)))?;
    let mut last = outputs(&one);
    let mut check = |column: usize| {
        last[0].column = column;
        parts.outputs(&last, &parts.typed)
    };
    check(0)?;
    let mut columns = 1;
    while columns < MAX_COLUMNS && check(columns).is_ok() {
        columns += 1;
    }
    Ok(columns)
}

/// A manifest's outputs: all columns of these tensors.
fn outputs(found: &[(String, usize)]) -> Vec<Output> {
    let columns =
        found.iter().flat_map(|(tensor, columns)| (0..*columns).map(move |i| (tensor, i)));
    let output = |(tensor, column): (&String, usize)| Output {
        name: format!("{tensor} {column}"),
        tensor: tensor.clone(),
        column,
        description: String::new(),
    };
    columns.map(output).collect()
}

fn manifest(features: Vec<Feature>, outputs: Vec<Output>) -> Manifest {
    Manifest {
        name: "draft".into(),
        description: String::new(),
        license: None,
        contact: None,
        file: "model.onnx".into(),
        cache: Cache::default(),
        features,
        outputs,
        endpoints: Vec::new(),
    }
}

/// The inputs that outputs depend on.
struct Inputs(Vec<Input>);

struct Input {
    name: String,
    element: Element,
    /// How many columns it has; `None` where the file leaves it open.
    width: Option<usize>,
}

impl Input {
    fn of(info: &ValueInfoProto) -> Result<Input, LoadError> {
        let name = &info.name;
        let refuse = |what: String| LoadError::Input(format!("the model's input {what}"));
        let graph::Kind::Tensor(tensor) = graph::kind(info) else {
            return Err(refuse(format!("'{name}' is not a tensor")));
        };
        let element = Element::from_onnx(tensor.elem_type);
        let element = element.map_err(|reason| refuse(format!("'{name}' has {reason}")))?;
        let dimensions = tensor.shape.as_ref().map(|shape| &shape.dim[..]);
        let width = match dimensions {
            None => None,
            Some([_]) => Some(1),
            Some([_, width]) => width.dim_value.and_then(|it| usize::try_from(it).ok()),
            Some(_) => {
                let shown = graph::show(info);
                return Err(refuse(format!("{shown} does not take rows; expected two dimensions")));
            }
        };
        let width = width.filter(|width| *width > 0);
        if width.is_some_and(|width| width > MAX_COLUMNS) {
            let shown = graph::show(info);
            return Err(refuse(format!("{shown} has more than {MAX_COLUMNS} columns")));
        }
        Ok(Input { name: name.clone(), element, width })
    }
}

impl Inputs {
    fn of(
        graph: &GraphProto,
        givers: &Givers<'_>,
        tensors: &[String],
    ) -> Result<Inputs, LoadError> {
        let reached = givers.reached(tensors);
        let is_constant = |name: &str| graph.initializer.iter().any(|it| it.name == name);
        let infos = graph.input.iter();
        let infos = infos.filter(|it| reached.contains(&*it.name) && !is_constant(&it.name));
        let mut inputs = Inputs(infos.map(Input::of).collect::<Result<Vec<_>, _>>()?);
        if inputs.0.len() > 1 {
            inputs.0.iter_mut().for_each(|input| input.width = input.width.or(Some(1)));
        }
        Ok(inputs)
    }

    fn is_width_open(&self) -> bool {
        self.0.iter().any(|input| input.width.is_none())
    }

    /// Settles the width of the only input, if it is open.
    fn close(
        &mut self,
        model: &[u8],
        tensor: Option<&String>,
        width: Option<usize>,
    ) -> Result<(), LoadError> {
        let ([Input { width: None, .. }], Some(tensor)) = (&self.0[..], tensor) else {
            return Ok(());
        };
        let tried = width.map_or(1..=MAX_TRIED_WIDTH, |width| width..=width);
        let mut first_refusal = None;
        for width in tried {
            self.0[0].width = Some(width);
            match columns(model, self, tensor) {
                Ok(_) => return Ok(()),
                Err(error) => drop(first_refusal.get_or_insert(error)),
            }
        }
        first_refusal.map_or(Ok(()), Err)
    }

    fn only_for(&mut self, givers: &Givers<'_>, tensors: &[String]) {
        let reached = givers.reached(tensors);
        self.0.retain(|input| reached.contains(&*input.name));
    }

    /// The name and the type of each feature, and whether it is one of several columns.
    fn columns(&self) -> impl Iterator<Item = (String, Element, bool)> {
        self.0.iter().flat_map(|input| {
            let width = input.width.unwrap_or(1);
            let name = move |i| match width {
                1 => input.name.clone(),
                _ => format!("{}_{i}", input.name),
            };
            (0..width).map(move |i| (name(i), input.element, width != 1))
        })
    }

    /// Features that take whatever their inputs take; of texts those that encoders know, once that
    /// is known.
    fn features(&self, known: Option<&[Known]>) -> Vec<Feature> {
        let feature = |(i, (name, element, _)): (usize, (String, Element, bool))| {
            let known = known.map(|known| &known[i]);
            let (domain, example) = match element {
                Element::F32 | Element::F64 => {
                    let (minimum, maximum) = (None, None);
                    let domain = Domain::Number { minimum, maximum, step: None, round: false };
                    (domain, Value::Number(0.0))
                }
                Element::I32 => {
                    let (minimum, maximum) = (i32::MIN.into(), i32::MAX.into());
                    (Domain::Integer { minimum, maximum }, Value::Integer(0))
                }
                Element::I64 => {
                    let (minimum, maximum) = (i64::MIN, i64::MAX);
                    (Domain::Integer { minimum, maximum }, Value::Integer(0))
                }
                Element::Bool => (Domain::Boolean, Value::Boolean(false)),
                Element::Text => {
                    let texts = known.map(|known| known.texts.iter().cloned().collect());
                    let texts = texts.filter(|texts: &Vec<String>| !texts.is_empty());
                    let categories = texts.unwrap_or_else(|| vec![known::marker_text(i)]);
                    (Domain::Category { categories }, Value::Category(0))
                }
            };
            let example = match known.and_then(|known| known.bounds) {
                Some((minimum, _)) if element.is_float() => Value::Number(minimum as f64),
                Some((minimum, _)) => Value::Integer(minimum),
                None => example,
            };
            Feature {
                name,
                place: None,
                domain,
                optional: false,
                unknown: Vec::new(),
                unit: None,
                description: String::new(),
                example,
            }
        };
        self.columns().enumerate().map(feature).collect()
    }

    fn draft(&self, known: Vec<Known>, takes_missing: &[bool]) -> Vec<DraftFeature> {
        type Column<'a> = (((String, Element, bool), Known), &'a bool);
        let columns = self.columns().zip(known).zip(takes_missing);
        let feature = |(((name, element, is_column), known), takes_missing): Column<'_>| {
            let kind = match element {
                Element::F32 | Element::F64 => Kind::Number,
                Element::I32 | Element::I64 => Kind::Integer,
                Element::Bool => Kind::Boolean,
                Element::Text => Kind::Text,
            };
            let range = (element == Element::I32).then_some((i32::MIN.into(), i32::MAX.into()));
            DraftFeature {
                name,
                is_column,
                kind,
                bounds: known.bounds.or(range),
                categories: known.texts.into_iter().collect(),
                refuses_others: known.refuses_others,
                takes_missing: *takes_missing,
            }
        };
        columns.map(feature).collect()
    }
}

/// A model with a manifest of all its columns, to be run.
struct Tried {
    typed: TypedModel,
    model: OnnxModel,
    manifest: Manifest,
}

impl Tried {
    fn new(bytes: &[u8], manifest: Manifest) -> Result<Tried, LoadError> {
        let parts = Parts::read(bytes, &manifest)?;
        let typed = parts.typed.clone();
        Ok(Tried { typed, model: OnnxModel::new(parts, &manifest, false)?, manifest })
    }

    /// The outputs for a row, if they are numbers.
    fn numbers(&self, row: &[Value]) -> Option<Vec<f32>> {
        let outputs = self.model.predict(row).ok()?;
        outputs.iter().all(|output| output.is_finite()).then_some(outputs)
    }

    /// For each feature whether it could be optional.
    fn takes_missing(&self, inputs: &Inputs) -> Vec<bool> {
        let example = self.manifest.example();
        let mut takes_missing: Vec<bool> = inputs
            .columns()
            .enumerate()
            .map(|(i, (_, element, _))| {
                let mut row = example.clone();
                row[i] = Value::Missing;
                element.is_float() && self.numbers(&row).is_some()
            })
            .collect();
        if self.refuses(&takes_missing) {
            for i in (0..takes_missing.len()).filter(|i| takes_missing[*i]).collect::<Vec<_>>() {
                let alone: Vec<bool> = (0..takes_missing.len()).map(|other| other == i).collect();
                takes_missing[i] = !self.refuses(&alone);
            }
        }
        takes_missing
    }

    /// Whether an operator would take the absence of one of some features for a value.
    fn refuses(&self, optional: &[bool]) -> bool {
        let mut manifest = self.manifest.clone();
        let features = manifest.features.iter_mut().zip(optional);
        features.for_each(|(feature, optional)| feature.optional = *optional);
        missing::refuse(&self.typed, self.model.bindings(), &manifest).is_err()
    }

    /// Whether the columns of a tensor sum up to one, for a few rows.
    fn are_probabilities(&self, found: &[(String, usize)], position: usize) -> bool {
        let first: usize = found[..position].iter().map(|(_, columns)| columns).sum();
        let columns = first..first + found[position].1;
        let example = self.manifest.example();
        let shifted = |by: f64| -> Vec<Value> {
            let shift = |value: &Value| match *value {
                Value::Number(number) => Value::Number(number + by),
                value => value,
            };
            example.iter().map(shift).collect()
        };
        let rows = [0.0, 1.0, -2.5, 40.0].map(shifted);
        let numbers: Vec<Vec<f32>> = rows.iter().filter_map(|row| self.numbers(row)).collect();
        columns.len() > 1
            && !numbers.is_empty()
            && numbers.iter().all(|outputs| {
                let outputs = &outputs[columns.clone()];
                let sum: f32 = outputs.iter().sum();
                outputs.iter().all(|it| *it >= -PROBABILITY_NOISE)
                    && (sum - 1.0).abs() <= PROBABILITY_NOISE
            })
    }
}
