//! The saved form of slices: what each key has in each, with the windows that are left of it.

use std::collections::VecDeque;

use hashbrown::hash_table;
use millstream_engine::Result;
use millstream_engine::key::KeyHash;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::Timestamp;

use super::slices::{OfKey, Slices, WindowsLeft};
use super::{Cursor, Sides};
use crate::keyed::{Entry, Key, KeyTable};
use crate::reached;
use crate::window::WindowAssigner;

impl<W: WindowAssigner, K: Key, S: Sides> Slices<W, K, S> {
    pub(super) fn save(&self, state: &mut StateWriter) -> Result<()> {
        reached::save(state, self.closed)?;
        let mut save = |spans: &WindowsLeft, entry: &Entry<K, OfKey<S>>| {
            let OfKey { sides, cursor } = &entry.state;
            state.put(entry.hash, &(&spans.0, cursor, &entry.key, sides))
        };
        let (shared, mut left) = (self.firing.as_ref(), KeyTable::new());
        for (hash, key) in shared.iter().flat_map(|firing| &firing.keys) {
            let (hash, key) = (*hash, key.clone());
            left.insert(Entry {
                hash,
                key,
                state: (),
            });
        }
        for (spans, &place) in &self.open {
            let is_firing = shared.is_some_and(|firing| firing.shared.contains(&place));
            let mut behind = spans.clone();
            if is_firing {
                behind.0.pop_front();
            }
            for entry in self.slices[place].table.iter() {
                if !is_firing || left.find(entry.hash, &entry.key).is_some() {
                    save(spans, entry)?;
                } else if !behind.0.is_empty() {
                    // KeyInWindow already for the window that is being given.
                    save(&behind, entry)?;
                }
            }
        }
        if let Some(firing) = &self.firing {
            let spans = WindowsLeft([(firing.window.end, firing.window.start)].into());
            for entry in &firing.alone {
                save(&spans, entry)?;
            }
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.closed = reached::restored(state)?;
        for value in state.values::<(VecDeque<(Timestamp, Timestamp)>, Cursor, K, S)>() {
            let (spans, cursor, key, sides) = value?;
            let place = self.open_at(WindowsLeft(spans), None);
            let hash = KeyHash::of(&key);
            match self.slices[place].table.place(hash, &key) {
                hash_table::Entry::Occupied(mut entry) => entry.get_mut().state.sides.append(sides),
                hash_table::Entry::Vacant(vacant) => {
                    let state = OfKey { sides, cursor };
                    vacant.insert(Entry { hash, key, state });
                }
            }
        }
        Ok(())
    }
}
