//! The generic component, without a model, that this command carries inside itself.

/// `None` in a build of `foretold` that was made before the component.
static EDGE: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/edge_component.rs"));

/// The generic component.
///
/// # Errors
/// If this build carries none; the message says how to make one that does.
pub fn edge() -> anyhow::Result<&'static [u8]> {
    EDGE.ok_or_else(|| {
        anyhow::anyhow!(
            "this build of foretold carries no component; run `make build`, \
             which builds the component first"
        )
    })
}
