//! What was read when the server did not answer in time: perhaps because it is very long.
//!
//! A server takes so long to give a value of hundreds of MiB that its reader does not see how long
//! it is. Each look-up would open the breaker again, and nobody would write over the value.

use std::sync::Mutex;

use redis::from_redis_value;
use tracing::warn;

use crate::store::redis::connection::bound::MAX_VALUE_BYTES;
use crate::store::redis::connection::dial::CONNECT_TIMEOUT;
use crate::store::redis::connection::session::Session;
use crate::store::redis::layout::place::Place;
use crate::store::redis::url::RedisUrl;

/// Places of the last look-up that came too late.
#[derive(Default)]
pub(crate) struct Suspects(Mutex<Vec<Place>>);

impl Suspects {
    /// Notes what was read in vain, to look at it when the server answers again.
    pub(crate) fn note(&self, places: Vec<Place>) {
        *self.0.lock().expect("nobody panics while holding it") = places;
    }

    /// Removes what is longer than an entry can be.
    pub(crate) async fn remove_too_long(&self, session: &Session, url: &RedisUrl) {
        let suspects = std::mem::take(&mut *self.0.lock().expect("nobody panics while holding it"));
        if suspects.is_empty() {
            return;
        }
        let mut lengths = redis::pipe();
        for Place { name, field } in &suspects {
            match field {
                Some(field) => lengths.cmd("HSTRLEN").arg(name).arg(field),
                None => lengths.cmd("STRLEN").arg(name),
            };
        }
        let Ok(lengths) = session.link.send(lengths, CONNECT_TIMEOUT).await else { return };
        let mut removal = redis::pipe();
        for (Place { name, field }, length) in suspects.iter().zip(lengths) {
            let length = length.and_then(|length| Ok(from_redis_value::<u64>(length)?));
            if length.is_ok_and(|length| length > MAX_VALUE_BYTES) {
                match field {
                    Some(field) => removal.cmd("HDEL").arg(name).arg(field),
                    None => removal.cmd("UNLINK").arg(name),
                };
            }
        }
        let count = removal.len();
        if count == 0 {
            return;
        }
        let removed = session.link.send(removal, CONNECT_TIMEOUT).await;
        if removed.is_ok_and(|replies| replies.iter().all(Result::is_ok)) {
            warn!("removed {count} values from {url} that are too long for entries");
        }
    }
}
