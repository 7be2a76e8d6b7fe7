//! `foretold new`: a folder that can be served, from a model alone.

mod answers;
mod features;
mod literal;
mod manifest;
mod sample;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use foretold_core::model::manifest::Manifest;

use self::answers::Answers;
use self::features::{Domain, Feature};
use self::manifest::Contents;
use self::sample::{Column, Element, Sample};
use crate::artefact::draft::{Draft, DraftFeature, Drafter, Kind};
use crate::artefact::model_dir::{MAX_MODEL_BYTES, ModelDir};
use crate::commands::model::cache_folder;
use crate::plain_file;

const MANIFEST: &str = "manifest.toml";

/// Writes the manifest for an ONNX model, into a folder that can be served at once.
///
/// Features, categories, outputs and classes are read from the model, ranges and examples from a
/// sample of your data. What only you can know is a comment. Nothing that is there is overwritten.
#[derive(Args)]
pub(crate) struct New {
    /// The ONNX model.
    #[arg(value_name = "MODEL.onnx")]
    model: PathBuf,

    /// The folder to make, or to write into.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,

    /// Rows that the model takes, as it was trained on: their ranges, steps, categories and missing
    /// values go into the manifest. Columns of an input that has many of them also get their names
    /// from it, in the order of the model's file.
    #[arg(long, value_name = "FILE.csv")]
    sample: Option<PathBuf>,

    /// A column of the sample that the model does not take, like the target; may be repeated.
    #[arg(long, value_name = "COLUMN", requires = "sample")]
    ignore: Vec<String>,

    /// Folder of compiled components, which only the user may write to [default:
    /// $XDG_CACHE_HOME/foretold or ~/.cache/foretold].
    #[arg(long, value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
}

impl New {
    pub(crate) async fn run(&self) -> Result<()> {
        let place = Place::new(&self.model, &self.output)?;
        let model = plain_file::read(&self.model, MAX_MODEL_BYTES)
            .with_context(|| format!("cannot read the model {}", self.model.display()))?;
        let sample = self.sample.as_deref().map(|path| Sample::read(path, &self.ignore));
        let sample = sample.transpose()?;
        let drafter = Drafter::new(&cache_folder(self.cache_dir.as_deref())?).await?;
        let width = sample.as_ref().map(|sample| sample.columns.len() as u32);
        let draft = drafter.draft(&model, width).await;
        let draft = draft.with_context(|| format!("the model {}", self.model.display()))?;
        let mut features = features(&draft, sample.as_ref())?;
        let answers = Answers::of(&draft);
        let source = source(&place.file, &draft, sample.as_ref());
        let name = literal::model_name(&place.name);
        let written = |features: &[Feature]| {
            let contents = Contents {
                name: &name,
                file: &place.file,
                source: &source,
                has_sample: sample.is_some(),
                are_columns: has_columns(&draft),
                features,
                answers: &answers,
            };
            contents.text()
        };
        let mut model = ModelDir { manifest: written(&features), model, name: name.clone() };
        if check(&drafter, &model).await.is_err() && features.iter().any(|it| it.optional) {
            // With the sample's bounds an operator may take what is missing for a value.
            features.iter_mut().for_each(Feature::demand);
            model.manifest = written(&features);
        }
        check(&drafter, &model).await?;
        let given = drafter.example(&model).await;
        place.write(&model)?;
        let mut output = io::stdout().lock();
        for line in self.report(&draft, &features, &answers, &source) {
            writeln!(output, "{line}")?;
        }
        if let Some(warning) = self.warning(given, &answers) {
            eprintln!("warning: {warning}");
        }
        Ok(())
    }

    /// What is to be said where the model gives no numbers for the examples: so it may be for all
    /// requests.
    fn warning(&self, given: Result<Vec<f32>>, answers: &Answers) -> Option<String> {
        let found = match given {
            Err(error) => format!("it cannot be run on them: {error:#}"),
            Ok(numbers) => {
                let outputs = answers.outputs.iter().zip(&numbers);
                let wrong = outputs.filter(|(_, number)| !number.is_finite());
                let shown: Vec<String> = wrong
                    .map(|(output, number)| {
                        format!("{} is {number}", literal::remark(&output.name))
                    })
                    .collect();
                if shown.is_empty() {
                    return None;
                }
                list(&shown.iter().map(String::as_str).collect::<Vec<_>>())
            }
        };
        let advice = match &self.sample {
            Some(_) => {
                "they are from the sample, so see what the exporting library says of that row"
            }
            None => {
                "they are made up, so give rows that the model was trained on with --sample FILE.csv"
            }
        };
        Some(format!(
            "the model gives no number for the examples of the manifest, and a request with them \
             fails: {found}; {advice}"
        ))
    }

    /// What was found and what to look at, in three lines.
    fn report(
        &self,
        draft: &Draft,
        features: &[Feature],
        answers: &Answers,
        source: &str,
    ) -> [String; 3] {
        let folder = self.output.display();
        let paths: Vec<&str> = answers.endpoints.iter().map(|it| it.path.as_str()).collect();
        let count = match features.len() {
            1 => "1 feature".to_owned(),
            count => format!("{count} features"),
        };
        let found = format!("{count} ({}), POST {}", kinds(features), list(&paths));
        let left_out: Vec<String> = draft
            .left_out
            .iter()
            .map(|(name, reason)| format!("{} ({reason})", literal::remark(name)))
            .collect();
        let left_out = match left_out[..] {
            [] => String::new(),
            _ => format!("; left out: {}", left_out.join(", ")),
        };
        let mut notes: Vec<String> = features.iter().flat_map(|it| it.notes.clone()).collect();
        notes.extend(answers.notes.iter().cloned());
        if draft.is_width_open {
            notes.push(format!(
                "the number of columns, which the model's file leaves open: {} would do",
                draft.features.len()
            ));
        }
        notes.push(match (&self.sample, has_columns(draft)) {
            (Some(_), true) => "the order of the features and their bounds".to_owned(),
            (Some(_), false) => "the bounds, which are the sample's".to_owned(),
            (None, true) => {
                "names and bounds of the features, which --sample FILE.csv reads from your data"
                    .to_owned()
            }
            (None, false) => {
                "bounds of numbers, which --sample FILE.csv reads from your data".to_owned()
            }
        });
        [
            format!("wrote {folder}/{MANIFEST}: {found}"),
            format!("from {source}{left_out}"),
            format!("look at {}; then: foretold serve {folder}", notes.join("; ")),
        ]
    }
}

/// Where a manifest and its model go.
struct Place {
    folder: PathBuf,
    /// The folder's own name.
    name: String,
    /// The name of the model's file.
    file: String,
    /// Whether the model is there already.
    has_model: bool,
}

impl Place {
    /// Looks at a folder without changing anything.
    fn new(model: &Path, folder: &Path) -> Result<Place> {
        let file = model.file_name().and_then(|name| name.to_str());
        let file = file.with_context(|| format!("{} has no name in UTF-8", model.display()))?;
        let source = fs::canonicalize(model)
            .with_context(|| format!("cannot read the model {}", model.display()))?;
        let shown = folder.display();
        let mut has_model = false;
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        for entry in entries.with_context(|| format!("cannot read the folder {shown}"))? {
            let (path, name) = (entry.path(), entry.file_name());
            let is_model = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("onnx"));
            if fs::canonicalize(&path).is_ok_and(|path| path == source) {
                has_model |= name == file;
            } else if is_model || name == MANIFEST || name == file {
                let name = name.to_string_lossy();
                bail!(
                    "{shown} has {name:?} already, and nothing is overwritten; name another folder"
                );
            }
        }
        let named = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Place { folder: folder.to_owned(), name, file: file.to_owned(), has_model })
    }

    fn write(&self, model: &ModelDir) -> Result<()> {
        let Place { folder, file, has_model, .. } = self;
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            let written = File::create_new(&path).and_then(|mut file| file.write_all(bytes));
            written.with_context(|| format!("cannot write {}", path.display()))
        };
        if !has_model {
            write(file, &model.model)?;
        }
        write(MANIFEST, model.manifest.as_bytes())
    }
}

/// Whether features are columns of an input, so that their order counts.
fn has_columns(draft: &Draft) -> bool {
    draft.features.iter().any(|feature| feature.is_column)
}

/// Checks a manifest as it will be when it is served.
async fn check(drafter: &Drafter, model: &ModelDir) -> Result<()> {
    Manifest::parse(&model.manifest)
        .map_err(|errors| anyhow!("the manifest would not be valid:\n{errors}"))?;
    drafter.check(model).await
}

/// The features, with examples from one row where a row has one of each.
fn features(draft: &Draft, sample: Option<&Sample>) -> Result<Vec<Feature>> {
    let Some(sample) = sample else {
        let input = |it: &DraftFeature| it.place.as_ref().map(|(input, _)| input.clone());
        let inputs =
            draft.features.chunk_by(|a, b| a.is_column && b.is_column && input(a) == input(b));
        let mut features: Vec<Feature> = inputs
            .flat_map(|columns| match Feature::of_input(columns) {
                Some(vector) => vec![vector],
                None => columns.iter().map(Feature::of_file).collect(),
            })
            .collect();
        features.iter_mut().for_each(|feature| feature.example = feature.any_example());
        return Ok(features);
    };
    let columns = columns(draft, sample)?;
    let mut features: Vec<(Feature, &[usize])> = Vec::new();
    let mut left = &columns[..];
    while let [first, ..] = left {
        let drafts = &draft.features[columns.len() - left.len()..];
        let vector = elements(drafts, left, sample);
        let feature = match vector {
            None => Feature::of_sample(&drafts[0], &sample.columns[*first]),
            Some(vector) => vector,
        };
        let (own, others) = left.split_at(feature.length.unwrap_or(1));
        features.push((feature, own));
        left = others;
    }
    let examples = |row: &Vec<String>| -> Vec<Option<String>> {
        let cells = |own: &[usize]| own.iter().map(|i| row[*i].as_str()).collect::<Vec<_>>();
        features.iter().map(|(feature, own)| feature.example_of(&cells(own))).collect()
    };
    let mut chosen: Vec<Option<String>> = vec![None; features.len()];
    for row in &sample.examples {
        let examples = examples(row);
        if examples.iter().all(Option::is_some) {
            chosen = examples;
            break;
        }
        chosen.iter_mut().zip(examples).for_each(|(chosen, it)| *chosen = chosen.take().or(it));
    }
    let with_example = |((mut feature, _), example): ((Feature, _), Option<String>)| {
        feature.example = example.unwrap_or_else(|| feature.any_example());
        feature
    };
    Ok(features.into_iter().zip(chosen).map(with_example).collect())
}

/// The feature that the first columns are, if they are all elements of a vector, of one input.
fn elements(drafts: &[DraftFeature], columns: &[usize], sample: &Sample) -> Option<Feature> {
    let columns: Vec<&Column> = columns.iter().map(|i| &sample.columns[*i]).collect();
    let first = columns.first()?.element.as_ref()?;
    let (drafts, columns) = (drafts.get(..first.length)?, columns.get(..first.length)?);
    let input = |it: &DraftFeature| it.place.as_ref().map(|(input, _)| input.clone());
    let is_next = |(i, (draft, column)): (usize, (&DraftFeature, &&Column))| {
        let expected = Element { index: i, ..first.clone() };
        let is_number = matches!(draft.kind, Kind::Number | Kind::Integer);
        let is_one_input = draft.is_column && input(draft) == input(&drafts[0]);
        column.element.as_ref() == Some(&expected) && is_number && is_one_input
    };
    let are_elements = drafts.iter().zip(columns).enumerate().all(is_next);
    if are_elements { Feature::of_vector(drafts, columns) } else { None }
}

/// The column of the sample that each feature is: the one of its name, or of the columns of an input
/// the elements of the vector that is called like the input, or the next of those that are left.
fn columns(draft: &Draft, sample: &Sample) -> Result<Vec<usize>> {
    let names: Vec<&str> = sample.columns.iter().map(|column| column.name.as_str()).collect();
    let named: Vec<&str> =
        draft.features.iter().filter(|it| !it.is_column).map(|it| it.name.as_str()).collect();
    if let Some(name) = named.iter().find(|name| !names.contains(name)) {
        bail!(
            "{}: line 1: column {name:?} is missing; expected {}, got {}",
            sample.name,
            named.join(", "),
            names.join(", ")
        );
    }
    let left = left(draft, sample, &named)?;
    let position = |name: &str| names.iter().position(|known| *known == name);
    let places = draft.features.iter().filter_map(|feature| feature.place.as_ref());
    let inputs: Vec<&str> = places.map(|(input, _)| input.as_str()).collect();
    let width = |input: &str| inputs.iter().filter(|it| **it == input).count();
    let of_input = |i: &usize| {
        let element = sample.columns[*i].element.as_ref();
        element.filter(|it| width(&it.vector) == it.length).map(|it| (it.vector.as_str(), it.index))
    };
    let mut others = left.iter().filter(|i| of_input(i).is_none()).copied();
    let mut next = |feature: &DraftFeature| {
        let place = feature.place.as_ref().map(|(input, column)| (&**input, *column as usize));
        let named = place.and_then(|place| left.iter().find(|i| of_input(i) == Some(place)));
        named.copied().or_else(|| others.next())
    };
    let columns = draft.features.iter().map(|feature| match feature.is_column {
        true => next(feature),
        false => position(&feature.name),
    });
    columns.collect::<Option<Vec<usize>>>().context("a column is missing")
}

/// The columns of the sample for those features that have no names of their own.
fn left(draft: &Draft, sample: &Sample, named: &[&str]) -> Result<Vec<usize>> {
    let width = draft.features.iter().filter(|feature| feature.is_column).count();
    let others: Vec<usize> = (0..sample.columns.len())
        .filter(|i| !named.contains(&sample.columns[*i].name.as_str()))
        .collect();
    if width == 0 || others.len() == width {
        return Ok(others);
    }
    let found: Vec<&str> = others.iter().map(|i| sample.columns[*i].name.as_str()).collect();
    bail!(
        "{}: line 1: the model takes {width} columns, and there are {}: {}; expected those that it \
         was trained on, in their order: name others with --ignore COLUMN",
        sample.name,
        found.len(),
        found.join(", ")
    )
}

/// What a manifest is read from, for people.
fn source(file: &str, draft: &Draft, sample: Option<&Sample>) -> String {
    let one_line = |text: &str| text.replace(char::is_control, " ");
    let mut source = one_line(file);
    if !draft.producer.is_empty() {
        source += &format!(", made by {}", one_line(&draft.producer));
    }
    if let Some(sample) = sample {
        source += &format!(", and the {} rows of {}", sample.rows, one_line(&sample.name));
    }
    source
}

/// How many features there are of each kind.
fn kinds(features: &[Feature]) -> String {
    let count = |is: fn(&Feature) -> bool, name: &str, names: &str| match features
        .iter()
        .filter(|feature| is(feature))
        .count()
    {
        0 => None,
        1 => Some(format!("1 {name}")),
        count => Some(format!("{count} {names}")),
    };
    let counts = [
        count(|it| it.length.is_some(), "vector", "vectors"),
        count(
            |it| it.length.is_none() && matches!(it.domain, Domain::Number { .. }),
            "number",
            "numbers",
        ),
        count(
            |it| it.length.is_none() && matches!(it.domain, Domain::Integer { .. }),
            "integer",
            "integers",
        ),
        count(|it| matches!(it.domain, Domain::Boolean), "boolean", "booleans"),
        count(|it| matches!(it.domain, Domain::Category { .. }), "category", "categories"),
    ];
    counts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Some names, and how many more there are.
fn list(names: &[&str]) -> String {
    const MAX_SHOWN: usize = 6;
    let shown = names[..names.len().min(MAX_SHOWN)].join(", ");
    match names.len().saturating_sub(MAX_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
