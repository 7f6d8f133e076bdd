//! What is kept of a key.

use crate::process::state::{Expiry, KeyState};
use crate::timer::{KeyTimers, Ticks, TimeDomain, Wheel};

/// The state of a key, and its timers.
pub(in crate::process) struct Kept<S> {
    pub(in crate::process) state: S,
    pub(super) timers: KeyTimers,
}

impl<S> Kept<S> {
    pub(super) fn of(state: S) -> Self {
        Kept {
            state,
            timers: KeyTimers::default(),
        }
    }

    /// Reads what a call touches, to have it near.
    #[inline]
    pub(super) fn read(&self) -> u64 {
        self.timers.read()
    }
}

impl<S: KeyState> Kept<S> {
    /// Sees that the key has its next turn in the wheels. Says whether nothing is left of it.
    #[inline]
    pub(super) fn settle(&mut self, owner: u32, ticks: Ticks, wheels: &mut [Wheel; 2]) -> bool {
        let Kept { state, timers } = self;
        let is_empty = state.is_empty();
        let next = match is_empty {
            true => Expiry::default(),
            false => state.next_expiry(),
        };
        for (domain, expiry) in TimeDomain::BOTH
            .into_iter()
            .zip([next.event_time, next.processing_time])
        {
            let expiry = expiry.map(|time| ticks.from(time));
            let first = timers.first(domain).into_iter().chain(expiry).min();
            timers.hang(domain, &mut wheels[domain as usize], owner, first);
        }
        is_empty && timers.is_empty()
    }
}
