//! Time that is comparable between processes, and never steps back within one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A reading of some clock since 1970, carried on by the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct SteadyClock {
    start: Duration,
    started: Instant,
}

impl SteadyClock {
    /// Goes on from the wall clock as it is now.
    pub(super) fn from_wall_clock() -> SteadyClock {
        // Before 1970 it is as wrong as any other clock: entries then expire early or late once.
        SteadyClock::new(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Goes on from a reading of now.
    pub(super) fn new(now: Duration) -> SteadyClock {
        SteadyClock { start: now, started: Instant::now() }
    }

    /// Since 1970.
    pub(super) fn now(&self) -> Duration {
        self.start.saturating_add(self.started.elapsed())
    }
}

/// An expiry as it stands before a value: whole seconds since 1970, 4 bytes, little endian.
///
/// It is rounded down, so that an entry goes up to a second early and never late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Expiry(u32);

impl Expiry {
    pub(super) const BYTES: usize = 4;

    pub(super) fn after(now: Duration, time_to_live: Duration) -> Expiry {
        // Beyond the year 2106 it is the last second of it.
        Expiry(u32::try_from(now.saturating_add(time_to_live).as_secs()).unwrap_or(u32::MAX))
    }

    /// Parts a stored value into expiry and entry, unless it is too short to be ours.
    pub(super) fn split(stored: &[u8]) -> Option<(Expiry, &[u8])> {
        let (expiry, value) = stored.split_first_chunk::<{ Expiry::BYTES }>()?;
        Some((Expiry(u32::from_le_bytes(*expiry)), value))
    }

    /// The entry in a stored value, unless it has expired; an empty one where something else wrote
    /// the value.
    pub(super) fn read(stored: &[u8], now: Duration) -> Option<&[u8]> {
        match Expiry::split(stored) {
            Some((expiry, _)) if expiry.is_past(now) => None,
            Some((_, value)) => Some(value),
            None => Some(&[]),
        }
    }

    pub(super) fn join(self, value: &[u8]) -> Vec<u8> {
        [&self.0.to_le_bytes(), value].concat()
    }

    pub(super) fn time_left(self, now: Duration) -> Option<Duration> {
        Duration::from_secs(self.0.into()).checked_sub(now).filter(|left| !left.is_zero())
    }

    fn is_past(self, now: Duration) -> bool {
        self.time_left(now).is_none()
    }

    /// Whether a sweep may free a stored value: it has expired, or something else wrote it.
    pub(super) fn is_over(stored: &[u8], now: Duration) -> bool {
        Expiry::split(stored).is_none_or(|(expiry, _)| expiry.is_past(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_value_is_read_until_it_expires() {
        let at = Duration::from_secs;
        let stored = Expiry::after(at(100), at(10)).join(b"entry");
        for (now, expected) in [(100, Some(&b"entry"[..])), (109, Some(b"entry")), (110, None)] {
            assert_eq!(Expiry::read(&stored, at(now)), expected, "{now}");
            assert_eq!(Expiry::is_over(&stored, at(now)), expected.is_none(), "{now}");
        }
        // A clock that is out of its mind does not end the process.
        let last = Expiry::after(Duration::MAX, at(1));
        assert_eq!(last.time_left(at(u32::MAX.into())), None);
        SteadyClock::new(Duration::MAX).now();
        // Something else wrote these: they are no entries, and may go.
        for stored in [&b""[..], b"abc"] {
            assert_eq!(Expiry::read(stored, at(0)), Some(&b""[..]));
            assert!(Expiry::is_over(stored, at(0)));
        }
    }
}
