//! The text of a manifest that begins with what is known. What only the user can know is a comment.

use crate::commands::new::answers::{Answers, Endpoint, Output, Rule};
use crate::commands::new::features::{Domain, Feature};
use crate::commands::new::literal;

/// What a manifest is written of.
pub(super) struct Contents<'a> {
    /// The model's name.
    pub(super) name: &'a str,
    /// The name of its file.
    pub(super) file: &'a str,
    /// What it was read from, for people.
    pub(super) source: &'a str,
    pub(super) has_sample: bool,
    /// Whether features are the columns of an input.
    pub(super) are_columns: bool,
    pub(super) features: &'a [Feature],
    pub(super) answers: &'a Answers,
}

impl Contents<'_> {
    /// The manifest as TOML.
    pub(super) fn text(&self) -> String {
        let mut lines = Lines(String::new());
        lines.add(format!("# Written by `foretold new` from {}.", self.source));
        lines.add("# What only you can know is a comment; docs/manifest.md explains every key.");
        lines.add("");
        lines.add("[model]");
        lines.add(format!("name = {}", literal::text(self.name)));
        lines.add("# description = \"What it predicts, for people.\"");
        lines.add(format!("file = {}", literal::text(self.file)));
        lines.add("");
        lines.add("[cache]");
        lines.add("ttl_seconds = 3600  # how long a stored prediction may be served");
        lines.add("");
        for line in self.about_features() {
            lines.add(format!("# {line}"));
        }
        self.features.iter().for_each(|feature| lines.feature(feature));
        lines.add("");
        lines.add("# The numbers that are stored: columns of what the model gives.");
        self.answers.outputs.iter().for_each(|output| lines.output(output));
        lines.add("");
        lines.add(
            "# What is answered where. Paths, fields, labels and thresholds are yours to choose;",
        );
        lines.add("# `bands` make several labels of a number.");
        self.answers.endpoints.iter().for_each(|endpoint| lines.endpoint(endpoint));
        lines.0
    }

    fn about_features(&self) -> Vec<&'static str> {
        let mut about =
            vec!["The fields of a request. Each can have a `description`, numbers a `unit`."];
        if self.are_columns {
            about.push("Columns of the model's input are in the order of training.");
            if !self.has_sample {
                about.push("The model's file has no names for columns, so rename them.");
            }
        }
        about.extend(match self.has_sample {
            true => [
                "The bounds are those of the sample, and what is outside of them is refused: widen them",
                "to what is legal, but no further, since keys get shorter with them.",
            ],
            false => [
                "`minimum`, `maximum` and `step` say which numbers are legal. Others are refused, and keys",
                "get shorter with them.",
            ],
        });
        about
    }
}

/// The text so far.
struct Lines(String);

impl Lines {
    fn add(&mut self, line: impl AsRef<str>) {
        self.0.push_str(line.as_ref());
        self.0.push('\n');
    }

    fn feature(&mut self, feature: &Feature) {
        self.add("");
        self.add("[[feature]]");
        feature.remarks.iter().for_each(|remark| self.add(format!("# {remark}")));
        self.add(format!("name = {}", literal::text(&feature.name)));
        if let Some((input, column)) = &feature.place {
            self.add(format!("input = {}", literal::text(input)));
            self.add(format!("column = {column}"));
        }
        let kind = |name: &str| match feature.length {
            None => format!("type = \"{name}\""),
            Some(length) => {
                format!("type = \"vector\"\nlength = {length}\nelements = \"{name}\"")
            }
        };
        match &feature.domain {
            Domain::Number { bounds, step } => {
                self.add(kind("number"));
                if let Some((minimum, maximum)) = bounds {
                    self.add(format!("minimum = {}", literal::number(*minimum)));
                    self.add(format!("maximum = {}", literal::number(*maximum)));
                }
                step.iter().for_each(|step| self.add(format!("step = {step}")));
            }
            Domain::Integer { bounds } => {
                self.add(kind("integer"));
                if let Some((minimum, maximum)) = bounds {
                    self.add(format!("minimum = {minimum}"));
                    self.add(format!("maximum = {maximum}"));
                }
            }
            Domain::Boolean => self.add("type = \"boolean\""),
            Domain::Category { categories, unknown } => {
                self.add("type = \"category\"");
                self.add(format!("categories = {}", literal::texts(categories)));
                if !unknown.is_empty() {
                    self.add(format!("unknown = {}", literal::texts(unknown)));
                }
            }
        }
        if feature.optional {
            self.add("optional = true");
        }
        self.add(format!("example = {}", feature.example));
    }

    fn output(&mut self, output: &Output) {
        self.add("");
        self.add("[[output]]");
        self.add(format!("name = {}", literal::text(&output.name)));
        self.add(format!("tensor = {}", literal::text(&output.tensor)));
        self.add(format!("column = {}", output.column));
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        self.add("");
        self.add("[[endpoint]]");
        self.add(format!("path = {}", literal::text(&endpoint.path)));
        self.add(format!("field = {}", literal::text(&endpoint.field)));
        match &endpoint.rule {
            Rule::Number(output) => self.add(format!("output = {}", literal::text(output))),
            Rule::Threshold { output, threshold, above, otherwise } => {
                self.add(format!("output = {}", literal::text(output)));
                let threshold = literal::number(*threshold);
                self.add(format!(
                    "threshold = {threshold}  # strictly above it `above`, else `otherwise`"
                ));
                self.add(format!("above = {}", literal::text(above)));
                self.add(format!("otherwise = {}", literal::text(otherwise)));
            }
            Rule::Bands { output, bands, last } => {
                self.add(format!("output = {}", literal::text(output)));
                self.add("# Each number stands for a class, the one that the model says.");
                self.add("bands = [");
                for (below, label) in bands {
                    let (below, label) = (literal::number(*below), literal::text(label));
                    self.add(format!("  {{ below = {below}, label = {label} }},"));
                }
                self.add(format!("  {{ label = {} }},", literal::text(last)));
                self.add("]");
            }
            Rule::Classes(classes) => {
                self.add("classes = [");
                for (output, label) in classes {
                    let (output, label) = (literal::text(output), literal::text(label));
                    self.add(format!("  {{ output = {output}, label = {label} }},"));
                }
                self.add("]");
            }
        }
    }
}
