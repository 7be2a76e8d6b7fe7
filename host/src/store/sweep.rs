//! How much a sweep does at a time that frees expired entries in the background.

use std::time::Duration;

/// Between two turns.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
const MAX_STEPS: usize = 20;
const GOOD_PART: usize = 10;

/// A turn: one step, or more as long as a good part of what they see has expired.
pub(super) struct Turn {
    steps_left: usize,
}

/// What a step found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Entries it looked at.
    pub(super) seen: usize,
    /// Those of them that had expired, and were freed.
    pub(super) expired: usize,
    /// Whether none follow.
    pub(super) is_last: bool,
}

impl Turn {
    pub(super) fn begin() -> Turn {
        Turn { steps_left: MAX_STEPS }
    }

    /// Whether another step is due.
    pub(super) fn goes_on(&self) -> bool {
        self.steps_left > 0
    }

    pub(super) fn note(&mut self, step: Step) {
        let pays = step.expired * GOOD_PART > step.seen;
        self.steps_left = if step.is_last || !pays { 0 } else { self.steps_left - 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_goes_on_while_it_pays_and_not_for_ever() {
        let step = |expired, is_last| Step { seen: 1000, expired, is_last };
        for (step, expected) in [
            (step(0, false), 1),
            (step(100, false), 1),
            (step(101, false), MAX_STEPS),
            (step(1000, true), 1),
            (Step { seen: 0, expired: 0, is_last: false }, 1),
        ] {
            let (mut turn, mut steps) = (Turn::begin(), 0);
            while turn.goes_on() {
                turn.note(step);
                steps += 1;
            }
            assert_eq!(steps, expected, "{step:?}");
        }
    }
}
