//! From the model's outputs to the JSON answer of an endpoint.

use crate::model::manifest::{Endpoint, Rule};

/// What an endpoint says of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'a> {
    /// The output itself.
    Number(f32),
    /// A label of the endpoint.
    Label(&'a str),
}

/// What an output is compared in with thresholds and bounds of bands.
///
/// It makes a difference where they are equal as 32-bit floats: the output 0.3 is, as a 64-bit
/// float, 0.30000001192092896, and so above a threshold of 0.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats: an output that is shown as 0.3 is not above 0.3.
    Single,
    /// 64-bit floats, as Python compares `float(output) > 0.3`.
    Double,
}

impl Precision {
    fn is_above(self, output: f32, bound: f64) -> bool {
        match self {
            Precision::Single => output > bound as f32,
            Precision::Double => f64::from(output) > bound,
        }
    }

    fn is_below(self, output: f32, bound: f64) -> bool {
        match self {
            Precision::Single => output < bound as f32,
            Precision::Double => f64::from(output) < bound,
        }
    }
}

impl<'a> Answer<'a> {
    /// What an endpoint makes of a model's outputs.
    pub fn new(endpoint: &'a Endpoint, outputs: &[f32], precision: Precision) -> Answer<'a> {
        Answer::Label(match &endpoint.rule {
            Rule::Number { output } => return Answer::Number(outputs[*output]),
            Rule::Threshold { output, threshold, above, otherwise } => {
                let is_above = precision.is_above(outputs[*output], *threshold);
                if is_above { above } else { otherwise }
            }
            Rule::Bands { output, bands, last } => {
                let is_below = |below: f64| precision.is_below(outputs[*output], below);
                let band = bands.iter().find(|(below, _)| is_below(*below));
                band.map_or(last, |(_, label)| label)
            }
            Rule::Classes { classes } => {
                let largest = classes.iter().reduce(|largest, class| {
                    if outputs[class.0] > outputs[largest.0] { class } else { largest }
                });
                let (_, label) = largest.expect("a manifest has at least two classes");
                label
            }
        })
    }

    /// Appends the value as JSON text.
    ///
    /// A number is the shortest decimal text that reads back as the same 32-bit float.
    pub fn write_value(self, body: &mut Vec<u8>) {
        match self {
            Answer::Label(label) => write_json(body, label),
            Answer::Number(output) => write_json(body, &output),
        }
    }
}

/// Appends a JSON object with a member per endpoint, e.g. `{"decision":"ACCEPT"}`.
pub fn write<'a>(answers: impl Iterator<Item = (&'a Endpoint, Answer<'a>)>, body: &mut Vec<u8>) {
    body.push(b'{');
    for (i, (endpoint, answer)) in answers.enumerate() {
        if i > 0 {
            body.push(b',');
        }
        write_json(body, &endpoint.field);
        body.push(b':');
        answer.write_value(body);
    }
    body.push(b'}');
}

pub(crate) fn write_json(body: &mut Vec<u8>, value: &(impl serde::Serialize + ?Sized)) {
    serde_json::to_writer(body, value).expect("strings and floats can be written to memory");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(rule: Rule) -> Endpoint {
        Endpoint {
            path: "/x".into(),
            field: "x".into(),
            rule,
            ttl_seconds: None,
            python_class: None,
            description: String::new(),
        }
    }

    fn check(rule: &Rule, cases: &[(f32, &str)]) {
        for (output, expected) in cases {
            let endpoint = endpoint(rule.clone());
            let mut body = Vec::new();
            let answer = Answer::new(&endpoint, &[*output], Precision::Single);
            write([(&endpoint, answer)].into_iter(), &mut body);
            assert_eq!(String::from_utf8(body).unwrap(), *expected, "{output}");
        }
    }

    #[test]
    fn of_classes_the_largest_counts_and_of_equal_ones_the_first() {
        let classes = [(2, "C"), (0, "A"), (1, "B")];
        let classes = classes.map(|(output, label)| (output, label.to_owned())).to_vec();
        let endpoint = endpoint(Rule::Classes { classes });
        for (outputs, expected) in [
            ([0.2, 0.3, 0.5], "C"),
            ([0.2, 0.5, 0.3], "B"),
            ([0.5, 0.2, 0.3], "A"),
            ([0.4, 0.2, 0.4], "C"),
            ([0.4, 0.4, 0.2], "A"),
            ([0.0, 0.0, -0.0], "C"),
            ([-3.0, -2.0, -1.0], "C"),
        ] {
            let answer = Answer::new(&endpoint, &outputs, Precision::Single);
            assert_eq!(answer, Answer::Label(expected), "{outputs:?}");
        }
    }

    #[test]
    fn a_number_is_its_shortest_text() {
        check(
            &Rule::Number { output: 0 },
            &[(0.3, r#"{"x":0.3}"#), (1.0, r#"{"x":1.0}"#), (1e-9, r#"{"x":1e-9}"#)],
        );
    }

    #[test]
    fn a_threshold_is_strict() {
        let (above, otherwise) = ("DECLINE".to_string(), "ACCEPT".to_string());
        check(
            &Rule::Threshold { output: 0, threshold: 0.5, above, otherwise },
            &[
                (0.5, r#"{"x":"ACCEPT"}"#),
                (0.50000006, r#"{"x":"DECLINE"}"#),
                (0.0, r#"{"x":"ACCEPT"}"#),
            ],
        );
    }

    #[test]
    fn the_upper_bound_of_a_band_belongs_to_the_next() {
        let bands = vec![(0.25, "LOW".to_string()), (0.5, "MEDIUM".to_string())];
        check(
            &Rule::Bands { output: 0, bands, last: "HIGH".into() },
            &[
                (0.0, r#"{"x":"LOW"}"#),
                (0.25, r#"{"x":"MEDIUM"}"#),
                (0.49, r#"{"x":"MEDIUM"}"#),
                (0.5, r#"{"x":"HIGH"}"#),
            ],
        );
    }

    /// What Python 3.11 says of `float(numpy.float32(x)) > x` and `<`.
    #[test]
    fn in_64_bits_an_output_is_compared_as_python_compares_it() {
        let labels = ["ABOVE".to_string(), "NOT".to_string(), "BELOW".to_string()];
        for (bound, is_above, is_below) in [
            (0.1, true, false),
            (0.2, true, false),
            (0.3, true, false),
            (0.5, false, false),
            (0.7, false, true),
            (0.9, false, true),
        ] {
            let [above, otherwise, below] = labels.clone();
            let threshold = Rule::Threshold { output: 0, threshold: bound, above, otherwise };
            let bands = Rule::Bands { output: 0, bands: vec![(bound, below)], last: "FROM".into() };
            let (threshold, bands) = (endpoint(threshold), endpoint(bands));
            let answer = |endpoint| Answer::new(endpoint, &[bound as f32], Precision::Double);
            let expected = if is_above { "ABOVE" } else { "NOT" };
            assert_eq!(answer(&threshold), Answer::Label(expected), "{bound}");
            let expected = if is_below { "BELOW" } else { "FROM" };
            assert_eq!(answer(&bands), Answer::Label(expected), "{bound}");
        }
    }

    #[test]
    fn bounds_that_are_no_binary_fractions_agree_with_the_number_that_is_shown() {
        for bound in [0.1, 0.2, 0.3, 0.6, 0.7, 0.9] {
            let output: f32 = bound.to_string().parse().unwrap();
            let (above, otherwise) = ("ABOVE".to_string(), "NOT".to_string());
            check(
                &Rule::Threshold { output: 0, threshold: bound, above, otherwise },
                &[(output, r#"{"x":"NOT"}"#)],
            );
            let bands = vec![(bound, "BELOW".to_string())];
            check(
                &Rule::Bands { output: 0, bands, last: "FROM".into() },
                &[(output, r#"{"x":"FROM"}"#)],
            );
        }
    }
}
