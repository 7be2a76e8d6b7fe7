//! All kinds of problems, once: [`Problem`](crate::http::problem::Problem) takes its status and
//! names from here, and the OpenAPI document and docs/problems.md list what is here.
//!
//! For a new kind add a line here and a variant to `Problem`; the compiler names the rest, and a
//! test asks for its section in docs/problems.md.

/// A kind of problem, under one status.
#[derive(Debug)]
pub struct Kind {
    /// The status code.
    pub status: u16,
    /// The stable name in the `type` member.
    pub slug: &'static str,
    /// The member `title`.
    pub title: &'static str,
    /// When it happens, as a sentence.
    pub when: &'static str,
}

/// A status code, and the kinds of problems that are answered with it.
#[derive(Debug)]
pub struct Status {
    /// The status code.
    pub code: u16,
    /// The name of its response in the OpenAPI document, which has one for each status.
    pub(crate) name: &'static str,
    /// When it is answered, as a sentence.
    pub(crate) when: &'static str,
    /// Its kinds.
    pub kinds: &'static [&'static Kind],
}

macro_rules! statuses {
    ($($code:literal $name:literal $about:literal {
        $($kind:ident $slug:literal $title:literal $when:literal)+
    })+) => {
        $($(pub(super) static $kind: Kind =
            Kind { status: $code, slug: $slug, title: $title, when: $when };)+)+

        /// All of them, in the order of the OpenAPI document.
        pub static STATUSES: &[Status] =
            &[$(Status { code: $code, name: $name, when: $about, kinds: &[$(&$kind),+] }),+];
    };
}

statuses! {
    400 "Malformed" "The body is not JSON, or not what its headers say." {
        MALFORMED_JSON "malformed-json" "Malformed JSON" "The body is not JSON."
        MALFORMED_BODY "malformed-body" "Malformed body" "The body is not what its headers say."
        BODY_BROKEN_OFF "body-incomplete" "Incomplete body"
            "The connection broke off before the body was complete."
    }
    405 "MethodNotAllowed" "The method is not known here; the header Allow names those that are." {
        METHOD_NOT_ALLOWED "method-not-allowed" "Method not allowed"
            "The path does not take this method."
    }
    406 "NotAcceptable" "The header Accept excludes what there is." {
        NOT_ACCEPTABLE "not-acceptable" "Not acceptable"
            "The header `Accept` excludes what there is."
    }
    408 "BodyTimeout" "The body did not come in time." {
        BODY_TIMED_OUT "body-incomplete" "Incomplete body" "The body did not come in time."
    }
    413 "BodyTooLarge" "The body is too long." {
        BODY_TOO_LARGE "body-too-large" "Body too large" "The body is too long."
    }
    415 "UnsupportedMediaType" "The content type or encoding is not known." {
        UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "Unsupported media type"
            "The content type or encoding is not known."
    }
    422 "Invalid" "Members are missing, unknown or not among the allowed values; errors has each." {
        INVALID_REQUEST "invalid-request" "Invalid request"
            "Fields or parameters are missing, unknown or not among the allowed values."
    }
    500 "Failed" "The model or the component broke down on this request; the log has the reason." {
        MODEL_FAILED "model-failed" "The model could not be run"
            "The model could not be run on this request, or gave no number."
        COMPONENT_FAILED "component-failed" "The component broke down"
            "The component broke down on this request."
    }
    503 "Overloaded" "Too many requests are under way; try again in a moment." {
        OVERLOADED "overloaded" "Too many requests at once"
            "Too many requests are under way, or their bodies, answers or instances take all the memory that they may."
    }
    504 "NotCachedOrTimedOut"
        "There is no cached answer and only that was asked for, or the answer took too long." {
        NOT_CACHED "not-cached" "Not in the cache"
            "There is no cached answer, and only that was asked for."
        TIMED_OUT "timed-out" "The answer took too long" "The answer took too long."
    }
    404 "NotFound" "There is no such path." {
        NOT_FOUND "not-found" "No such endpoint" "There is no such path."
    }
}

/// All kinds by status, as a table in Markdown with a link to the section of each.
pub fn markdown() -> String {
    let mut kinds: Vec<&Kind> = STATUSES.iter().flat_map(|status| status.kinds).copied().collect();
    kinds.sort_by_key(|kind| kind.status);
    let row = |Kind { status, slug, when, .. }: &Kind| {
        format!("| {status} | [`{slug}`](#{slug}) | {when} |\n")
    };
    let rows: String = kinds.into_iter().map(row).collect();
    format!("| status | problem | when |\n|---|---|---|\n{rows}")
}
