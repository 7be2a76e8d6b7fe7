//! Compression of bodies: `Content-Encoding`.

mod inflate;

use std::borrow::Cow;
use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use self::inflate::{InflateError, MAX_BLOCKS, MAX_MEMBERS};
use crate::http::accept;
use crate::http::excerpt::shorten;
use crate::http::problem::Problem;
use crate::http::{Header, MAX_BODY_BYTES, Request, Response};

/// Shorter bodies are sent as they are: they would hardly be shorter.
const MIN_COMPRESSED_BYTES: usize = 1024;

/// The body of a request, decompressed.
///
/// # Errors
/// If it is not what its header says, or longer than a body may be.
pub(crate) fn decode<'a>(request: &Request<'a>) -> Result<Cow<'a, [u8]>, Problem> {
    let body = request.body;
    let Some(content_encoding) = request.headers.content_encoding else { return Ok(body.into()) };
    let decompress = match content_encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(body.into()),
        "gzip" | "x-gzip" => inflate::gzip,
        "deflate" => inflate::deflate,
        _ => {
            let content_encoding = shorten(content_encoding).into_owned();
            return Err(Problem::UnsupportedEncoding { content_encoding });
        }
    };
    let detail = match decompress(body) {
        Ok(decoded) => return Ok(decoded.into()),
        Err(InflateError::TooLong) => {
            return Err(Problem::BodyTooLarge { max_body_bytes: MAX_BODY_BYTES });
        }
        Err(InflateError::Malformed) => {
            format!("the body is not what its content encoding {content_encoding:?} says")
        }
        Err(InflateError::TooManyMembers) => {
            format!("the body has more than {MAX_MEMBERS} gzip members; send it as one")
        }
        Err(InflateError::TooManyBlocks) => format!(
            "the body has more than {MAX_BLOCKS} compressed blocks; flush the compressor less often"
        ),
    };
    Err(Problem::MalformedBody { detail })
}

/// Bytes that were compressed when the component was built.
pub(crate) fn decompress(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut decoded).expect("it was compressed by us");
    decoded
}

/// Compresses the body of a response where the client takes that and it is worth it.
pub(crate) fn encode(request: &Request<'_>, response: &mut Response) {
    if response.body.len() < MIN_COMPRESSED_BYTES
        || response.headers.iter().any(|header| header.name == "content-encoding")
    {
        return;
    }
    response.vary("accept-encoding");
    if !accept::takes_gzip(request.headers.accept_encoding) {
        return;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(&response.body).expect("memory takes all");
    response.body = encoder.finish().expect("memory takes all");
    response.headers.push(Header::new("content-encoding", "gzip"));
    for header in &mut response.headers {
        // Other bytes have another tag.
        if header.name == "etag" {
            header.value = format!("\"{}-gzip\"", header.value.trim_matches('"')).into();
        }
    }
}
