//! How the keys of a process, and their timers, are saved.

use millstream_engine::Result;
use millstream_engine::key::KeyHash;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::Timestamp;

use super::{Kept, Processing};
use crate::keyed::Key;
use crate::process::Process;
use crate::process::state::KeyState;
use crate::timer::TimeDomain;

/// The piece of saved state that says how far event time had come.
const WATERMARK: &str = "watermark";

/// A key as it is saved, with the times of its timers.
type Saved<K, S> = (K, S, Vec<Timestamp>, Vec<Timestamp>);

impl<K: Key, T: Send + 'static, P: Process<K, T>> Processing<K, T, P> {
    pub(super) fn save(&self, state: &mut StateWriter) -> Result<()> {
        state.put_piece(WATERMARK, &self.watermark)?;
        for (_, entry) in self.keys.iter() {
            let Kept {
                state: kept,
                timers,
            } = &entry.state;
            let set = TimeDomain::BOTH.map(|domain| {
                let ticks = timers.iter(domain);
                ticks.map(|tick| self.ticks.time(tick)).collect::<Vec<_>>()
            });
            state.put(entry.hash, &(&entry.key, kept, &set[0], &set[1]))?;
        }
        let none: [Timestamp; 0] = [];
        for entry in self.ending.leaving() {
            let (key, kept) = (&entry.key, &entry.state.state);
            state.put(entry.hash, &(key, kept, &none[..], &none[..]))?;
        }
        Ok(())
    }

    pub(super) fn take_over(&mut self, state: &StateReader) -> Result<()> {
        self.watermark = state.least_piece::<Option<Timestamp>>()?.flatten();
        let fresh = self.process.state();
        for value in state.values::<Saved<K, P::State>>() {
            let (key, mut state, of_event, of_processing) = value?;
            state.adopt(&fresh);
            let mut kept = Kept::of(state);
            for (domain, times) in TimeDomain::BOTH.into_iter().zip([of_event, of_processing]) {
                for time in times {
                    kept.timers.set(domain, self.ticks.from(time));
                }
            }
            let (owner, _) = self.keys.slot_of(KeyHash::of(&key), key, || kept);
            self.settle(owner);
        }
        Ok(())
    }
}
