//! Requests: every mistake gets its own message, all at once, and nothing panics.

use foretold_core::http::problem::{FieldError, Problem};
use foretold_core::http::request::{self, Rows};
use foretold_core::model::feature::{Domain, Value};
use foretold_core::model::step::Step;
use proptest::prelude::*;

use crate::{SAMPLE, credit, feature};

fn errors(body: &str) -> Vec<FieldError> {
    match request::parse(body.as_bytes(), &credit().features) {
        Err(Problem::InvalidRequest { errors }) => errors,
        other => panic!("{body}: {other:?}"),
    }
}

/// One mistake: the field, the value that is shown, and what is expected.
fn check(from: &str, to: &str, field: &str, value: Option<&str>, expected: &str) {
    assert!(SAMPLE.contains(from), "{from}");
    let errors = errors(&SAMPLE.replace(from, to));
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = &errors[0];
    assert_eq!((error.field.as_str(), error.value.as_deref()), (field, value), "{error:?}");
    assert!(error.expected.contains(expected), "{error:?}");
    assert!(error.detail.contains(field), "{error:?}");
}

const RATE: &str = "installment_rate_in_percentage_of_disposable_income";

#[test]
fn each_mistake_names_field_value_and_expectation() {
    let age = "an integer from 18 to 127";
    let rate = "a number from 0 to 4 in steps of 0.01";
    check("30", "17", "age_in_years", Some("17"), age);
    check("30", "128", "age_in_years", Some("128"), age);
    check("30", "30.5", "age_in_years", Some("30.5"), age);
    check("30", "\"30\"", "age_in_years", Some("30"), age);
    check("30", "null", "age_in_years", Some("null"), age);
    check("30", "true", "age_in_years", Some("true"), age);
    check("30", "[30]", "age_in_years", Some("[30]"), age);
    check("30", "1e999", "age_in_years", Some("1e999"), age);
    check(
        "30",
        "123456789012345678901234567890",
        "age_in_years",
        Some("123456789012345678901234567890"),
        age,
    );
    check("0.25", "4.01", RATE, Some("4.01"), rate);
    check("0.25", "-0.01", RATE, Some("-0.01"), rate);
    check("0.25", "0.255", RATE, Some("0.255"), rate);
    check("0.25", "1e999", RATE, Some("1e999"), rate);
    check("0.25", "{}", RATE, Some("{}"), rate);
    check("\"yes\"", "\"maybe\"", "foreign_worker", Some("maybe"), r#"one of "yes", "no""#);
    check("\"yes\"", "true", "foreign_worker", Some("true"), r#"one of "yes", "no""#);
    check("\"yes\"", "\"Yes\"", "foreign_worker", Some("Yes"), r#"one of "yes", "no""#);
    check("\"foreign_worker\": \"yes\",", "", "foreign_worker", None, r#"one of "yes", "no""#);
    check("{", "{\"shoe_size\": 43,", "shoe_size", Some("43"), "one of the fields");
    check("{", "{\"age_in_years\": 31,", "age_in_years", Some("30"), "one value");
}

#[test]
fn several_mistakes_are_reported_together() {
    let body = SAMPLE.replace("30", "7").replace("yes", "perhaps").replace("{", "{\"x\": 1,");
    let fields: Vec<String> = errors(&body).into_iter().map(|error| error.field).collect();
    assert_eq!(fields, ["x", "age_in_years", "foreign_worker"]);
}

#[test]
fn a_long_value_is_cut() {
    let errors = errors(&SAMPLE.replace("yes", &"ä".repeat(10_000)));
    assert!(errors[0].value.as_ref().unwrap().len() < 150);
    assert!(errors[0].detail.len() < 300);
}

#[test]
fn malformed_json_names_the_position_and_the_field() {
    let cases = [
        ("", "line 1 column 0"),
        ("{", "line 1 column 1"),
        ("{\"age_in_years\": NaN}", "line 1 column 18 in the value of \"age_in_years\""),
        ("{\"age_in_years\": 030}", "line 1 column 19"),
        ("{\"age_in_years\": 30,}", "line 1 column 21"),
        ("{\"age_in_years\" 30}", "line 1 column 17"),
        ("{} {}", "line 1 column 4"),
    ];
    for (body, place) in cases {
        match request::parse(body.as_bytes(), &credit().features) {
            Err(Problem::MalformedJson { detail }) => {
                assert!(detail.contains(place), "{body}: {detail}")
            }
            other => panic!("{body}: {other:?}"),
        }
    }
    let not_utf8 = request::parse(b"{\"a\": \"\xff\"}", &credit().features);
    let Err(Problem::MalformedJson { detail }) = not_utf8 else { panic!("{not_utf8:?}") };
    assert!(detail.contains("byte 7"), "{detail}");
}

#[test]
fn a_byte_order_mark_counts_for_nothing() {
    let features = credit().features;
    let row = request::parse(SAMPLE.as_bytes(), &features).unwrap();
    let marked = |text: &str| format!("\u{feff}{text}").into_bytes();
    assert_eq!(request::parse(&marked(SAMPLE), &features), Ok(row.clone()));
    let array = marked(&format!(" [{SAMPLE}]"));
    assert_eq!(request::rows(&array, &features), Ok(Rows::Many(vec![Ok(row)])));
    // One only, and in front only.
    for wrong in [marked(&format!("\u{feff}{SAMPLE}")), format!("[\u{feff}{SAMPLE}]").into()] {
        assert!(matches!(request::rows(&wrong, &features), Err(Problem::MalformedJson { .. })));
    }
    let not_utf8 = request::parse(b"\xef\xbb\xbf{\"a\": \"\xff\"}", &features);
    let Err(Problem::MalformedJson { detail }) = not_utf8 else { panic!("{not_utf8:?}") };
    assert!(detail.contains("byte 10"), "{detail}");
}

#[test]
fn another_encoding_is_named() {
    let units: Vec<u16> = SAMPLE.encode_utf16().collect();
    let wide: Vec<u32> = SAMPLE.chars().map(u32::from).collect();
    let bytes = [
        (units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>(), &[0xff, 0xfe][..]),
        (units.iter().flat_map(|unit| unit.to_be_bytes()).collect(), &[0xfe, 0xff]),
        (wide.iter().flat_map(|c| c.to_le_bytes()).collect(), &[0xff, 0xfe, 0, 0]),
        (wide.iter().flat_map(|c| c.to_be_bytes()).collect(), &[0, 0, 0xfe, 0xff]),
    ];
    for (i, (bytes, mark)) in bytes.into_iter().enumerate() {
        let name = if i < 2 { "UTF-16" } else { "UTF-32" };
        let expected = format!("the body is {name}; send JSON as UTF-8");
        for body in [&bytes, &[mark, &bytes].concat()] {
            let problem = request::rows(body, &credit().features).unwrap_err();
            assert_eq!((problem.status(), problem.detail()), (400, expected.clone()));
        }
    }
}

/// Texts that look the same and are not.
#[test]
fn what_cannot_be_seen_is_shown() {
    let features = |categories: [&str; 2]| {
        let categories = categories.map(str::to_owned).to_vec();
        [feature("drink", Domain::Category { categories }, false)]
    };
    let detail = |categories, json: &str| {
        request::parse(json.as_bytes(), &features(categories)).unwrap_err().detail()
    };
    let one = ["caf\u{e9}", "tea"];
    for (json, expected) in [
        ("{\"drink\": \"cafe\u{301}\"}", r#"one of "café", "tea", got "cafe\u0301""#),
        ("{\"drink\": \"tea\u{200b}\"}", r#"one of "café", "tea", got "tea\u200b""#),
        ("{\"drink\": \"\u{a0}tea\"}", r#"one of "café", "tea", got "\u00a0tea""#),
        ("{\"drink\u{200b}\": 1}", r#""drink\u{200b}" is not a field; the fields are drink"#),
        ("{\"dri\u{301}nk\": 1}", r#""dri\u{301}nk" is not a field; the fields are drink"#),
        ("\"\u{200b}\"", r#"got "\u200b""#),
    ] {
        let detail = detail(one, json);
        assert!(detail.contains(expected), "{detail}");
    }
    let two = detail(["cafe\u{301}", "tea"], "{\"drink\": \"caf\u{e9}\"}");
    assert!(two.contains(r#"one of "cafe\u0301", "tea", got "café""#), "{two}");
}

#[test]
fn a_body_that_is_no_object_says_so() {
    for body in ["1", "\"x\"", "null", "true", "[{}]", "[]"] {
        let errors = errors(body);
        assert_eq!(errors[0].field, "", "{body}");
        assert!(errors[0].detail.contains("object"), "{body}: {errors:?}");
    }
}

#[test]
fn deeply_nested_values_do_not_exhaust_the_stack() {
    let deep = format!("{{\"age_in_years\": {}{}}}", "[".repeat(500_000), "]".repeat(500_000));
    assert!(request::parse(deep.as_bytes(), &credit().features).is_err());
    let deep = "[".repeat(500_000);
    assert!(request::parse(deep.as_bytes(), &credit().features).is_err());
}

#[test]
fn optional_features_may_be_left_out_and_rounded_ones_be_off_the_grid() {
    let step = Step::new(0.0, 1.0, 0.25).ok();
    let grid = |round| Domain::Number {
        minimum: Some(0.0),
        maximum: Some(1.0),
        step: step.clone(),
        round,
    };
    let features = [feature("strict", grid(false), true), feature("round", grid(true), false)];
    let parse = |body: &str| request::parse(body.as_bytes(), &features);
    assert_eq!(parse(r#"{"round": 0.3}"#), Ok(vec![Value::Missing, Value::Number(0.25)]));
    assert_eq!(
        parse(r#"{"round": 0.9, "strict": null}"#),
        Ok(vec![Value::Missing, Value::Number(1.0)])
    );
    assert!(parse(r#"{"round": 0.3, "strict": 0.3}"#).is_err());
    assert!(parse(r#"{"round": null}"#).is_err());
    assert!(parse(r#"{"round": 1.1}"#).is_err());
}

/// Sums and differences of floats, and 32-bit floats, which clients have for decimal numbers.
#[test]
fn noise_of_floats_is_taken_for_what_is_meant() {
    let domain = |minimum: f64, maximum: f64, step: Option<f64>| Domain::Number {
        minimum: Some(minimum),
        maximum: Some(maximum),
        step: step.map(|step| Step::new(minimum, maximum, step).unwrap()),
        round: false,
    };
    let read = |domain: &Domain, number: f64| {
        let features = [feature("x", domain.clone(), false)];
        request::parse(format!("{{\"x\": {number}}}").as_bytes(), &features)
    };
    let tenths = domain(0.0, 0.3, Some(0.1));
    let hundredths = domain(0.0, 1.0, Some(0.01));
    let free = domain(0.0, 0.3, None);
    let negative = domain(-0.3, -0.1, Some(0.1));
    for (domain, number, meant) in [
        (&tenths, 0.1 + 0.2, 0.3),
        (&tenths, 0.3 - 0.2 - 0.1, 0.0),
        (&tenths, -2.8e-17, 0.0),
        (&tenths, 0.3_f32.into(), 0.3),
        (&tenths, 0.1_f32.into(), 0.1),
        (&hundredths, 1.000_000_000_000_000_2, 1.0),
        (&hundredths, 0.29_f32.into(), 0.29),
        (&hundredths, 0.57 * 100.0 / 100.0, 0.57),
        (&free, 0.1 + 0.2, 0.3),
        (&free, 0.3_f32.into(), 0.3),
        (&free, -2.8e-17, 0.0),
        (&negative, -0.1 - 0.2, -0.3),
        (&negative, (-0.3_f32).into(), -0.3),
        (&negative, (-0.1_f32).into(), -0.1),
    ] {
        let expected = Ok(vec![Value::Number(meant)]);
        assert_eq!(read(domain, number), expected, "{number}");
    }
    for (domain, number) in [
        (&tenths, 0.300_000_1),
        (&tenths, -1e-9),
        (&tenths, 0.100_000_01),
        (&hundredths, 1.01),
        (&hundredths, 0.295),
        (&free, 0.300_000_000_1),
        (&negative, -0.099_999),
    ] {
        assert!(read(domain, number).is_err(), "{number}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = request::parse(&bytes, &credit().features);
    }

    #[test]
    fn arbitrary_values_never_panic(value in ".{0,40}", position in 0usize..5) {
        let name = &credit().features[position].name;
        let _ = request::parse(format!("{{\"{name}\": {value}}}").as_bytes(), &credit().features);
        let json = serde_json::json!({ (name.as_str()): value });
        let _ = request::parse(json.to_string().as_bytes(), &credit().features);
    }
}
