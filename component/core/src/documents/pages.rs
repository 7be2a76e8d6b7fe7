//! The pages for people: the landing page and the interactive documentation, with the files they
//! need. They are the same for every model: what they show they read from `openapi.json`.

use std::sync::OnceLock;

use crate::http::etag;

/// A page or a file of one.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    /// Name below `/docs/`.
    name: &'static str,
    /// What it is, without parameters.
    pub(crate) media_type: &'static str,
    /// The value of `Content-Type`.
    pub(crate) content_type: &'static str,
    /// The bytes, compressed with gzip where `is_compressed`.
    pub(crate) bytes: &'static [u8],
    /// Whether the bytes are.
    pub(crate) is_compressed: bool,
    /// The tag of `bytes`, made once.
    tag: OnceLock<String>,
}

impl Page {
    /// The tag of the page as it is sent: a compressed one that is sent plain has another.
    pub(crate) fn tag(&self, is_sent_plain: bool) -> String {
        let tag = self.tag.get_or_init(|| etag::of(self.bytes));
        match self.is_compressed && is_sent_plain {
            true => format!("\"{}-plain\"", tag.trim_matches('"')),
            false => tag.clone(),
        }
    }
}

/// What the pages may do: load their own files, and ask the service that they are from.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

const HTML: [&str; 2] = ["text/html", "text/html; charset=utf-8"];
const TEXT: [&str; 2] = ["text/plain", "text/plain; charset=utf-8"];
const CSS: [&str; 2] = ["text/css", "text/css; charset=utf-8"];
const JS: [&str; 2] = ["text/javascript", "text/javascript; charset=utf-8"];

const fn page(
    name: &'static str,
    [media_type, content_type]: [&'static str; 2],
    bytes: &'static [u8],
    is_compressed: bool,
) -> Page {
    Page { name, media_type, content_type, bytes, is_compressed, tag: OnceLock::new() }
}

/// The landing page.
pub(crate) static LANDING: Page =
    page("index.html", HTML, include_bytes!("../../pages/index.html"), false);
/// The interactive documentation.
pub(crate) static DOCS: Page =
    page("docs.html", HTML, include_bytes!("../../pages/docs.html"), false);

/// The files that the two need. Those of Swagger UI are from its npm package (`pages/vendor.mjs`).
static FILES: [Page; 7] = [
    page("style.css", CSS, include_bytes!("../../pages/style.css"), false),
    page("index.js", JS, include_bytes!("../../pages/index.js"), false),
    page("docs.css", CSS, include_bytes!("../../pages/docs.css"), false),
    page("docs.js", JS, include_bytes!("../../pages/docs.js"), false),
    page(
        "swagger-ui-bundle.js",
        JS,
        include_bytes!("../../pages/vendored/swagger-ui-bundle.js.gz"),
        true,
    ),
    page("licences.txt", TEXT, include_bytes!("../../pages/vendored/licences.txt"), false),
    page("swagger-ui.css", CSS, include_bytes!("../../pages/vendored/swagger-ui.css.gz"), true),
];

/// The file with a name, if there is one.
pub(crate) fn file(name: &str) -> Option<&'static Page> {
    FILES.iter().find(|page| page.name == name)
}
