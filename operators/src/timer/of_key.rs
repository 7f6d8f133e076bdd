//! The timers of one key.

use std::collections::BTreeSet;

use crate::timer::TimeDomain;
use crate::timer::wheel::{Stamp, Wheel};

/// The timers a key has set, in both time domains, and where it hangs in their wheels.
///
/// A key hangs in a wheel once, however many timers it has: no later than its first one. So timers that are set, taken
/// back and set anew, as those that wait for silence are, touch the wheel only when the key's turn comes there.
#[derive(Default)]
pub(crate) struct KeyTimers {
    set: [Set; 2],
    /// Until when it hangs in each wheel,
    until: [u64; 2],
    /// and the stamp it has there, if it hangs.
    stamps: [Option<Stamp>; 2],
}

/// The ticks that are set, in one time domain, in order. Most keys have one or two, and no memory besides.
#[derive(Default)]
enum Set {
    #[default]
    None,
    One(u64),
    Two([u64; 2]),
    // Boxed, so that it is small for those that have few.
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
            Set::One(one) => *set = Set::Two([tick.min(*one), tick.max(*one)]),
            Set::Two(two) if two.contains(&tick) => {}
            Set::Two([a, b]) => *set = Set::Many(Box::new([*a, *b, tick].into())),
            Set::Many(ticks) => _ = ticks.insert(tick),
        }
    }

    /// Takes a timer back. Says whether it was set.
    #[inline]
    pub(crate) fn cancel(&mut self, domain: TimeDomain, tick: u64) -> bool {
        let set = &mut self.set[domain as usize];
        match set {
            Set::One(one) if *one == tick => *set = Set::None,
            Set::Two([one, other]) | Set::Two([other, one]) if *one == tick => {
                *set = Set::One(*other)
            }
            Set::None | Set::One(_) | Set::Two(_) => return false,
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
            Set::One(first) | Set::Two([first, _]) => Some(*first),
            Set::Many(ticks) => ticks.first().copied(),
        }
    }

    /// All ticks that are set, in order.
    pub(crate) fn iter(&self, domain: TimeDomain) -> impl Iterator<Item = u64> {
        let (few, many): (&[u64], _) = match &self.set[domain as usize] {
            Set::None => (&[], None),
            Set::One(one) => (std::slice::from_ref(one), None),
            Set::Two(two) => (two, None),
            Set::Many(ticks) => (&[], Some(ticks.iter())),
        };
        few.iter().chain(many.into_iter().flatten()).copied()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self.set, [Set::None, Set::None])
    }

    /// Reads some of it, to have it near.
    #[inline]
    pub(crate) fn read(&self) -> u64 {
        self.until[0] ^ u64::from(self.is_empty())
    }

    /// The key's turn has come in the wheel of this domain, if it still hangs there by this stamp: then it does no more.
    #[inline]
    pub(crate) fn comes_down(
        &mut self,
        domain: TimeDomain,
        wheel: &mut Wheel,
        stamp: Stamp,
    ) -> bool {
        let hangs = self.hangs(domain, stamp);
        if hangs {
            self.take_down(domain, wheel);
        }
        hangs
    }

    /// Whether it hangs in the wheel of this domain by this stamp.
    #[inline]
    pub(crate) fn hangs(&self, domain: TimeDomain, stamp: Stamp) -> bool {
        self.stamps[domain as usize] == Some(stamp)
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
        let hangs = self.stamps[domain as usize].is_some();
        // What comes too early is hung anew then.
        if hangs && tick.is_none_or(|tick| tick < self.until[domain as usize]) {
            self.take_down(domain, wheel);
        }
        if let Some(tick) = tick
            && self.stamps[domain as usize].is_none()
        {
            self.until[domain as usize] = tick;
            self.stamps[domain as usize] = Some(wheel.hang(owner, tick));
        }
    }

    fn take_down(&mut self, domain: TimeDomain, wheel: &mut Wheel) {
        self.stamps[domain as usize] = None;
        wheel.take_down();
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
        // The first time it was hung up does not count any more; the second does.
        let due = std::iter::from_fn(|| wheel.next_due(100));
        let turns = due
            .map(|hung| (hung.owner, hung.tick, hung.stamp))
            .collect::<Vec<_>>();
        let came = turns
            .into_iter()
            .filter(|(_, _, stamp)| timers.comes_down(domain, &mut wheel, *stamp));
        let came = came
            .map(|(owner, tick, _)| (owner, tick))
            .collect::<Vec<_>>();
        assert_eq!((came, wheel.len()), (vec![(7, 40)], 0));
        timers.hang(domain, &mut wheel, 7, Some(160));
        timers.hang(domain, &mut wheel, 7, None);
        let due = wheel.next_due(200).map(|hung| hung.stamp);
        assert_eq!(wheel.len(), 0);
        assert!(!timers.hangs(domain, due.unwrap()));
    }

    #[test]
    fn the_timers_of_a_key_are_small() {
        assert_eq!(size_of::<KeyTimers>(), 72);
    }
}
