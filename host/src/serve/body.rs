//! The body of a request, read as far as there is room for it.

use std::time::Duration;

use bytes::Buf;
use foretold_core::http::problem::Problem;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::guest::room::{Room, Taken};
use crate::serve::bounds::Bound;
use crate::serve::budget::SMALL_BYTES;
use crate::serve::refusal::Refusal;

/// A body, and the room that it takes until it is dropped.
pub(crate) struct RequestBody {
    pub(crate) bytes: Vec<u8>,
    _taken: Taken,
}

/// What a body may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    pub(crate) max_bytes: usize,
    pub(crate) timeout: Duration,
}

/// The whole body, if it is not too long, comes in time and has room.
///
/// It takes room as it comes, not as it is announced: else whoever announced much and sent little
/// would keep others out.
pub(crate) async fn read(
    body: Incoming,
    limits: BodyLimits,
    room: &Room,
) -> Result<RequestBody, Refusal> {
    let max_body_bytes = limits.max_bytes;
    if body.size_hint().lower() > max_body_bytes as u64 {
        return Err(Refusal::new(Problem::BodyTooLarge { max_body_bytes }).at(Bound::BodyBytes));
    }
    match tokio::time::timeout(limits.timeout, collect(body, max_body_bytes, room)).await {
        Ok(collected) => collected,
        Err(_) => {
            let timeout_ms = Some(limits.timeout.as_millis() as u64);
            Err(Refusal::new(Problem::BodyIncomplete { timeout_ms }).at(Bound::BodyTime))
        }
    }
}

async fn collect(
    mut body: Incoming,
    max_body_bytes: usize,
    room: &Room,
) -> Result<RequestBody, Refusal> {
    // No more than this, where the length is known; hyper says no more than was announced.
    let announced = body.size_hint().exact().map_or(max_body_bytes, |length| length as usize);
    let (mut bytes, mut taken) = (Vec::new(), room.none());
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Refusal::new(Problem::BodyIncomplete { timeout_ms: None }))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.remaining();
        if length > max_body_bytes {
            return Err(Refusal::new(Problem::BodyTooLarge { max_body_bytes }).at(Bound::BodyBytes));
        }
        if length > bytes.capacity() {
            let capacity = (2 * bytes.capacity()).min(announced).max(length);
            if capacity > SMALL_BYTES && !taken.reach(capacity).await {
                return Err(
                    Refusal::busy("bodies take all the memory that they may").at(Bound::BodyMemory)
                );
            }
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(RequestBody { bytes, _taken: taken })
}
