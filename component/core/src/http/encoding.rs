//! Compression of bodies: `Content-Encoding`.

use std::borrow::Cow;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::bufread;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::http::accept;
use crate::http::excerpt::shorten;
use crate::http::problem::Problem;
use crate::http::{Header, MAX_BODY_BYTES, Request, Response};

/// Shorter bodies are sent as they are: they would hardly be shorter.
const MIN_COMPRESSED_BYTES: usize = 1024;

/// Members that a gzip file may have. Each costs the decoder some microseconds, even where it is empty
/// and has but 20 bytes.
const MAX_MEMBERS: usize = 1000;

/// The body of a request, decompressed.
///
/// # Errors
/// If it is not what its header says, or longer than a body may be.
pub(crate) fn decode<'a>(request: &Request<'a>) -> Result<Cow<'a, [u8]>, Problem> {
    let body = request.body;
    let Some(content_encoding) = request.headers.content_encoding else { return Ok(body.into()) };
    let decompress = match content_encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(body.into()),
        "gzip" | "x-gzip" => gunzip,
        "deflate" => inflate,
        _ => {
            let content_encoding = shorten(content_encoding).into_owned();
            return Err(Problem::UnsupportedEncoding { content_encoding });
        }
    };
    let mut decoded = Vec::new();
    let is_whole = decompress(body, &mut decoded).map_err(|_| Problem::MalformedBody {
        detail: format!("the body is not what its content encoding {content_encoding:?} says"),
    })?;
    if !is_whole {
        let detail = format!("the body has more than {MAX_MEMBERS} gzip members; send it as one");
        return Err(Problem::MalformedBody { detail });
    }
    if decoded.len() > MAX_BODY_BYTES {
        return Err(Problem::BodyTooLarge { max_body_bytes: MAX_BODY_BYTES });
    }
    Ok(decoded.into())
}

/// Appends what the members of a gzip file have, until a body may have no more; `false` where there
/// are too many.
fn gunzip(mut rest: &[u8], decoded: &mut Vec<u8>) -> io::Result<bool> {
    for _ in 0..MAX_MEMBERS {
        let mut member = bufread::GzDecoder::new(rest);
        read(&mut member, decoded)?;
        rest = member.into_inner();
        if rest.is_empty() || decoded.len() > MAX_BODY_BYTES {
            return Ok(true);
        }
    }
    Ok(false)
}

fn inflate(body: &[u8], decoded: &mut Vec<u8>) -> io::Result<bool> {
    read(&mut bufread::ZlibDecoder::new(body), decoded).map(|()| true)
}

/// Appends what a decoder gives, until there is a byte more than a body may have.
fn read(decoder: &mut impl Read, decoded: &mut Vec<u8>) -> io::Result<()> {
    let left = (MAX_BODY_BYTES + 1).saturating_sub(decoded.len());
    decoder.take(left as u64).read_to_end(decoded).map(drop)
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
