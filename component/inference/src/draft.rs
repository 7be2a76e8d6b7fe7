//! What a model's file says of what it takes and gives: what a manifest for it can begin with.
//!
//! The file is not described from its operators but tried out: it is loaded with features that take
//! anything, and run on rows of them. So a draft says what the model that is served will do.

mod classes;
mod known;
mod label;

use std::collections::BTreeSet;

use foretold_core::Model;
use foretold_core::model::feature::{Domain, Feature, Place, Value};
use foretold_core::model::manifest::{Cache, Manifest, Output};
use tract_hir::internal::TypedModel;

use crate::draft::known::Known;
use crate::draft::label::{Told, Verdict};
use crate::error::LoadError;
use crate::functions;
use crate::graph;
use crate::labels;
use crate::missing;
use crate::model::{OnnxModel, Parts};
use crate::proto::{GraphProto, ValueInfoProto};
use crate::tensor::Element;
use crate::upstream::Givers;

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
    /// Where it goes, if it is a column of one of several inputs.
    pub place: Option<Place>,
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
    /// The class that each column is for, or of one column both: the second is the model's class where
    /// it is above 0. Empty where the file does not say.
    pub classes: Vec<String>,
    /// Whether the columns are at least two and sum up to one.
    pub are_probabilities: bool,
    /// Whether the numbers of a few rows are from 0 to 1.
    pub are_fractions: bool,
    /// Whether the class is that of the largest column. A model that says a class itself may say
    /// another one.
    pub decides: bool,
    /// Where it is a class itself: each number that it may be, ascending, and the class that this stands
    /// for.
    pub labels: Vec<(i64, String)>,
}

/// Reads what a model's file says.
///
/// Where it leaves open how many columns its only input has, they are `width`, or else as few as it
/// can be loaded with. Outputs of other types are left out where floats tell classes apart: then they
/// are labels, which follow from those.
///
/// # Errors
/// If the model cannot be run with any manifest.
pub fn draft(model: &[u8], width: Option<usize>) -> Result<Draft, LoadError> {
    let file = functions::read(model)?;
    let graph = file.graph.ok_or_else(|| LoadError::NotOnnx("it has no graph".into()))?;
    let producer = file.producer_name;
    let (floats, all) = (Candidates::of(&graph, false), Candidates::of(&graph, true));
    if floats.tensors.is_empty() || floats.tensors == all.tensors {
        return describe(model, &graph, producer, all, width);
    }
    let draft = describe(model, &graph, producer.clone(), floats, width)?;
    let tells_classes = |output: &DraftOutput| {
        output.decides && (!output.classes.is_empty() || output.are_probabilities)
    };
    match draft.outputs.iter().any(tells_classes) {
        true => Ok(draft),
        false => describe(model, &graph, producer, all, width),
    }
}

/// Reads what a model's file says, where its outputs are some of these.
fn describe(
    model: &[u8],
    graph: &GraphProto,
    producer: String,
    candidates: Candidates,
    width: Option<usize>,
) -> Result<Draft, LoadError> {
    let givers = Givers::of(graph);
    let Candidates { tensors, mut left_out } = candidates;
    let mut first_refusal = None;
    let mut found: Vec<(String, usize)> = Vec::new();
    let mut inputs = Inputs::of(graph, &givers, &tensors)?;
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
                "the model has {}; expected one of numbers for each row",
                graph.output.iter().map(graph::show).collect::<Vec<_>>().join(", ")
            ))
        }));
    }
    let kept: Vec<String> = found.iter().map(|(tensor, _)| tensor.clone()).collect();
    inputs.only_for(&givers, &kept);
    let known = known::find(model, &manifest(inputs.features(None), outputs(&found)))?;
    let tried = Tried::new(model, manifest(inputs.features(Some(&known)), outputs(&found)))?;
    let takes_missing = tried.takes_missing(&inputs);
    let outputs = found.iter().enumerate().map(|(i, (tensor, columns))| {
        let is_label = labels(graph).contains(tensor);
        let mut classes = classes::find(graph, &givers, tensor, *columns).unwrap_or_default();
        if is_label {
            classes.clear();
        }
        let are_probabilities = tried.are_probabilities(&found, i);
        let told = match classes.is_empty() && are_probabilities {
            true => (0..*columns).map(|column| column.to_string()).collect(),
            false => classes.clone(),
        };
        let verdict = |label: String| {
            let numbered = labels::numbered(graph, &givers, &label);
            let both = outputs(&[(tensor.clone(), 1), (label, 1)]);
            let manifest = manifest(inputs.features(Some(&known)), both);
            let told = Told { classes: &told, are_probabilities, numbered: &numbered };
            label::judge(model, &manifest, &givers, &known, &told)
        };
        let others = labels(graph).into_iter().filter(|_| !told.is_empty());
        // With several labels, one that disagrees may be another number's.
        let verdict = others.filter_map(verdict).min();
        match verdict {
            Some(Verdict::Smallest) => classes = told.into_iter().rev().collect(),
            Some(Verdict::Largest) => {}
            // One number speaks for two classes only where that was seen.
            _ if *columns == 1 => classes.clear(),
            // Then it is not known what they are for.
            Some(Verdict::Neither) if !are_probabilities => classes.clear(),
            _ => {}
        }
        let numbered = || labels::numbered(graph, &givers, tensor);
        DraftOutput {
            tensor: tensor.clone(),
            columns: *columns,
            classes,
            are_probabilities,
            are_fractions: tried.are_fractions(&found, i),
            decides: !matches!(verdict, Some(Verdict::Mostly | Verdict::Neither)),
            labels: if is_label && *columns == 1 { numbered() } else { Vec::new() },
        }
    });
    let outputs = outputs.collect();
    let features = inputs.draft(known, &takes_missing);
    Ok(Draft { producer, features, is_width_open, outputs, left_out })
}

/// Outputs of a graph.
struct Candidates {
    /// The names of those that may be numbers.
    tensors: Vec<String>,
    /// The names of the others, and why they are no candidates.
    left_out: Vec<(String, String)>,
}

impl Candidates {
    /// Those of floats, and those of integers, truth values and classes if they are asked for.
    fn of(graph: &GraphProto, others: bool) -> Candidates {
        let mut candidates = Candidates { tensors: Vec::new(), left_out: Vec::new() };
        let givers = Givers::of(graph);
        for output in &graph.output {
            let element = match graph::kind(output) {
                graph::Kind::Tensor(tensor) => Element::from_onnx(tensor.elem_type).ok(),
                graph::Kind::Map { .. } | graph::Kind::Other => None,
            };
            let is_number = |element: Element| match element {
                Element::F32 | Element::F64 => true,
                Element::I32 | Element::I64 | Element::Bool => others,
                Element::Text => {
                    others && !labels::numbered(graph, &givers, &output.name).is_empty()
                }
            };
            match element {
                Some(element) if !is_number(element) => {
                    let reason = format!("its elements are of type {element}");
                    candidates.left_out.push((output.name.clone(), reason));
                }
                _ => candidates.tensors.push(output.name.clone()),
            }
        }
        candidates
    }
}

/// The outputs that may be the class that the model says itself.
fn labels(graph: &GraphProto) -> Vec<String> {
    let is_label = |output: &&ValueInfoProto| match graph::kind(output) {
        graph::Kind::Tensor(tensor) => Element::from_onnx(tensor.elem_type)
            .is_ok_and(|element| !element.is_float() && element != Element::Bool),
        graph::Kind::Map { .. } | graph::Kind::Other => false,
    };
    graph.output.iter().filter(is_label).map(|output| output.name.clone()).collect()
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

/// A column of an input, which becomes a feature.
struct Column {
    name: String,
    element: Element,
    /// Whether the input has others.
    is_one_of_several: bool,
    /// Which it is, where the model has several inputs.
    place: Option<Place>,
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
            Some([_, rest @ ..]) => rest.iter().try_fold(1_usize, |product, dimension| {
                let size = dimension.dim_value.and_then(|it| usize::try_from(it).ok())?;
                product.checked_mul(size).filter(|product| *product > 0)
            }),
            Some([]) => {
                let shown = graph::show(info);
                return Err(refuse(format!("{shown} does not take rows; expected dimensions")));
            }
        };
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

    /// What become features, in the order of the file.
    fn columns(&self) -> Vec<Column> {
        let width = |input: &Input| input.width.unwrap_or(1);
        let narrow = self.0.iter().filter(|input| width(input) == 1);
        let mut taken: BTreeSet<String> = narrow.map(|input| input.name.clone()).collect();
        let mut columns = Vec::new();
        for input in &self.0 {
            let (element, is_one_of_several) = (input.element, width(input) != 1);
            for column in 0..width(input) {
                let mut name = input.name.clone();
                if is_one_of_several {
                    name += &format!("_{column}");
                    while !taken.insert(name.clone()) {
                        name.push('_');
                    }
                }
                let place = Place { input: input.name.clone(), column };
                let place = Some(place).filter(|_| is_one_of_several && self.0.len() > 1);
                columns.push(Column { name, element, is_one_of_several, place });
            }
        }
        columns
    }

    /// Features that take whatever their inputs take; of texts those that encoders know, once that
    /// is known.
    fn features(&self, known: Option<&[Known]>) -> Vec<Feature> {
        let feature = |(i, column): (usize, Column)| {
            let Column { name, element, place, .. } = column;
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
                element: None,
                place,
                domain,
                optional: false,
                unknown: Vec::new(),
                unit: None,
                description: String::new(),
                example,
            }
        };
        self.columns().into_iter().enumerate().map(feature).collect()
    }

    fn draft(&self, known: Vec<Known>, takes_missing: &[bool]) -> Vec<DraftFeature> {
        let columns = self.columns().into_iter().zip(known).zip(takes_missing);
        let feature = |((column, known), takes_missing): ((Column, Known), &bool)| {
            let Column { name, element, is_one_of_several, place } = column;
            let kind = match element {
                Element::F32 | Element::F64 => Kind::Number,
                Element::I32 | Element::I64 => Kind::Integer,
                Element::Bool => Kind::Boolean,
                Element::Text => Kind::Text,
            };
            let range = (element == Element::I32).then_some((i32::MIN.into(), i32::MAX.into()));
            DraftFeature {
                name,
                is_column: is_one_of_several,
                place,
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
            .into_iter()
            .enumerate()
            .map(|(i, Column { element, .. })| {
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
        let rows = self.few(found, position);
        let is_one = |sum: f32| (sum - 1.0).abs() <= PROBABILITY_NOISE;
        found[position].1 > 1
            && !rows.is_empty()
            && rows.iter().flatten().all(|it| *it >= -PROBABILITY_NOISE)
            && rows.iter().all(|row| is_one(row.iter().sum()))
    }

    /// Whether the numbers of a tensor are from 0 to 1, for a few rows.
    fn are_fractions(&self, found: &[(String, usize)], position: usize) -> bool {
        let legal = -PROBABILITY_NOISE..=1.0 + PROBABILITY_NOISE;
        self.few(found, position).iter().flatten().all(|it| legal.contains(it))
    }

    /// The numbers of a tensor for a few rows.
    fn few(&self, found: &[(String, usize)], position: usize) -> Vec<Vec<f32>> {
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
        let numbers = rows.iter().filter_map(|row| self.numbers(row));
        numbers.map(|outputs| outputs[columns.clone()].to_vec()).collect()
    }
}
