//! A value that was found, read as far as what is known of its model allows.

use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use foretold_core::cache::entry::{Entry, Header};
use foretold_core::cache::key::{self, Parsed};
use foretold_core::cache::python;
use foretold_core::model::answer::{self, Answer, Precision};
use foretold_core::model::manifest::Endpoint;
use foretold_core::settings::Secret;
use serde_json::{Map, Value, json};

use crate::clock::unix_seconds;
use crate::commands::cache::duration;
use crate::commands::cache::print_line;
use crate::commands::cache::shown;
use crate::commands::model::Model;

/// A value under a key.
pub(super) struct Found<'a> {
    key: &'a str,
    value: Bytes,
    /// Until the store frees it, if it said so.
    time_left: Option<Duration>,
    model: Option<&'a Model>,
    content: Content,
}

enum Content {
    Entry {
        has_mac: bool,
        entry: Entry,
    },
    /// What a Python service keeps: the text of an answer.
    Text(String),
    Unreadable(String),
}

/// What an endpoint makes of an entry.
struct EndpointAnswer<'a> {
    path: &'a str,
    body: String,
    /// Until the endpoint computes anew; 0 if it would already.
    seconds_left: Option<u32>,
}

impl<'a> Found<'a> {
    pub(super) fn new(
        key: &'a str,
        value: Bytes,
        time_left: Option<Duration>,
        model: Option<&'a Model>,
        mac: Option<&Secret>,
    ) -> Found<'a> {
        // Only the model that the key names can read the entry.
        let ours = key.starts_with(key::PREFIX);
        let model = model.filter(|model| !ours || key.contains(model.id()));
        let content = if ours {
            let said = model.map_or(key.into(), |model| model.said(key));
            entry(&said, &value, model, mac).unwrap_or_else(Content::Unreadable)
        } else {
            std::str::from_utf8(&value).map_or_else(
                |_| Content::Unreadable("it is neither an entry nor text".to_owned()),
                |text| Content::Text(text.to_owned()),
            )
        };
        Found { key, value, time_left, model, content }
    }

    /// Why the value cannot be read.
    pub(super) fn problem(&self) -> Option<String> {
        match &self.content {
            Content::Unreadable(reason) => {
                let bytes = self.value.len();
                Some(format!("the value of {bytes} bytes cannot be read: {reason}"))
            }
            _ => None,
        }
    }

    pub(super) fn json(&self) -> Result<Value> {
        let mut object = json!({
            "key": self.key,
            "bytes": self.value.len(),
            "kept_seconds": self.time_left.map(|left| left.as_secs()),
            "request": self.request().map(|request| serde_json::from_str::<Value>(&request)).transpose()?,
            "problem": self.problem(),
        });
        match &self.content {
            Content::Entry { has_mac, entry } => {
                object["protection"] = json!(protection(*has_mac));
                object["written_at"] = json!(entry.written_at);
                object["age_seconds"] = json!(entry.age_seconds(unix_seconds()));
                object["outputs"] = self.outputs(entry);
            }
            Content::Text(text) => object["text"] = json!(text),
            Content::Unreadable(_) => return Ok(object),
        }
        let answers = self.answers().into_iter().map(|answer| {
            let body: Value = serde_json::from_str(&answer.body)?;
            let EndpointAnswer { path, seconds_left, .. } = answer;
            Ok(json!({ "path": path, "answer": body, "seconds_left": seconds_left }))
        });
        object["answers"] = answers.collect::<Result<Vec<Value>>>()?.into();
        Ok(object)
    }

    pub(super) fn print(&self) -> Result<()> {
        print_line(format_args!("key      {}", shown(self.key)))?;
        if let Some(request) = self.request() {
            print_line(format_args!("request  {request}"))?;
        }
        match &self.content {
            Content::Entry { has_mac, entry } => {
                let age = duration::display(entry.age_seconds(unix_seconds()).into());
                let protection = protection(*has_mac);
                print_line(format_args!("age      {age}"))?;
                print_line(format_args!("form     its {protection} is right"))?;
                print_line(format_args!("outputs  {}", self.outputs(entry)))?;
            }
            Content::Text(text) => print_line(format_args!("text     {}", text.escape_debug()))?,
            Content::Unreadable(_) => {}
        }
        if let Some(left) = self.time_left {
            let left = duration::display(left.as_secs());
            print_line(format_args!("kept     for {left} more by the store"))?;
        }
        for EndpointAnswer { path, body, seconds_left } in self.answers() {
            let left = match seconds_left {
                None => String::new(),
                Some(0) => "  expired".to_owned(),
                Some(seconds) => format!("  for {} more", duration::display(seconds.into())),
            };
            print_line(format_args!("answer   {path}  {body}{left}"))?;
        }
        Ok(())
    }

    fn request(&self) -> Option<String> {
        self.model?.request(self.key)
    }

    /// By name where the model is known.
    fn outputs(&self, entry: &Entry) -> Value {
        let Some(model) = self.model else { return entry.outputs.iter().map(number).collect() };
        let outputs = model.manifest().outputs.iter().zip(&entry.outputs);
        outputs
            .map(|(output, value)| (output.name.clone(), number(value)))
            .collect::<Map<_, _>>()
            .into()
    }

    fn answers(&self) -> Vec<EndpointAnswer<'a>> {
        let Some(model) = self.model else { return vec![] };
        let manifest = model.manifest();
        let endpoints = manifest.endpoints.iter().enumerate();
        let answers = endpoints.filter_map(|(position, endpoint)| {
            let (answer, seconds_left) = match &self.content {
                Content::Entry { entry, .. } => {
                    let ttl_seconds =
                        model.settings.key_ttl_seconds(manifest, Some(position), self.key);
                    let now = unix_seconds();
                    let left = ttl_seconds.saturating_sub(entry.age_seconds(now));
                    let left = if entry.is_fresh(now, ttl_seconds) { left } else { 0 };
                    (Answer::new(endpoint, &entry.outputs, Precision::Single), Some(left))
                }
                Content::Text(text) if is_for(endpoint, self.key) => {
                    (python::answer(endpoint, text.as_bytes())?, None)
                }
                Content::Text(_) | Content::Unreadable(_) => return None,
            };
            let mut body = Vec::new();
            answer::write([(endpoint, answer)].into_iter(), &mut body);
            let body = String::from_utf8(body).ok()?;
            Some(EndpointAnswer { path: &endpoint.path, body, seconds_left })
        });
        answers.collect()
    }
}

/// The entry in a value, or why there is none.
fn entry(
    key: &str,
    value: &[u8],
    model: Option<&Model>,
    mac: Option<&Secret>,
) -> Result<Content, String> {
    let header = Header::read(key, value).ok_or("it is corrupt: not the form of an entry")?;
    if key.contains(":?") {
        return Err("the store keeps but a digest of its key, and the check is over the key; \
                    give the key itself, or the request with --source"
            .to_owned());
    }
    match (header.is_checked, mac) {
        (true, Some(_)) => {
            return Err("it has no MAC, so hosts with a MAC secret do not serve it".to_owned());
        }
        (false, None) => {
            return Err("its check is wrong: it is corrupt, or it has a MAC, which \
                        --mac-secret-file is needed to verify"
                .to_owned());
        }
        _ => {}
    }
    let outputs = model.map_or(header.outputs, |model| model.manifest().outputs.len());
    let entry = Entry::decode(key, value, outputs, mac);
    let entry = entry.ok_or_else(|| match mac {
        Some(_) => "its MAC is wrong: it is corrupt, or made with another secret".to_owned(),
        None => "it is corrupt: it has another number of outputs than the model".to_owned(),
    })?;
    Ok(Content::Entry { has_mac: mac.is_some(), entry })
}

fn protection(has_mac: bool) -> &'static str {
    if has_mac { "MAC" } else { "check" }
}

/// Whether a Python service's key is one of an endpoint.
fn is_for(endpoint: &Endpoint, key: &str) -> bool {
    let class = match key::parse(key) {
        Some(Parsed::Python { class }) => Some(class),
        Some(Parsed::Model { .. }) | None => None,
    };
    class.is_some() && class == endpoint.python_class.as_deref()
}

/// With the digits of a 32-bit float.
fn number(output: &f32) -> Value {
    let text = serde_json::to_string(output);
    text.ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null)
}
