//! The timers of one key.

use std::collections::BTreeSet;

use crate::timer::TimeDomain;
use crate::timer::wheel::{Node, Wheel};

/// The timers a key has set, in both time domains, and where it hangs in their wheels.
///
/// A key hangs in a wheel once, however many timers it has: no later than its first one. So timers that are set, taken
/// back and set anew, as those that wait for silence are, touch the wheel only when the key's turn comes there.
#[derive(Default)]
pub(crate) struct KeyTimers {
    set: [Set; 2],
    nodes: [Option<Node>; 2],
}

/// The ticks that are set, in one time domain. Most keys have one timer, and no memory besides.
#[derive(Default)]
enum Set {
    #[default]
    None,
    One(u64),
    // Boxed, so that it is two words for those that have one.
    #[allow(clippy::box_collection)]
    Many(Box<BTreeSet<u64>>),
}

impl KeyTimers {
    /// Sets a timer, if it is not.
    #[inline]
    pub(crate) fn set(&mut self, domain: TimeDomain, tick: u64) {
        let set = &mut self.set[domain as usize];
        match set {
            Set::None => *set = Set::One(tick),
            Set::One(one) if *one == tick => {}
            Set::One(one) => *set = Set::Many(Box::new([*one, tick].into())),
            Set::Many(ticks) => _ = ticks.insert(tick),
        }
    }

    /// Takes a timer back. Says whether it was set.
    #[inline]
    pub(crate) fn cancel(&mut self, domain: TimeDomain, tick: u64) -> bool {
        let set = &mut self.set[domain as usize];
        match set {
            Set::One(one) if *one == tick => *set = Set::None,
            Set::None | Set::One(_) => return false,
            Set::Many(ticks) => {
                let was_set = ticks.remove(&tick);
                if ticks.is_empty() {
                    *set = Set::None;
                }
                return was_set;
            }
        }
        true
    }

    /// The first tick that is set.
    #[inline]
    pub(crate) fn first(&self, domain: TimeDomain) -> Option<u64> {
        match &self.set[domain as usize] {
            Set::None => None,
            Set::One(one) => Some(*one),
            Set::Many(ticks) => ticks.first().copied(),
        }
    }

    /// All ticks that are set, in order.
    pub(crate) fn iter(&self, domain: TimeDomain) -> impl Iterator<Item = u64> {
        let (one, many) = match &self.set[domain as usize] {
            Set::None => (None, None),
            Set::One(one) => (Some(*one), None),
            Set::Many(ticks) => (None, Some(ticks.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.set, [Set::None, Set::None])
    }

    /// The key's turn has come in the wheel of this domain: it hangs there no more.
    #[inline]
    pub(crate) fn taken_down(&mut self, domain: TimeDomain) {
        self.nodes[domain as usize] = None;
    }

    /// Sees that the key has its turn no later than at `tick`; with none, that it has none.
    #[inline]
    pub(crate) fn hang(
        &mut self,
        domain: TimeDomain,
        wheel: &mut Wheel,
        owner: u32,
        tick: Option<u64>,
    ) {
        let node = &mut self.nodes[domain as usize];
        match (*node, tick) {
            (None, None) => {}
            (None, Some(tick)) => *node = Some(wheel.hang(owner, tick)),
            // What comes too early is hung anew then.
            (Some(hung), Some(tick)) if wheel.tick_of(hung) <= tick => {}
            (Some(hung), tick) => {
                wheel.take_down(hung);
                *node = tick.map(|tick| wheel.hang(owner, tick));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_is_set_once_and_taken_back_once() {
        let mut timers = KeyTimers::default();
        let mut model = [BTreeSet::new(), BTreeSet::new()];
        for n in 0..20_000u64 {
            let domain = TimeDomain::BOTH[(n % 2) as usize];
            let (tick, set) = (n * n % 7, &mut model[domain as usize]);
            if n / 7 % 2 == 0 {
                timers.set(domain, tick);
                set.insert(tick);
            } else {
                assert_eq!(timers.cancel(domain, tick), set.remove(&tick));
            }
            assert_eq!(timers.first(domain), set.first().copied());
            assert!(timers.iter(domain).eq(set.iter().copied()));
            assert_eq!(timers.is_empty(), model.iter().all(BTreeSet::is_empty));
        }
    }

    #[test]
    fn a_key_hangs_once_and_no_later_than_its_first_timer() {
        let (mut timers, mut wheel) = (KeyTimers::default(), Wheel::new());
        let domain = TimeDomain::EventTime;
        for (tick, turn) in [(50, 50), (90, 50), (40, 40), (60, 40)] {
            timers.hang(domain, &mut wheel, 7, Some(tick));
            assert_eq!(wheel.next_tick().map(|first| first <= turn), Some(true));
            assert_eq!(wheel.len(), 1);
        }
        assert_eq!(wheel.next_due(100), Some((7, 40)));
        timers.taken_down(domain);
        timers.hang(domain, &mut wheel, 7, Some(60));
        timers.hang(domain, &mut wheel, 7, None);
        assert_eq!((wheel.len(), wheel.next_due(100)), (0, None));
    }

    #[test]
    fn the_timers_of_a_key_are_small() {
        assert_eq!(size_of::<KeyTimers>(), 40);
    }
}
