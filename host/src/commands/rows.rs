//! Rows of a CSV file, or of JSON Lines, as requests.

pub(crate) mod cell;
pub(crate) mod csv_file;
pub(crate) mod input;
pub(crate) mod json_lines;
pub(crate) mod row;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use foretold_core::model::feature::{self, Element, Feature};

use self::csv_file::{CsvFile, Record};
use self::input::Input;
use self::json_lines::{JsonLines, Members};
use self::row::{Row, object};

/// The rows of a file, one after the other. Columns or members that are no features stay in them, and
/// are not asked about.
pub(crate) struct Rows<'a> {
    format: Format<'a>,
    features: &'a [Feature],
    /// Those that were looked at before.
    next: VecDeque<Row>,
}

enum Format<'a> {
    Csv { file: CsvFile, columns: Vec<Column<'a>> },
    JsonLines(JsonLines),
}

/// What a column is for: none if it is no feature.
type Column<'a> = (Arc<str>, Option<Cells<'a>>);

/// What the cells of a column are.
#[derive(Clone, Copy)]
enum Cells<'a> {
    /// Values of a feature, or of an element of a vector.
    Values(&'a Feature),
    /// Vectors, each as a JSON array.
    Vectors,
}

impl<'a> Rows<'a> {
    /// Opens a file, or standard input for `-`, and reads the first line of CSV. What begins with a
    /// brace is JSON Lines. Optional features without a column are named on standard error.
    pub(crate) fn open(path: &Path, features: &'a [Feature]) -> Result<Rows<'a>> {
        let (rows, absent) = Rows::new(Input::open(path)?, features)?;
        if !absent.is_empty() {
            let file = if path == Path::new("-") {
                "standard input".into()
            } else {
                path.display().to_string()
            };
            eprintln!("{file} has no column for what is optional: {}", absent.join(", "));
        }
        Ok(rows)
    }

    /// The rows, and the optional features that have no column.
    fn new(input: Input, features: &'a [Feature]) -> Result<(Rows<'a>, Vec<&'a str>)> {
        let Input { name, bytes, is_json } = input;
        let (format, absent) = if is_json {
            (Format::JsonLines(JsonLines::new(name, bytes)), Vec::new())
        } else {
            let file = CsvFile::new(name.clone(), bytes)?;
            let columns = columns(&file.names, features);
            let (columns, absent) = columns.with_context(|| format!("{name}: line 1"))?;
            (Format::Csv { file, columns }, absent)
        };
        Ok((Rows { format, features, next: VecDeque::new() }, absent))
    }

    /// What stands between the cells, if the file is CSV.
    pub(crate) fn separator(&self) -> Option<u8> {
        match &self.format {
            Format::Csv { file, .. } => Some(file.separator),
            Format::JsonLines(_) => None,
        }
    }

    /// Whether the file is CSV.
    pub(crate) fn is_csv(&self) -> bool {
        self.separator().is_some()
    }

    /// The columns of the file; for JSON Lines, where each line may have others, the features.
    pub(crate) fn names(&self) -> Vec<Arc<str>> {
        match &self.format {
            Format::Csv { columns, .. } => columns.iter().map(|(name, _)| name.clone()).collect(),
            Format::JsonLines(_) => {
                feature::fields(self.features).map(|field| field.name.into()).collect()
            }
        }
    }

    /// The next rows, at most so many; none at the end.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<Row>> {
        self.fill(count)?;
        Ok(self.next.drain(..count.min(self.next.len())).collect())
    }

    /// The same, which will be taken later.
    pub(crate) fn peek(&mut self, count: usize) -> Result<impl Iterator<Item = &Row>> {
        self.fill(count)?;
        Ok(self.next.iter().take(count))
    }

    fn fill(&mut self, count: usize) -> Result<()> {
        while self.next.len() < count {
            let row = match &mut self.format {
                Format::Csv { file, columns } => {
                    file.next()?.map(|record| of_record(record, columns))
                }
                Format::JsonLines(lines) => {
                    let line = lines.next()?;
                    line.map(|(line, members)| of_members(line, members, self.features))
                }
            };
            match row {
                Some(row) => self.next.push_back(row),
                None => break,
            }
        }
        Ok(())
    }
}

/// What each column is for, and the optional features that have none.
fn columns<'a>(
    names: &[String],
    features: &'a [Feature],
) -> Result<(Vec<Column<'a>>, Vec<&'a str>)> {
    let expected: Vec<&str> = feature::fields(features).map(|field| field.name).collect();
    let expected = expected.join(", ");
    let vectors = feature::fields(features).filter(|field| field.is_vector());
    let known: BTreeMap<&str, Cells<'a>> = features
        .iter()
        .map(|feature| (&*feature.name, Cells::Values(feature)))
        .chain(vectors.map(|field| (field.name, Cells::Vectors)))
        .collect();
    let mut columns: Vec<Column<'a>> = Vec::new();
    let mut found: BTreeSet<&str> = BTreeSet::new();
    for name in names {
        let cells = known.get(&**name).copied();
        if cells.is_some() && !found.insert(name) {
            bail!("column {name:?} is there twice");
        }
        columns.push((name.as_str().into(), cells));
    }
    let is_there = |name: &str| found.contains(name);
    let mut absent = Vec::new();
    for field in feature::fields(features) {
        let has_elements = field.features.iter().any(|feature| is_there(&feature.name));
        match is_there(field.name) {
            true if field.is_vector() && has_elements => {
                bail!("{:?} and its elements are columns; expected one of them", field.name);
            }
            true => {}
            false if !has_elements && field.feature().optional => absent.push(field.name),
            false if !has_elements => {
                let elements = match field.is_vector() {
                    true => format!(" as a JSON array, or {:?} and so on", field.feature().name),
                    false => String::new(),
                };
                bail!("column {:?} is missing{elements}; expected {expected}", field.name);
            }
            false => {
                if let Some(feature) = field.features.iter().find(|it| !is_there(&it.name)) {
                    bail!("column {:?} is missing beside other elements", feature.name);
                }
            }
        }
    }
    Ok((columns, absent))
}

fn of_record(record: Record, columns: &[Column<'_>]) -> Row {
    let Record { line, cells } = record;
    let mut mistake = (cells.len() != columns.len())
        .then(|| format!("it has {} cells; expected {}", cells.len(), columns.len()));
    let mut members = Vec::with_capacity(columns.len());
    for ((name, column), cell) in columns.iter().zip(&cells) {
        let text = String::from_utf8_lossy(cell);
        if column.is_some() && std::str::from_utf8(cell).is_err() {
            mistake.get_or_insert_with(|| format!("{name}: expected UTF-8"));
        }
        let value = match column {
            Some(Cells::Values(feature)) => cell::value(&feature.domain, &text),
            Some(Cells::Vectors) => cell::vector(&text),
            None => serde_json::Value::from(&*text).to_string(),
        };
        members.push((name.clone(), value));
    }
    let request = match mistake {
        Some(mistake) => Err(mistake),
        None => Ok(of_cells(&members, columns)),
    };
    Row { line, members, request }
}

/// The JSON object of those cells that are features.
fn of_cells(members: &[(Arc<str>, String)], columns: &[Column<'_>]) -> String {
    // Of a vector whose elements are columns, the elements in their order.
    let mut vectors: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut request: Vec<(&str, &str)> = Vec::with_capacity(columns.len());
    for ((name, value), (_, column)) in members.iter().zip(columns) {
        match column {
            Some(Cells::Values(Feature { element: Some(element), .. })) => {
                let Element { vector, index, length } = element;
                vectors.entry(vector).or_insert_with(|| vec![""; *length])[*index] = value;
            }
            Some(_) => request.push((name, value)),
            None => {}
        }
    }
    let arrays: Vec<(&str, String)> = vectors
        .into_iter()
        .map(|(name, elements)| (name, format!("[{}]", elements.join(","))))
        .collect();
    request.extend(arrays.iter().map(|(name, array)| (*name, array.as_str())));
    object(request)
}

fn of_members(line: u64, members: Result<Members, String>, features: &[Feature]) -> Row {
    let (members, mistake) = match members {
        Ok(Members(members)) => (members, None),
        Err(mistake) => (Vec::new(), Some(mistake)),
    };
    let is_asked = |name: &str| feature::fields(features).any(|field| field.name == name);
    let request = match mistake {
        Some(mistake) => Err(mistake),
        None => {
            let members = members.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            Ok(object(members.filter(|(name, _)| is_asked(name))))
        }
    };
    let members = members.into_iter().map(|(name, value)| (name.into(), value)).collect();
    Row { line, members, request }
}

#[cfg(test)]
mod tests {
    use foretold_core::model::feature::{Domain, Value};

    use super::*;

    fn feature(name: &str, domain: Domain) -> Feature {
        Feature {
            name: name.to_owned(),
            element: None,
            place: None,
            domain,
            optional: false,
            unknown: vec![],
            unit: None,
            description: String::new(),
            example: Value::Missing,
        }
    }

    fn features() -> Vec<Feature> {
        vec![
            feature("age", Domain::Integer { minimum: 0, maximum: 99 }),
            feature("job", Domain::Category { categories: vec![] }),
            feature("new", Domain::Boolean),
        ]
    }

    fn read(file: &'static [u8]) -> Result<Vec<Row>> {
        let features = features();
        let input = Input::new("test.csv".to_owned(), Box::new(file))?;
        Rows::new(input, &features).and_then(|(mut rows, _)| rows.take(100))
    }

    #[test]
    fn cells_become_members_by_the_features_type() {
        for (line, expected) in [
            ("a,30,True", r#"{"job":"a","age":30,"new":true}"#),
            (" 1, 30.0 ,false", r#"{"job":" 1","age":30.0,"new":false}"#),
            (",,", r#"{"job":null,"age":null,"new":null}"#),
            ("\"a,\"\"b\nc\",x,yes", r#"{"job":"a,\"b\nc","age":"x","new":"yes"}"#),
            ("a,NaN,1", r#"{"job":"a","age":null,"new":"1"}"#),
            ("NA, na ,", r#"{"job":"NA","age":null,"new":null}"#),
        ] {
            let csv = format!("\u{feff}job,age,new\r\n{line}\r\n").into_bytes();
            let rows = read(csv.leak()).unwrap();
            let requests: Vec<_> = rows.into_iter().map(|row| (row.line, row.request)).collect();
            assert_eq!(requests, [(2, Ok(expected.to_owned()))]);
        }
    }

    #[test]
    fn a_row_has_the_number_of_the_line_on_which_it_begins() {
        for end in ["\n", "\r\n"] {
            let lines =
                ["age,job,new", "1,a,true", "", "2,\"x", "y\",true", "3,a,\"true\"", "4,a,true"];
            for csv in [lines.join(end), lines.join(end) + end, lines.join(end) + end + end] {
                let rows = read(csv.clone().into_bytes().leak()).unwrap();
                let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
                assert_eq!(lines, [2, 4, 6, 7], "{csv:?}");
                let last = rows[3].request.as_deref();
                assert_eq!(last, Ok(r#"{"age":4,"job":"a","new":true}"#), "{csv:?}");
                assert!(rows[2].request.as_ref().unwrap().ends_with(r#""new":true}"#), "{csv:?}");
            }
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_does_not_take_others_with_it() {
        let rows = read(b"age,job,new\n1,a\n2,\xff,true\n\"3\",\"x\ny\",true\n4,a,true\n").unwrap();
        let lines: Vec<(u64, bool)> =
            rows.iter().map(|row| (row.line, row.request.is_ok())).collect();
        assert_eq!(lines, [(2, false), (3, false), (4, true), (6, true)]);
        assert_eq!(rows[0].request, Err("it has 2 cells; expected 3".to_owned()));
        assert_eq!(rows[1].request, Err("job: expected UTF-8".to_owned()));
    }

    #[test]
    fn a_wrong_column_is_named_with_the_right_ones() {
        for (csv, expected) in [
            (&b"age,jop,new\n"[..], "column \"job\" is missing; expected age, job, new"),
            (b"age,new\n", "column \"job\" is missing; expected age, job, new"),
            (b"age,job,age,new\n", "column \"age\" is there twice"),
        ] {
            let error = format!("{:#}", read(csv).unwrap_err());
            assert_eq!(error, format!("test.csv: line 1: {expected}"));
        }
    }

    #[test]
    fn what_is_no_file_of_rows_is_named() {
        let empty = "expected a line with the names of columns, or JSON objects";
        for (file, expected) in [
            (&b""[..], format!("test.csv is empty; {empty}")),
            (b"\xef\xbb\xbf \r\n", format!("test.csv is empty; {empty}")),
            (b"\xff\xfea\0g\0e\0", "test.csv is UTF-16; save it as UTF-8".to_owned()),
        ] {
            assert_eq!(format!("{:#}", read(file).unwrap_err()), expected);
        }
    }

    #[test]
    fn other_columns_stay_in_the_row_where_they_may() {
        let csv = b"id,job,new,age,id\nx7,a,true,30,\xff\n";
        let rows = read(csv).unwrap();
        assert_eq!(rows[0].request.as_deref(), Ok(r#"{"job":"a","new":true,"age":30}"#));
        assert_eq!(rows[0].member("id"), Some("\"x7\""));
        assert_eq!(rows[0].members.len(), 5);
    }

    #[test]
    fn lines_of_json_are_rows_too() {
        let file = b"\xef\xbb\xbf\n{\"id\": 1, \"age\": 1e1, \"job\": \"a\"}\r\n\n[1]\n{\"age\": 1} x\n\xff\n{\"age\":1,\"age\":2}";
        let rows = read(file).unwrap();
        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 4, 5, 6, 7]);
        assert_eq!(rows[0].request.as_deref(), Ok(r#"{"age":1e1,"job":"a"}"#));
        assert_eq!(rows[0].member("id"), Some("1"));
        for row in &rows[1..3] {
            let error = row.request.as_ref().unwrap_err();
            assert!(error.starts_with("expected a JSON object: "), "{error}");
        }
        assert_eq!(rows[3].request, Err("expected UTF-8".to_owned()));
        // Which of the two is meant is for the component to ask.
        assert_eq!(rows[4].request.as_deref(), Ok(r#"{"age":1,"age":2}"#));
    }

    #[test]
    fn cells_are_separated_as_the_names_are() {
        for csv in [
            &b"age;job;new\n1;a,b;true\n"[..],
            b"\xef\xbb\xbf\nage;job;new\n1;\"a,b\";true\n",
            b"age\tjob\tnew\r\n1\ta,b\ttrue\r\n",
            b"age,job,new\n1,\"a,b\",true\n",
        ] {
            let rows = read(csv);
            let rows = rows.unwrap_or_else(|error| panic!("{error:#}"));
            let request = rows[0].request.as_deref();
            assert_eq!(request, Ok(r#"{"age":1,"job":"a,b","new":true}"#));
        }
        // With a comma in it, the line is one of commas.
        let rows = read(b"age,job,new,x;y\n1,a;b,true,2\n").unwrap();
        assert_eq!(rows[0].request.as_deref(), Ok(r#"{"age":1,"job":"a;b","new":true}"#));
    }

    #[test]
    fn an_optional_feature_needs_no_column() {
        let mut features = features();
        features[0].optional = true;
        let input = |csv: &'static [u8]| Input::new("test.csv".to_owned(), Box::new(csv)).unwrap();
        let (mut rows, absent) = Rows::new(input(b"job,new\na,true\n"), &features).unwrap();
        assert_eq!(absent, ["age"]);
        let rows = rows.take(10).unwrap();
        assert_eq!(rows[0].request.as_deref(), Ok(r#"{"job":"a","new":true}"#));
        let error = Rows::new(input(b"age,new\n"), &features).err().unwrap();
        assert!(format!("{error:#}").contains("column \"job\" is missing"));
    }

    #[test]
    fn what_was_looked_at_is_taken_later() {
        let features = features();
        let csv: &[u8] = b"age,job,new\n1,a,true\n2,a,true\n3,a,true\n";
        let input = Input::new("test.csv".to_owned(), Box::new(csv)).unwrap();
        let (mut rows, _) = Rows::new(input, &features).unwrap();
        let lines = |rows: &[Row]| rows.iter().map(|row| row.line).collect::<Vec<_>>();
        assert_eq!(rows.peek(2).unwrap().map(|row| row.line).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(lines(&rows.take(1).unwrap()), [2]);
        assert_eq!(lines(&rows.take(5).unwrap()), [3, 4]);
        assert!(rows.take(5).unwrap().is_empty());
    }
}
