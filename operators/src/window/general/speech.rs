//! What windows say.

use millstream_engine::Result;
use millstream_engine::key::Keyed;
use millstream_engine::outbox::{Outbox, Port};

use super::GeneralWindows;
use super::slot::Said;
use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::window::pane::timestamp;
use crate::window::{Pane, Panes, Timing, WindowResult};

impl<K: Key, T: Send + 'static, A: Aggregate<T, State: Clone>> GeneralWindows<K, T, A> {
    /// Lets a window speak, for the `last` time or not; what it takes back comes first.
    pub(super) fn say(
        &mut self,
        id: u32,
        timing: Timing,
        last: bool,
        out: &mut Outbox,
    ) -> Result<()> {
        let Some((key, slot)) = self.slots.with_key(id) else {
            return Ok(());
        };
        let kept = &mut slot.kept;
        let state = match last || self.rules.panes == Panes::Discarding {
            true => kept.state.take(),
            false => kept.state.clone(),
        };
        let Some(state) = state else {
            return Ok(());
        };
        let port: &mut Port<Keyed<K, WindowResult<K, A::Out>>> = out.port(0)?;
        let time = timestamp(kept.window, kept.latest, self.now);
        let mut push = |Said {
                            window,
                            pane,
                            state,
                        }| {
            let value = WindowResult {
                key: key.clone(),
                window,
                pane,
                value: self.aggregate.finish(state),
            };
            let (hash, key) = (slot.hash, key.clone());
            port.push_keyed(hash, Keyed { hash, key, value }, time);
        };
        for mut said in kept.said.drain(..) {
            said.pane.retracts = true;
            push(said);
        }
        let pane = Pane {
            timing,
            number: kept.number,
            retracts: false,
        };
        let window = kept.window;
        if self.rules.panes == Panes::Retracting && !last {
            let state = state.clone();
            kept.said.push(Said {
                window,
                pane,
                state,
            });
        }
        push(Said {
            window,
            pane,
            state,
        });
        kept.number = kept.number.saturating_add(1);
        kept.unsaid = 0;
        self.held.add(slot.arrival.take());
        Ok(())
    }
}
