//! An application for Spin, as its `spin.toml` describes it.
//!
//! Read is what a Foretold component needs: routes, files, variables, and whether the store may be
//! opened. What would change an answer and cannot be done here is refused; all else is left alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

use crate::guest::contract::LABEL;
use crate::serve::route::Route;

/// The prefix of environment variables that set the application's, as in Spin.
const ENVIRONMENT: &str = "SPIN_VARIABLE_";

/// One component of an application, at its route.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AppComponent {
    /// Where it is mounted.
    pub route: Route,
    /// Its name in the manifest.
    pub id: String,
    /// The file.
    pub source: PathBuf,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// Whether the manifest lets it open the store `default`.
    pub may_open_store: bool,
}

#[derive(Deserialize)]
struct Manifest {
    spin_manifest_version: u32,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    trigger: BTreeMap<String, Vec<Trigger>>,
    component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
struct Variable {
    default: Option<String>,
}

#[derive(Deserialize)]
struct Trigger {
    route: Text,
    component: Text,
}

#[derive(Deserialize)]
struct Component {
    source: Text,
    #[serde(default)]
    key_value_stores: Vec<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

/// A text, or one of the other forms that Spin knows.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Plain(String),
    Other(serde::de::IgnoredAny),
}

impl Text {
    fn plain(&self, what: impl FnOnce() -> String) -> Result<&str> {
        match self {
            Text::Plain(text) => Ok(text),
            Text::Other(_) => bail!("{} is not a plain text, which alone is supported", what()),
        }
    }
}

/// Reads an application.
///
/// # Errors
/// If the file is no such manifest, a component or variable is missing, or something is asked for
/// that only Spin can do.
pub(crate) fn read(path: &Path) -> Result<Vec<AppComponent>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the application {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let environment = |name: &str| std::env::var(name).ok();
    parse(&text, folder, environment).with_context(|| path.display().to_string())
}

fn parse(
    text: &str,
    folder: &Path,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Vec<AppComponent>> {
    let manifest: Manifest = toml::from_str(text)?;
    let Manifest { spin_manifest_version, variables, trigger, component: components } = manifest;
    if spin_manifest_version != 2 {
        bail!("spin_manifest_version is {spin_manifest_version}; expected 2");
    }
    if let Some(other) = trigger.keys().find(|kind| *kind != "http") {
        bail!("[[trigger.{other}]] is not supported; expected [[trigger.http]] only");
    }
    let value = |name: &str| {
        let variable = variables.get(name).ok_or_else(|| {
            let known: Vec<&str> = variables.keys().map(String::as_str).collect();
            anyhow!("there is no variable {name}; [variables] has {}", known.join(", "))
        })?;
        let set = [ENVIRONMENT, &name.to_ascii_uppercase()].concat();
        environment(&set).or_else(|| variable.default.clone()).with_context(|| {
            format!("the variable {name} has no default; set {set} in the environment")
        })
    };
    let mut mounted: Vec<AppComponent> = Vec::new();
    for trigger in trigger.into_values().flatten() {
        let id = trigger.component.plain(|| "the component of a trigger".to_owned())?;
        let route = trigger.route.plain(|| format!("the route of the component {id}"))?;
        let route = Route::parse(route).map_err(anyhow::Error::msg)?;
        if let Some(other) = mounted.iter().find(|other| other.route == route) {
            bail!("the components {} and {id} have the same route {route}", other.id);
        }
        let component = components
            .get(id)
            .with_context(|| format!("there is no [component.{id}], which a trigger names"))?;
        let source = component.source.plain(|| format!("the source of the component {id}"))?;
        let expand = |(name, template): (&String, &String)| {
            let text = expand(template, value);
            let text =
                text.with_context(|| format!("the variable {name} of the component {id}"))?;
            Ok((name.clone(), text))
        };
        let unknown = component.key_value_stores.iter().find(|label| *label != LABEL);
        if let Some(label) = unknown {
            bail!("the component {id} asks for the store {label:?}; there is only {LABEL:?}");
        }
        mounted.push(AppComponent {
            route,
            id: id.to_owned(),
            source: folder.join(source),
            variables: component.variables.iter().map(expand).collect::<Result<_>>()?,
            may_open_store: !component.key_value_stores.is_empty(),
        });
    }
    if mounted.is_empty() {
        bail!("there is no [[trigger.http]]; nothing would be served");
    }
    Ok(mounted)
}

/// A template with each `{{ name }}` replaced.
fn expand(template: &str, value: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, expression)) = rest.split_once("{{") {
        let (name, after) = expression
            .split_once("}}")
            .with_context(|| format!("{template:?} has {{{{ without }}}}"))?;
        text.push_str(before);
        text.push_str(&value(name.trim())?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const APPLICATION: &str = r#"
        spin_manifest_version = 2
        [application]
        name = "models"
        [variables]
        ttl_seconds = { default = "60" }
        secret = { required = true, secret = true }
        [[trigger.http]]
        route = "/credit/..."
        component = "credit"
        [component.credit]
        source = "dist/credit.wasm"
        key_value_stores = ["default"]
        variables = { ttl_seconds = "{{ ttl_seconds }}", both = "a{{secret}}b{{ ttl_seconds }}c" }
        [component.credit.build]
        command = "make spin"
    "#;

    fn set(name: &str) -> Option<String> {
        (name == "SPIN_VARIABLE_SECRET").then(|| "s".to_owned())
    }

    #[test]
    fn an_application_is_its_components_at_their_routes() {
        let components = parse(APPLICATION, Path::new("app"), set).unwrap();
        let expected = AppComponent {
            route: Route::parse("/credit/...").unwrap(),
            id: "credit".to_owned(),
            source: "app/dist/credit.wasm".into(),
            variables: [("ttl_seconds", "60"), ("both", "asb60c")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            may_open_store: true,
        };
        assert_eq!(components, [expected]);
    }

    #[test]
    fn the_environment_goes_before_defaults() {
        let set = |name: &str| Some(name.to_owned());
        let components = parse(APPLICATION, Path::new(""), set).unwrap();
        assert_eq!(components[0].variables["ttl_seconds"], "SPIN_VARIABLE_TTL_SECONDS");
    }

    #[test]
    fn what_cannot_be_served_as_under_spin_is_refused() {
        for (from, to, message) in [
            ("manifest_version = 2", "manifest_version = 1", "is 1; expected 2"),
            ("trigger.http", "trigger.redis", "[[trigger.redis]] is not supported"),
            ("\"/credit/...\"", "\"/:id\"", "\"/:id\" is not supported"),
            ("\"/credit/...\"", "{ private = true }", "the route of the component credit is not"),
            ("component = \"credit\"", "component = \"x\"", "no [component.x]"),
            (
                "\"dist/credit.wasm\"",
                "{ url = \"x\" }",
                "the source of the component credit is not",
            ),
            ("[\"default\"]", "[\"own\"]", "the store \"own\""),
            ("{{ ttl_seconds }}\", both", "{{ ttl }}\", both", "no variable ttl"),
            ("{{ ttl_seconds }}\", both", "{{ ttl_seconds\", both", "without }}"),
        ] {
            assert!(APPLICATION.contains(from), "{from}");
            let error = parse(&APPLICATION.replace(from, to), Path::new(""), set).unwrap_err();
            assert!(format!("{error:#}").contains(message), "{error:#}");
        }
        let error = parse(APPLICATION, Path::new(""), |_| None).unwrap_err();
        assert!(format!("{error:#}").contains("SPIN_VARIABLE_SECRET"), "{error:#}");
    }

    #[test]
    fn without_the_store_in_the_manifest_it_may_not_be_opened() {
        let text = APPLICATION.replace("key_value_stores = [\"default\"]", "");
        assert!(!parse(&text, Path::new(""), set).unwrap()[0].may_open_store);
    }
}
