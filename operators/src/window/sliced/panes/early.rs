//! What windows say before they end.

use millstream_engine::Result;
use millstream_engine::operator::Step;
use millstream_engine::outbox::Outbox;
use millstream_engine::time::Timestamp;

use super::SlicedPanes;
use crate::aggregate::Aggregate;
use crate::keyed::Key;
use crate::timer::TimeDomain;
use crate::window::Panes;
use crate::window::general::HandedOver;
use crate::window::sliced::fold::Fold;
use crate::window::sliced::key_slices::slide;

impl<K, T, A, F> SlicedPanes<K, T, A, F>
where
    K: Key,
    T: Send + 'static,
    A: Aggregate<T, State: Clone>,
    F: Fold<T, A> + Clone,
{
    /// Lets every key speak of its windows that have not ended, if it waits for a moment of this clock which has come.
    pub(super) fn speak(
        &mut self,
        domain: TimeDomain,
        time: Timestamp,
        out: &mut Outbox,
    ) -> Result<Step> {
        loop {
            if let Some(number) = self.speaking {
                self.say_early(number, out)?;
                if out.is_full() {
                    return Ok(Step::More);
                }
            }
            let Some((number, _, bit)) = self.early.pop(domain, time) else {
                return Ok(Step::Done);
            };
            if let Some(entry) = self.live.keys.get_mut(number) {
                entry.state.noted.waits &= !bit;
                self.speaking = Some(number);
            }
        }
    }

    /// Lets a key speak of its windows that have not ended and have something new, as long as there is room.
    fn say_early(&mut self, number: u32, out: &mut Outbox) -> Result<()> {
        let Some(entry) = self.live.keys.get_mut(number) else {
            self.speaking = None;
            return Ok(());
        };
        let (all, whole, noted) = entry.state.settled();
        let unsaid = std::mem::take(&mut noted.slices);
        let (mut slices, mut fold) = (all.clone(), whole.clone());
        let (cut, open) = (self.live.cut, self.live.open);
        let mut from = noted.from.map_or(open, |from| from.max(open));
        for &slice in &unsaid {
            from = from.max(cut.first_window(slice));
            while cut.last_window(slice).is_some_and(|last| from <= last) {
                if out.is_full() {
                    noted.from = Some(from);
                    noted.slices = unsaid;
                    return Ok(());
                }
                let sliced = cut.sliced(from);
                if let Some(total) = slide(&mut slices, &mut fold, &sliced, &self.aggregate) {
                    let handed = HandedOver {
                        window: sliced.window,
                        state: total,
                        unsaid: 1,
                        arrival: noted.arrival,
                    };
                    self.each.say_early(entry.hash, &entry.key, handed, out)?;
                }
                from += 1;
            }
        }
        noted.from = None;
        noted.arrival = None;
        if self.each.rules.panes == Panes::Discarding {
            all.clear();
            *whole = F::default();
        }
        self.speaking = None;
        Ok(())
    }
}
