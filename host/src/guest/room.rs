//! Bytes that may be taken at once, counted as they are taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a request waits for room, or for a slot, before it is refused.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);
/// What a permit stands for: with single bytes they would soon be too many to count.
const UNIT_BYTES: usize = 1 << 10;

/// Room for so many bytes. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    units: Arc<Semaphore>,
    was_used: Arc<AtomicBool>,
}

/// Bytes that were taken; they are given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    room: Room,
    permit: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Room for so many bytes.
    pub(crate) fn new(bytes: u64) -> Room {
        let units = usize::try_from(bytes).unwrap_or(usize::MAX) / UNIT_BYTES;
        Room {
            units: Arc::new(Semaphore::new(units.min(Semaphore::MAX_PERMITS))),
            was_used: Arc::default(),
        }
    }

    /// What is left of it.
    pub(crate) fn free_bytes(&self) -> usize {
        self.units.available_permits().saturating_mul(UNIT_BYTES)
    }

    /// Whether something was taken since this was asked last.
    pub(crate) fn was_used(&self) -> bool {
        self.was_used.swap(false, Ordering::Relaxed)
    }

    /// Nothing is taken yet.
    pub(crate) fn none(&self) -> Taken {
        Taken { room: self.clone(), permit: None }
    }
}

impl Taken {
    /// What was taken, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * UNIT_BYTES
    }

    /// Takes more, up to so many bytes in all, if there is room at once.
    pub(crate) fn try_reach(&mut self, bytes: usize) -> bool {
        let Some(units) = self.missing(bytes) else { return false };
        if units == 0 {
            return true;
        }
        let permit = self.room.units.clone().try_acquire_many_owned(units);
        permit.map(|permit| self.add(permit)).is_ok()
    }

    /// The same, waiting for a moment.
    pub(crate) async fn reach(&mut self, bytes: usize) -> bool {
        let Some(units) = self.missing(bytes) else { return false };
        if units == 0 {
            return true;
        }
        let permit = self.room.units.clone().acquire_many_owned(units);
        match tokio::time::timeout(PATIENCE, permit).await {
            Ok(Ok(permit)) => {
                self.add(permit);
                true
            }
            // Nobody closes the semaphore.
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// `None` for more than can be counted.
    fn missing(&self, bytes: usize) -> Option<u32> {
        let missing = bytes.saturating_sub(self.bytes());
        u32::try_from(missing.div_ceil(UNIT_BYTES)).ok()
    }

    fn add(&mut self, permit: OwnedSemaphorePermit) {
        self.room.was_used.store(true, Ordering::Relaxed);
        match &mut self.permit {
            Some(taken) => taken.merge(permit),
            None => self.permit = Some(permit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_missing_until_it_is_given_back() {
        let room = Room::new(10 << 10);
        let mut first = room.none();
        assert!(first.try_reach(6 << 10) && first.try_reach(100));
        assert_eq!(first.bytes(), 6 << 10);
        assert!(room.was_used() && !room.was_used());
        let mut second = room.none();
        assert!(!second.try_reach(5 << 10));
        assert_eq!(second.bytes(), 0);
        assert!(second.try_reach(4 << 10));
        assert!(!first.try_reach((6 << 10) + 1));
        drop(second);
        assert!(first.try_reach(10 << 10));
        assert!(!first.try_reach(usize::MAX));
    }

    #[tokio::test]
    async fn who_waits_gets_what_is_given_back_or_gives_up() {
        let room = Room::new(4 << 10);
        let mut first = room.none();
        assert!(first.reach(4 << 10).await);
        let mut second = room.none();
        assert!(!second.reach(1).await);
        let waiting = tokio::spawn(async move { second.reach(1).await });
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
