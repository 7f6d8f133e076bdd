//! Windows whose state is made elsewhere, as long as they have not ended.

use millstream_engine::Result;
use millstream_engine::key::KeyHash;
use millstream_engine::outbox::Outbox;
use millstream_engine::runtime::Instant;

use super::GeneralWindows;
use super::slot::{Kept, Slot};
use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::window::{Timing, Window};

/// What a window has come to.
pub(in crate::window) struct HandedOver<S> {
    pub(in crate::window) window: Window,
    pub(in crate::window) state: S,
    /// Records of which nothing was said yet.
    pub(in crate::window) unsaid: u64,
    /// When the first of them arrived, if that is known.
    pub(in crate::window) arrival: Option<Instant>,
}

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> GeneralWindows<K, T, A> {
    /// Lets a window speak that has not ended. Of its state nothing is kept.
    pub(in crate::window) fn say_early(
        &mut self,
        hash: KeyHash,
        key: &K,
        handed: HandedOver<A::State>,
        out: &mut Outbox,
    ) -> Result<()> {
        let id = self.hand_over(hash, key, handed);
        self.say(id, Timing::Early, false, out)?;
        if let Some(slot) = self.slots.get_mut(id) {
            slot.kept.state = None;
        }
        Ok(())
    }

    /// Takes over a window; when it ends now, [`end_until`](Self::end_until) gives it its turn.
    pub(in crate::window) fn hand_over(
        &mut self,
        hash: KeyHash,
        key: &K,
        handed: HandedOver<A::State>,
    ) -> u32 {
        let window = handed.window;
        let found = self.slots.find(hash, key, window);
        let id = found.unwrap_or_else(|| {
            let slot = Slot::new(hash, Kept::new(window));
            let id = self.slots.insert(key.clone(), slot);
            self.arm(id);
            id
        });
        if let Some(slot) = self.slots.get_mut(id) {
            slot.kept.state = Some(handed.state);
            slot.kept.unsaid = handed.unsaid;
            slot.kept.latest = window.last();
            slot.arrival = handed.arrival;
        }
        id
    }
}
