//! The kinds of components: what each is for, how to tell them apart, and the generic ones, without
//! a model, that this command carries inside itself.

use anyhow::{Result, bail};
use clap::ValueEnum;
use wasmtime::component::Component;

/// The interfaces of this version; `wit/component.wit` has them.
const PACKAGE: &str = "foretold:component/";
const VERSION: &str = "@0.1.0";

/// `None` in a build of `foretold` that was made before the components.
static EDGE: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/edge_component.rs"));
static SPIN: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/spin_component.rs"));
static LIBRARY: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/library_component.rs"));

/// Where a component runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// `foretold serve`, `wasmtime serve`, wasmCloud
    #[default]
    Edge,
    /// Spin, SpinKube and Fermyon-style platforms; `foretold serve` too
    Spin,
    /// Programs that are not servers, in Rust, Python or JavaScript
    Library,
}

impl Target {
    /// The name that `foretold bake --target` takes.
    pub fn name(self) -> &'static str {
        match self {
            Target::Edge => "edge",
            Target::Spin => "spin",
            Target::Library => "library",
        }
    }

    /// The generic component.
    ///
    /// # Errors
    /// If this build carries none; the message says how to make one that does.
    pub fn generic(self) -> Result<&'static [u8]> {
        let bytes = match self {
            Target::Edge => EDGE,
            Target::Spin => SPIN,
            Target::Library => LIBRARY,
        };
        bytes.ok_or_else(|| {
            anyhow::anyhow!(
                "this build of foretold carries no component for the target {name}; run \
                 `make component COMPONENTS={name} build`, which builds it first",
                name = self.name()
            )
        })
    }

    /// What a component was made for, from its exports.
    ///
    /// # Errors
    /// If it is no Foretold component, or one for another version; the message says what to run.
    pub fn of(component: &Component) -> Result<Target> {
        let kind = component.component_type();
        let exports: Vec<&str> = kind.exports(component.engine()).map(|(name, _)| name).collect();
        let has = |interface: &str| {
            let name = [PACKAGE, interface, VERSION].concat();
            exports.contains(&name.as_str())
        };
        if has("handler") {
            return Ok(Target::Edge);
        }
        if has("predictor") {
            return Ok(Target::Library);
        }
        if has("about") {
            return Ok(Target::Spin);
        }
        let other = exports.iter().find_map(|name| name.strip_prefix(PACKAGE)?.split_once('@'));
        match other {
            Some((_, version)) => bail!(
                "this component was baked by another version of foretold: its interfaces have the \
                 version {version}, those of foretold {} have {}; run `foretold bake MODEL_DIR -o \
                 FILE.wasm` again, with this foretold",
                env!("CARGO_PKG_VERSION"),
                &VERSION[1..]
            ),
            None => bail!(
                "the file is not a Foretold component; run `foretold bake MODEL_DIR -o FILE.wasm` \
                 and use that file"
            ),
        }
    }
}
