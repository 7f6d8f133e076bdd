//! The saved form of windows.

use millstream_engine::Result;
use millstream_engine::key::KeyHash;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::Timestamp;

use super::GeneralWindows;
use super::moments::{Now, PulseId};
use super::slot::{Kept, Slot};
use crate::aggregate::Aggregate;
use crate::keyed::Key;

/// The piece of saved state that belongs to no key: how far time had come, and when the pulses are due.
type Moments = (Timestamp, Vec<(PulseId, Timestamp)>);

const MOMENTS: &str = "moments";

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> GeneralWindows<K, T, A> {
    pub(super) fn save(&self, state: &mut StateWriter) -> Result<()> {
        let moments: Moments = (self.now, self.pulses.dues());
        state.put_piece(MOMENTS, &moments)?;
        for (key, slot) in self.slots.iter() {
            state.put(slot.hash, &(key, &slot.kept))?;
        }
        Ok(())
    }

    pub(super) fn take_over(&mut self, state: &StateReader) -> Result<()> {
        let mut now: Option<Timestamp> = None;
        for piece in state.pieces::<Moments>() {
            let (_, (time, dues)) = piece?;
            now = Some(now.map_or(time, |now| now.min(time)));
            for (pulse, due) in dues {
                self.pulses.restore(pulse, due);
            }
        }
        self.now = now.unwrap_or(Timestamp::MIN);
        for value in state.values::<(K, Kept<A::State>)>() {
            let (key, kept) = value?;
            let (hash, late, unsaid) = (KeyHash::of(&key), kept.ended, kept.unsaid);
            let id = self.slots.insert(key, Slot::new(hash, kept));
            self.arm(id);
            if unsaid > 0
                && let Some(slot) = self.slots.get_mut(id)
            {
                // What was due when it was saved is due still; a pulse nobody waited for then, at once.
                let now = Now {
                    watermark: self.now,
                    processing_time: Timestamp::MIN,
                };
                self.pulses.wait(id, late, &mut slot.waits, now);
            }
        }
        Ok(())
    }
}
