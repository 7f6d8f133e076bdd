//! When the turn of a window comes.

use std::collections::BTreeMap;

use millstream_engine::time::Timestamp;

/// Windows by when they end, or close.
///
/// A window that grows is not moved: when its turn comes, it is found to end later, and put in again. So a session
/// costs one entry for each gap it lasts, not one for each record.
#[derive(Default)]
pub(super) struct Ends(BTreeMap<Timestamp, Vec<u32>>);

impl Ends {
    pub(super) fn push(&mut self, at: Timestamp, id: u32) {
        self.0.entry(at).or_default().push(id);
    }

    /// Takes out one whose turn comes at `time` or before.
    pub(super) fn pop(&mut self, time: Timestamp) -> Option<(Timestamp, u32)> {
        loop {
            let mut first = self.0.first_entry()?;
            let at = *first.key();
            if at > time {
                return None;
            }
            match first.get_mut().pop() {
                Some(id) => return Some((at, id)),
                None => first.remove(),
            };
        }
    }

    /// All, in the order their turns come.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Timestamp, u32)> {
        let times = self.0.iter();
        times.flat_map(|(at, ids)| ids.iter().map(|id| (*at, *id)))
    }

    /// When the next one's turn comes.
    pub(super) fn first(&self) -> Option<Timestamp> {
        let (at, _) = self.0.first_key_value()?;
        Some(*at)
    }
}
