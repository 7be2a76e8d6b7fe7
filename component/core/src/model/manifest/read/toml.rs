//! Members of TOML tables as typed values, or what is wrong with them and on which line. Nothing here
//! knows what a manifest is.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::manifest::ManifestError;

/// The text, for line numbers, and what was found wrong so far.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) errors: Vec<ManifestError>,
}

/// A table and where it stands.
#[derive(Clone)]
pub(super) struct Table<'t, 'a> {
    pub(super) table: &'t DeTable<'a>,
    pub(super) span: Range<usize>,
    /// How messages call it, e.g. "feature `age`".
    pub(super) name: String,
}

pub(super) type Member<'t, 'a> = &'t Spanned<DeValue<'a>>;

impl<'a> Reader<'a> {
    pub(super) fn error(&mut self, span: Range<usize>, message: impl Into<String>) {
        let before = &self.text.as_bytes()[..span.start.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        self.errors.push(ManifestError { line, message: message.into() });
    }

    /// Says what is wrong with a member, where it stands, or else its table.
    pub(super) fn refuse(&mut self, table: &Table<'_, 'a>, key: &str, message: impl fmt::Display) {
        self.error(table.span_of(key), format!("{}: {message}", table.name));
    }

    /// Reads each table, and refuses a name that was there before.
    pub(super) fn each<'t, T>(
        &mut self,
        tables: &[Table<'t, 'a>],
        mut read: impl FnMut(&mut Self, &Table<'t, 'a>) -> Option<(Range<usize>, String, T)>,
    ) -> Vec<T> {
        let mut names = BTreeSet::new();
        let mut items = Vec::with_capacity(tables.len());
        for table in tables {
            let Some((span, name, item)) = read(self, table) else { continue };
            if names.insert(name.clone()) {
                items.push(item);
            } else {
                self.error(span, format!("{} is there twice", table.name));
            }
        }
        items
    }

    /// Refuses members that are not known, with the list of those that are.
    pub(super) fn only(&mut self, table: &Table<'_, 'a>, known: &[&str]) {
        for (key, _) in table.table.iter() {
            if !known.contains(&key.get_ref().as_ref()) {
                let message = format!(
                    "{}: {:?} is not known here; known are {}",
                    table.name,
                    key.get_ref(),
                    known.join(", ")
                );
                self.error(key.span(), message);
            }
        }
    }

    pub(super) fn table<'t>(&mut self, parent: &Table<'t, 'a>, key: &str) -> Option<Table<'t, 'a>> {
        let member = self.required(parent, key)?;
        match member.get_ref().as_table() {
            Some(table) => Some(Table { table, span: member.span(), name: format!("[{key}]") }),
            None => {
                self.wrong_type(parent, key, member, "a table");
                None
            }
        }
    }

    /// The tables of `[[key]]`, at least one.
    pub(super) fn tables<'t>(&mut self, parent: &Table<'t, 'a>, key: &str) -> Vec<Table<'t, 'a>> {
        let member = parent.table.get(key);
        match member {
            Some(member) if !member.get_ref().as_array().is_some_and(|array| array.is_empty()) => {
                self.array_of_tables(member, key)
            }
            _ => {
                let message = format!("{} has no [[{key}]]; add at least one", parent.name);
                self.error(member.map_or(parent.span.clone(), Spanned::span), message);
                Vec::new()
            }
        }
    }

    pub(super) fn array_of_tables<'t>(
        &mut self,
        member: Member<'t, 'a>,
        key: &str,
    ) -> Vec<Table<'t, 'a>> {
        let Some(array) = member.get_ref().as_array() else {
            let found = member.get_ref().type_str();
            self.error(member.span(), format!("{key} must be an array of tables, not {found}"));
            return Vec::new();
        };
        let mut tables = Vec::with_capacity(array.len());
        for (i, item) in array.iter().enumerate() {
            match item.get_ref().as_table() {
                Some(table) => {
                    let name = ["name", "path", "label"]
                        .iter()
                        .find_map(|id| table.get(*id)?.get_ref().as_str())
                        .map_or(format!("{key} {}", i + 1), |name| format!("{key} {name:?}"));
                    tables.push(Table { table, span: item.span(), name });
                }
                None => self.error(item.span(), format!("{key} must be an array of tables")),
            }
        }
        tables
    }

    pub(super) fn required<'t>(
        &mut self,
        table: &Table<'t, 'a>,
        key: &str,
    ) -> Option<Member<'t, 'a>> {
        let member = table.table.get(key);
        if member.is_none() {
            self.error(table.span.clone(), format!("{} has no {key}; add it", table.name));
        }
        member
    }

    pub(super) fn wrong_type(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        member: Member<'_, 'a>,
        expected: &str,
    ) {
        let found = member.get_ref().type_str();
        self.error(member.span(), format!("{}: {key} must be {expected}, not {found}", table.name));
    }

    pub(super) fn string(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<String> {
        self.required(table, key)?;
        self.optional_string(table, key)
    }

    pub(super) fn optional_string(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<String> {
        self.typed(table, key, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn boolean(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<bool> {
        self.typed(table, key, "true or false", DeValue::as_bool)
    }

    /// A member that may be left out, but must be of a type if it is there.
    pub(super) fn typed<T>(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        expected: &str,
        read: impl Fn(&DeValue<'a>) -> Option<T>,
    ) -> Option<T> {
        let member = table.table.get(key)?;
        let value = read(member.get_ref());
        if value.is_none() {
            self.wrong_type(table, key, member, expected);
        }
        value
    }

    pub(super) fn checked_string(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        check: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Option<String> {
        let text = self.string(table, key)?;
        match check(&text) {
            Ok(()) => Some(text),
            Err(message) => {
                self.refuse(table, key, format_args!("{key} {text:?} {message}"));
                None
            }
        }
    }

    pub(super) fn integer(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        minimum: i64,
        maximum: i64,
    ) -> Option<i64> {
        self.required(table, key)?;
        self.optional_integer(table, key, minimum, maximum)
    }

    pub(super) fn optional_integer(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        minimum: i64,
        maximum: i64,
    ) -> Option<i64> {
        let member = table.table.get(key)?;
        let Some(integer) = member.get_ref().as_integer() else {
            self.wrong_type(table, key, member, "an integer");
            return None;
        };
        let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let value = value.filter(|value| (minimum..=maximum).contains(value));
        if value.is_none() {
            let text = integer.as_str();
            let message = format_args!("{key} must be from {minimum} to {maximum}, not {text}");
            self.refuse(table, key, message);
        }
        value
    }

    pub(super) fn float(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<f64> {
        let member = table.table.get(key)?;
        let value: Option<f64> = match member.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) => {
                json_number(member.get_ref()).and_then(|text| text.parse().ok())
            }
            _ => {
                self.wrong_type(table, key, member, "a number");
                return None;
            }
        };
        let value = value.filter(|value| value.is_finite());
        if value.is_none() {
            self.refuse(table, key, format_args!("{key} must be a finite number"));
        }
        // Adding zero turns -0 into 0.
        value.map(|value| value + 0.0)
    }

    /// A text that may be left out, and is checked where it is there.
    pub(super) fn checked_optional(
        &mut self,
        table: &Table<'_, 'a>,
        key: &str,
        check: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Option<String> {
        table.table.get(key)?;
        self.checked_string(table, key, check)
    }

    /// An array of distinct strings, or `None` where it is not there or is wrong.
    pub(super) fn strings(&mut self, table: &Table<'_, 'a>, key: &str) -> Option<Vec<String>> {
        let member = table.table.get(key)?;
        let Some(array) = member.get_ref().as_array() else {
            self.wrong_type(table, key, member, "an array of strings");
            return None;
        };
        let mut strings: Vec<String> = Vec::with_capacity(array.len());
        let mut known = BTreeSet::new();
        for item in array {
            match item.get_ref().as_str() {
                None => self.wrong_type(table, key, item, "strings"),
                Some(text) if !known.insert(text) => {
                    let message = format!("{}: {key} has {text:?} twice", table.name);
                    self.error(item.span(), message);
                }
                Some(text) => strings.push(text.to_owned()),
            }
        }
        (strings.len() == array.len()).then_some(strings)
    }
}

impl Table<'_, '_> {
    /// Where a member stands, or else the table.
    pub(super) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or(self.span.clone(), Spanned::span)
    }
}

/// The JSON text of a TOML number, or `None` where it has none (`inf`, `nan`, beyond 64 bits).
pub(super) fn json_number(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(integer) => {
            let value = i64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            Some(value.to_string())
        }
        DeValue::Float(float) => {
            let value: f64 = float.as_str().parse().ok()?;
            value.is_finite().then(|| value.to_string())
        }
        _ => None,
    }
}
