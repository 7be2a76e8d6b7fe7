//! Outputs and endpoints of a manifest, from the tensors that a model gives.

use std::collections::BTreeSet;

use crate::artefact::draft::{Draft, DraftOutput};
use crate::commands::new::literal;

/// Endpoints that one tensor gets for its columns; of more columns only the first do.
const MAX_NUMBERS: usize = 20;
/// Names of tensors that say nothing.
const GENERIC: [&str; 8] =
    ["variable", "output", "outputs", "prediction", "predictions", "docs", "healthz", "readyz"];
/// How names of tensors begin that say what their numbers may not be: skl2onnx calls scores so, too.
const PROBABILITIES: &str = "probabilit";

/// One number of a tensor.
pub(super) struct Output {
    pub(super) name: String,
    pub(super) tensor: String,
    pub(super) column: usize,
}

/// What is answered at a path.
pub(super) struct Endpoint {
    pub(super) path: String,
    pub(super) field: String,
    pub(super) rule: Rule,
}

/// What an answer is made of, by the names of outputs.
pub(super) enum Rule {
    Number(String),
    /// One of two classes: the first unless the probability or the score of the second is larger.
    Threshold {
        output: String,
        threshold: f64,
        above: String,
        otherwise: String,
    },
    /// The class that a number stands for: bounds that it is below, each with a class, and the last.
    Bands {
        output: String,
        bands: Vec<(f64, String)>,
        last: String,
    },
    /// Of each class its output and its label.
    Classes(Vec<(String, String)>),
}

/// What a model answers.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) outputs: Vec<Output>,
    pub(super) endpoints: Vec<Endpoint>,
    /// What to look at.
    pub(super) notes: Vec<String>,
    taken: BTreeSet<String>,
}

impl Answers {
    pub(super) fn of(draft: &Draft) -> Answers {
        let mut answers = Answers::default();
        for output in &draft.outputs {
            let columns = output.columns as usize;
            match classes(output) {
                _ if !output.labels.is_empty() => answers.label(output),
                Some(classes) if columns == 1 => answers.one_score(output, &classes),
                Some(classes) if columns == 2 && output.are_probabilities && output.decides => {
                    answers.one_of_two(output, &classes);
                }
                Some(classes) => answers.classes(output, &classes),
                None => answers.numbers(output),
            }
        }
        answers
    }

    /// The probability of the second class, and which of both it is.
    fn one_of_two(&mut self, tensor: &DraftOutput, classes: &[String]) {
        let name = self.unlike("probability");
        self.output(&name, tensor, 1);
        let path = self.unlike("/probabilities");
        self.number(path, name.clone(), name.clone());
        self.threshold(name, 0.5, classes);
        self.notes.push("the threshold 0.5".to_owned());
    }

    /// The score for the second class against the first, and which of both it is.
    fn one_score(&mut self, tensor: &DraftOutput, classes: &[String]) {
        let name = self.unlike("score");
        self.output(&name, tensor, 0);
        let path = self.unlike("/scores");
        self.number(path, name.clone(), name.clone());
        self.threshold(name, 0.0, classes);
    }

    fn threshold(&mut self, output: String, threshold: f64, classes: &[String]) {
        let (otherwise, above) = (classes[0].clone(), classes[1].clone());
        self.class(Rule::Threshold { output, threshold, above, otherwise });
    }

    /// The class that the model says itself, as a number.
    fn label(&mut self, tensor: &DraftOutput) {
        let [first @ .., (_, last)] = &tensor.labels[..] else { return };
        let slug = literal::slug(&tensor.tensor);
        let output = self.unlike(if slug.is_empty() { "label" } else { &slug });
        self.output(&output, tensor, 0);
        let next = tensor.labels.iter().skip(1);
        let between = first.iter().zip(next).map(|((number, class), (next, _))| {
            let middle = (*number as f64 + *next as f64) / 2.0;
            (middle, class.clone())
        });
        let (bands, last) = (between.collect(), last.clone());
        self.class(Rule::Bands { output, bands, last });
    }

    /// The likeliest class, and the probability or score of each. The model itself may say another
    /// class: then none is said here.
    fn classes(&mut self, tensor: &DraftOutput, classes: &[String]) {
        let what = if tensor.are_probabilities { "probability" } else { "score" };
        let folder = if tensor.are_probabilities { "/probabilities" } else { "/scores" };
        let mut labels = Vec::with_capacity(classes.len());
        for (column, class) in classes.iter().enumerate() {
            let slug = Some(literal::slug(class)).filter(|slug| !slug.is_empty());
            let slug = slug.unwrap_or_else(|| column.to_string());
            let name = self.unlike(&format!("{what}_{slug}"));
            self.output(&name, tensor, column);
            labels.push((name, class.clone()));
        }
        if tensor.decides {
            self.class(Rule::Classes(labels.clone()));
        } else {
            let name = literal::remark(&tensor.tensor);
            self.notes
                .push(format!("the model's class, which is not always the largest of {name}"));
        }
        for (name, _) in labels.into_iter().take(MAX_NUMBERS) {
            let slug = name.split_once('_').map_or(&*name, |(_, slug)| slug);
            let path = self.unlike(&format!("{folder}/{slug}"));
            self.number(path, name.clone(), name);
        }
    }

    /// Each column by itself.
    fn numbers(&mut self, tensor: &DraftOutput) {
        let slug = literal::slug(&tensor.tensor);
        let is_generic =
            slug.is_empty() || GENERIC.contains(&slug.as_str()) || slug.starts_with("v2");
        let is_misnamed = slug.starts_with(PROBABILITIES) && !tensor.are_fractions;
        let (name, path) = match () {
            () if is_generic => ("value".to_owned(), "/values".to_owned()),
            () if is_misnamed => ("score".to_owned(), "/scores".to_owned()),
            () => (slug.clone(), format!("/{slug}")),
        };
        let columns = tensor.columns as usize;
        if columns == 1 {
            let (name, path) = (self.unlike(&name), self.unlike(&path));
            self.output(&name, tensor, 0);
            self.number(path, name.clone(), name);
            return;
        }
        if columns > MAX_NUMBERS {
            self.notes.push(format!(
                "{}, of whose {columns} columns the first {MAX_NUMBERS} are there",
                literal::remark(&tensor.tensor)
            ));
        }
        for column in 0..columns.min(MAX_NUMBERS) {
            let name = self.unlike(&format!("{name}_{column}"));
            self.output(&name, tensor, column);
            let path = self.unlike(&format!("{path}/{column}"));
            self.number(path, name.clone(), name);
        }
    }

    fn output(&mut self, name: &str, tensor: &DraftOutput, column: usize) {
        let tensor = tensor.tensor.clone();
        self.outputs.push(Output { name: name.to_owned(), tensor, column });
    }

    fn class(&mut self, rule: Rule) {
        let (path, field) = (self.unlike("/classes"), self.unlike("class"));
        self.endpoints.push(Endpoint { path, field, rule });
    }

    fn number(&mut self, path: String, field: String, output: String) {
        self.endpoints.push(Endpoint { path, field, rule: Rule::Number(output) });
    }

    /// A name or a path that nothing has yet.
    fn unlike(&mut self, name: &str) -> String {
        let numbered = (2..).map(|i| format!("{name}_{i}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        let name = names.find(|name| !self.taken.contains(name)).unwrap_or_default();
        self.taken.insert(name.clone());
        name
    }
}

/// The class of each column: where they are probabilities and have no names, their positions.
fn classes(output: &DraftOutput) -> Option<Vec<String>> {
    if !output.classes.is_empty() {
        return Some(output.classes.clone());
    }
    let positions = (0..output.columns).map(|column| column.to_string());
    output.are_probabilities.then(|| positions.collect())
}
