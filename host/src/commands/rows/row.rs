//! A row of a file.

use std::sync::Arc;

/// A row of a file, and the request that it is.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    /// The line on which it begins, from 1.
    pub(crate) line: u64,
    /// All that the file has of it in the order of the file, the values as JSON.
    pub(crate) members: Vec<(Arc<str>, String)>,
    /// The JSON object of its features, or why there is none.
    pub(crate) request: Result<String, String>,
}

impl Row {
    /// The JSON of a member.
    pub(crate) fn member(&self, name: &str) -> Option<&str> {
        let found = self.members.iter().find(|(known, _)| &**known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A JSON object of members.
pub(crate) fn object<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut json = String::from("{");
    for (i, (name, value)) in members.into_iter().enumerate() {
        json.push_str(if i == 0 { "" } else { "," });
        json.push_str(&serde_json::Value::from(name).to_string());
        json.push(':');
        json.push_str(value);
    }
    json.push('}');
    json
}
