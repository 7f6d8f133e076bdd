//! The saved form of windows.

use millstream_engine::Result;
use millstream_engine::key::KeyHash;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::Timestamp;

use super::GeneralWindows;
use super::slot::{Kept, Slot};
use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::window::pulses::{Now, PulseId, Pulses};

/// The piece of saved state that belongs to no key: how far time had come, and when the pulses are due.
type Moments = (Timestamp, Vec<(PulseId, Timestamp)>);

const MOMENTS: &str = "moments";

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> GeneralWindows<K, T, A> {
    pub(super) fn save(&self, state: &mut StateWriter) -> Result<()> {
        self.save_moments(&Pulses::default(), state)?;
        for (hash, window) in self.windows() {
            state.put(hash, &window)?;
        }
        Ok(())
    }

    /// Saves how far time has come, and when the pulses are due: these windows' and `others`.
    pub(in crate::window) fn save_moments(
        &self,
        others: &Pulses,
        state: &mut StateWriter,
    ) -> Result<()> {
        let dues = self.pulses.dues().chain(others.dues()).collect();
        let moments: Moments = (self.now, dues);
        state.put_piece(MOMENTS, &moments)
    }

    /// What is saved of each window, under the hash of its key.
    pub(in crate::window) fn windows(
        &self,
    ) -> impl Iterator<Item = (KeyHash, (&K, &Kept<A::State>))> {
        let slots = self.slots.iter();
        slots.map(|(key, slot)| (slot.hash, (key, &slot.kept)))
    }

    pub(super) fn take_over(&mut self, state: &StateReader) -> Result<()> {
        self.restore_moments(&mut Pulses::default(), state)?;
        for value in state.values::<(K, Kept<A::State>)>() {
            let (key, kept) = value?;
            self.put_back(key, kept);
        }
        Ok(())
    }

    /// Takes over how far time had come, and when pulses are due: these windows' and `others`.
    pub(in crate::window) fn restore_moments(
        &mut self,
        others: &mut Pulses,
        state: &StateReader,
    ) -> Result<()> {
        let mut now: Option<Timestamp> = None;
        for piece in state.pieces::<Moments>() {
            let (_, (time, dues)) = piece?;
            now = Some(now.map_or(time, |now| now.min(time)));
            for (pulse, due) in dues {
                self.pulses.restore(pulse, due);
                others.restore(pulse, due);
            }
        }
        self.now = now.unwrap_or(Timestamp::MIN);
        self.is_restored = true;
        Ok(())
    }

    /// Takes over a window of a key.
    pub(in crate::window) fn put_back(&mut self, key: K, kept: Kept<A::State>) {
        let (hash, late, unsaid) = (KeyHash::of(&key), kept.ended, kept.unsaid);
        let id = self.slots.insert(key, Slot::new(hash, kept));
        self.arm(id);
        if unsaid > 0
            && let Some(slot) = self.slots.get_mut(id)
        {
            let now = Now::saved_at(self.now);
            self.pulses.wait(id, late, &mut slot.waits, now);
        }
    }
}
