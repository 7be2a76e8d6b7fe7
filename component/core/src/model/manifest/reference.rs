//! The keys of a manifest: what the reader takes, and what docs/manifest.md says of them.
//!
//! The reader refuses what is not listed here, so the reference cannot leave anything out.

use std::fmt::Write;

use crate::http::paths;
use crate::model::manifest::MAX_TTL_SECONDS;

/// The kinds of features, and of endpoints by the rule that they follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Number,
    Integer,
    Boolean,
    Category,
    Vector,
    /// An endpoint that answers an output itself; no key says so.
    Output,
    Threshold,
    Bands,
    Classes,
}

impl Kind {
    /// Those of features.
    pub(super) const FEATURES: [Kind; 5] =
        [Kind::Number, Kind::Integer, Kind::Boolean, Kind::Category, Kind::Vector];
    /// Those of endpoints that a key of this name makes.
    pub(super) const RULES: [Kind; 3] = [Kind::Threshold, Kind::Bands, Kind::Classes];

    /// The `type` of a feature, or the key of an endpoint.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Number => "number",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Category => "category",
            Kind::Vector => "vector",
            Kind::Output => "output",
            Kind::Threshold => "threshold",
            Kind::Bands => "bands",
            Kind::Classes => "classes",
        }
    }
}

/// One key of a table.
pub(super) struct Key {
    name: &'static str,
    /// What its value is.
    value: &'static str,
    /// What counts where it is left out; `None` where it may not be.
    default: Option<&'static str>,
    /// The kinds of the table that have it; all where none is named.
    kinds: &'static [Kind],
    text: &'static str,
}

const fn key(
    name: &'static str,
    value: &'static str,
    default: Option<&'static str>,
    kinds: &'static [Kind],
    text: &'static str,
) -> Key {
    Key { name, value, default, kinds, text }
}

/// `[model]`
pub(super) static MODEL: [Key; 5] = [
    key(
        "name",
        "1 to 64 lower-case letters, digits or hyphens",
        None,
        &[],
        "How the model is called: in the log, in metrics, and in `/v2/models/NAME`.",
    ),
    key(
        "description",
        "text",
        Some("empty"),
        &[],
        "What it predicts, for people: the landing page and the OpenAPI document show it.",
    ),
    key(
        "license",
        "SPDX identifier",
        Some("none"),
        &[],
        "The licence of the service, for the OpenAPI document.",
    ),
    key("contact", "URL", Some("none"), &[], "Who answers questions, for the OpenAPI document."),
    key("file", "name of a file", None, &[], "The ONNX model, in the same folder as the manifest."),
];

/// `[cache]`
pub(super) static CACHE: [Key; 4] = [
    key(
        "ttl_seconds",
        "integer, 1 to {max_ttl_seconds}",
        None,
        &[],
        "How long a stored prediction is served. Whoever runs the component can set another (`--ttl`).",
    ),
    key(
        "jitter_percent",
        "integer, 0 to 50",
        Some("0"),
        &[],
        "Each key's time is shorter by its own part of so much, so that what was stored together does not expire together.",
    ),
    key(
        "early_refresh_seconds",
        "integer, 0 to {max_ttl_seconds}",
        Some("0"),
        &[],
        "Now and then a request computes anew before the end, likelier the nearer it is (XFetch); this is the scale. 0 turns it off.",
    ),
    key(
        "stale_if_error_seconds",
        "integer, 0 to {max_ttl_seconds}",
        Some("0"),
        &[],
        "An expired prediction is served for so much longer where the model fails.",
    ),
];

/// `[[feature]]`
pub(super) static FEATURE: [Key; 16] = [
    key(
        "name",
        "text",
        None,
        &[],
        "The field in the request, and the name of the model's input (or, for a model with one input tensor, the next of its columns).",
    ),
    key(
        "input",
        "name of one of the model's inputs",
        Some("the field's name"),
        &[],
        "For a model of several inputs, of which one has several columns: the input that the value goes to. Where a key of a map is meant (`DictVectorizer`, `CastMap`), it is the name of the field.",
    ),
    key(
        "column",
        "integer from 0",
        Some("the column after that of the last field of this `input`"),
        &[],
        "The column of `input` that the value goes to. All columns of an input must be there.",
    ),
    key(
        "type",
        "`number`, `integer`, `boolean`, `category` or `vector`",
        None,
        &[],
        "What values it has. It decides which of the keys below there are. A `vector` is an array of numbers, like an embedding or the last 24 hours.",
    ),
    key("description", "text", Some("empty"), &[], "What it means, for people."),
    key(
        "example",
        "a legal value",
        None,
        &[],
        "Fills in forms and examples. Of a vector an array, or one number for all elements; `nan` is a missing one.",
    ),
    key(
        "length",
        "integer, 1 to 16384",
        None,
        &[Kind::Vector],
        "How many elements it has. They go to as many columns of the model's input, one after the other.",
    ),
    key(
        "elements",
        "`number` or `integer`",
        Some("`number`"),
        &[Kind::Vector],
        "What the elements are. The keys below are about each of them.",
    ),
    key(
        "minimum",
        "number",
        Some("none"),
        &[Kind::Number, Kind::Integer, Kind::Vector],
        "The smallest value that is accepted; less gets 422. The narrower the bounds, the fewer bits the field takes in a key.",
    ),
    key(
        "maximum",
        "number",
        Some("none"),
        &[Kind::Number, Kind::Integer, Kind::Vector],
        "The largest.",
    ),
    key(
        "step",
        "number above 0",
        Some("none"),
        &[Kind::Number, Kind::Vector],
        "The grid that values lie on, counted from `minimum`; it needs both bounds.",
    ),
    key(
        "round",
        "boolean",
        Some("false"),
        &[Kind::Number, Kind::Vector],
        "Whether a value off the grid is moved to the nearest point instead of getting 422.",
    ),
    key(
        "optional",
        "boolean",
        Some("false"),
        &[Kind::Number, Kind::Integer, Kind::Vector],
        "Whether the field, or an element of it, may be null, or the field missing; the model then sees NaN.",
    ),
    key(
        "unit",
        "text",
        Some("none"),
        &[Kind::Number, Kind::Integer, Kind::Vector],
        "The unit, for people.",
    ),
    key(
        "categories",
        "array of texts",
        None,
        &[Kind::Category],
        "The values, spelt as in training: one that the model's encoder does not know is refused when the model is baked. Their order is their code in the key: a new one at the end is as much a new model as one in between.",
    ),
    key(
        "unknown",
        "array of texts",
        Some("empty"),
        &[Kind::Category],
        "Those of the categories that the encoder was not trained with on purpose, like `other` with scikit-learn's `handle_unknown=\"ignore\"`.",
    ),
];

/// `[[output]]`
pub(super) static OUTPUT: [Key; 4] = [
    key("name", "text", None, &[], "How endpoints refer to it."),
    key(
        "tensor",
        "text",
        None,
        &[],
        "The name of the ONNX model's output: floats, integers up to 2^24, truth values, which are 0 and 1, or the class of a classifier as a text, which is its position among the classes that the file lists, from 0: `bands` make the text of it again.",
    ),
    key(
        "column",
        "integer from 0",
        Some("0"),
        &[],
        "The column of that output: for a classifier's probabilities the class. Several tensors, and tensors of more than two dimensions, count as all their numbers one after the other.",
    ),
    key("description", "text", Some("empty"), &[], "What it means, for people."),
];

/// `[[endpoint]]`
pub(super) static ENDPOINT: [Key; 11] = [
    key("path", "like `/decisions`", None, &[], "Where it is. {reserved} are every service's own."),
    key(
        "field",
        "text without a comma",
        None,
        &[],
        "The member of the JSON answer, the name for `?include=`, and the output of the Open Inference Protocol. Each endpoint has its own.",
    ),
    key(
        "output",
        "name of an `[[output]]`",
        None,
        &[Kind::Output, Kind::Threshold, Kind::Bands],
        "What the answer is made of. Not with `classes`, which name their own.",
    ),
    key("description", "text", Some("empty"), &[], "What it means, for people."),
    key(
        "ttl_seconds",
        "integer, 1 to {max_ttl_seconds}",
        Some("that of `[cache]`"),
        &[],
        "Where this endpoint needs a younger answer than others, or takes an older one.",
    ),
    key(
        "python_class",
        "name of a Python class",
        Some("none"),
        &[],
        "For `--keys repr` alone: the class of the request in a Python service that shares the Redis.",
    ),
    key(
        "threshold",
        "number",
        None,
        &[Kind::Threshold],
        "Strictly above it the answer is `above`, at or below it `otherwise`.",
    ),
    key("above", "text", None, &[Kind::Threshold], "The answer above the threshold."),
    key("otherwise", "text", None, &[Kind::Threshold], "The answer else."),
    key(
        "bands",
        "array of `{ below, label }`",
        None,
        &[Kind::Bands],
        "The answer is the label of the first band whose `below` is greater than the output; the last band has no `below`.",
    ),
    key(
        "classes",
        "array of `{ output, label }`",
        None,
        &[Kind::Classes],
        "The answer is the label of the class whose output is the largest; of equal ones the first.",
    ),
];

/// A band of an endpoint.
pub(super) static BAND: [Key; 2] = [
    key(
        "below",
        "number",
        Some("none for the last"),
        &[],
        "The bound that the output must be less than; it rises from band to band.",
    ),
    key("label", "text", None, &[], "The answer."),
];

/// A class of an endpoint.
pub(super) static CLASS: [Key; 2] = [
    key(
        "output",
        "name of an `[[output]]`",
        None,
        &[],
        "The class's probability or score. No two classes have the same.",
    ),
    key("label", "text", None, &[], "The answer."),
];

/// The names of the keys that a table of a kind may have.
pub(super) fn names(keys: &'static [Key], kind: Option<Kind>) -> Vec<&'static str> {
    let known =
        |key: &&Key| key.kinds.is_empty() || kind.is_some_and(|kind| key.kinds.contains(&kind));
    keys.iter().filter(known).map(|key| key.name).collect()
}

/// The reference, as Markdown.
pub(super) fn markdown() -> String {
    let mut text = "\
# The manifest

<!-- Written by the test `the_reference_is_current` of foretold-core; change component/core/src/model/manifest/reference.rs instead. -->

`manifest.toml` says of a model what its ONNX file does not: what is accepted, what is kept in the cache, and what is answered where. [The credit model's](../models/credit/manifest.toml) is a complete one with comments. Every mistake in a manifest is reported with its line, all at once; what does not fit the model is reported when the model is loaded. Keys that are not listed here are refused.

What decides a prediction (the features, the outputs that are used, the model's bytes) is part of every cache key: after a change of it no old prediction is served. Descriptions, thresholds, bands, labels and times can change with any restart, and what is cached stays right (but with `--keys repr`, [which stores the answers](caching.md)).
"
    .to_owned();
    let tables: [(&str, &str, &[Key]); 7] = [
        ("[model]", "The model itself.", &MODEL),
        ("[cache]", "How long predictions are kept. [Caching](caching.md) explains each.", &CACHE),
        (
            "[[feature]]",
            "One for each field of a request, in the order in which they are packed into keys.",
            &FEATURE,
        ),
        (
            "[[output]]",
            "One for each of the model's numbers that an endpoint needs. These, and nothing else, are stored.",
            &OUTPUT,
        ),
        (
            "[[endpoint]]",
            "One for each path. With `threshold` it answers one of two labels, with `bands` one of several by the size of a number, with `classes` the most likely of several, else the number itself.",
            &ENDPOINT,
        ),
        ("bands", "The members of an endpoint's `bands`.", &BAND),
        ("classes", "The members of an endpoint's `classes`.", &CLASS),
    ];
    let reserved = reserved();
    for (name, description, keys) in tables {
        let _ = write!(
            text,
            "\n## `{name}`\n\n{description}\n\n| key | value | if left out | meaning |\n|---|---|---|---|\n"
        );
        for Key { name, value, default, kinds, text: meaning } in keys {
            let default = default.unwrap_or("**required**");
            let (default, only) = match kinds {
                [] | [Kind::Output, ..] => (default, String::new()),
                [Kind::Threshold | Kind::Bands | Kind::Classes] => {
                    ("another kind of endpoint", String::new())
                }
                kinds => {
                    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                    (default, format!("Only of type `{}`. ", names.join("` or `")))
                }
            };
            let value = value.replace("{max_ttl_seconds}", &MAX_TTL_SECONDS.to_string());
            let meaning = meaning.replace("{reserved}", &reserved);
            let _ = writeln!(text, "| `{name}` | {value} | {default} | {only}{meaning} |");
        }
    }
    text
}

/// The paths that no endpoint can have, in words.
fn reserved() -> String {
    let shown = paths::RESERVED.map(|path| match path {
        // There are more below.
        paths::DOCS | paths::V2 => format!("`{path}…`"),
        _ => format!("`{path}`"),
    });
    let (last, others) = shown.split_last().expect("there are some");
    format!("{} and {last}", others.join(", "))
}
