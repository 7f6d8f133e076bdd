//! A hierarchical timing wheel.

use std::collections::VecDeque;
use std::num::NonZero;

use crate::bits::set_bits;

/// Owners, each hung up until a tick.
///
/// A tick is a number of 11 digits to the base of 64, and there is a wheel of 64 lists for each digit. An owner hangs in
/// the wheel of the highest digit in which its tick differs from now, in the list of that digit. When time comes to a
/// list of a higher wheel, what hangs there moves to lower ones, until it is due in the lowest. So hanging up, taking
/// down and coming due cost the same however many there are, and stretches in which nothing is due are skipped, not
/// walked through. Those of one tick are due in the order they were hung up.
///
/// The lists lie in one piece each, so that moving them is reading and writing on, however many there are. Nothing is
/// looked up in them: who is taken down stays listed, and its owner knows by the [`Stamp`] that it no longer counts. When
/// those are too many, they are swept out.
///
/// Source: Varghese and Lauck, *Hashed and Hierarchical Timing Wheels*, SOSP 1987 (their scheme 7).
pub(crate) struct Wheel {
    now: u64,
    wheels: Vec<Lists>,
    /// Which wheels have something, a bit each.
    occupied: u32,
    /// What is due now.
    due: VecDeque<Hung>,
    stamp: Stamp,
    /// How many hang in it, and how many are listed: with those that were taken down.
    len: usize,
    listed: usize,
}

/// What an owner knows its place by: another each time it is hung up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(NonZero<u32>);

/// An owner that hangs until a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hung {
    pub(crate) tick: u64,
    pub(crate) owner: u32,
    pub(crate) stamp: Stamp,
}

struct Lists {
    /// Which lists have something, a bit each.
    occupied: u64,
    lists: [Vec<Hung>; 64],
}

/// Bits of a digit.
const DIGIT: u32 = 6;
/// So many digits hold any tick.
const WHEELS: usize = 64_usize.div_ceil(DIGIT as usize);
/// A list that had more keeps no memory when it is empty.
const KEPT: usize = 1_024;

impl Wheel {
    pub(crate) fn new() -> Self {
        let lists = || Lists {
            occupied: 0,
            lists: [const { Vec::new() }; 64],
        };
        Wheel {
            now: 0,
            wheels: std::iter::repeat_with(lists).take(WHEELS).collect(),
            occupied: 0,
            due: VecDeque::new(),
            stamp: Stamp(NonZero::<u32>::MIN),
            len: 0,
            listed: 0,
        }
    }

    /// How many hang in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Hangs an owner up until `tick`; until now, if that has passed.
    #[inline]
    pub(crate) fn hang(&mut self, owner: u32, tick: u64) -> Stamp {
        // After four thousand million others one may be the same: then an owner has a turn it need not have.
        let next = self.stamp.0.checked_add(1);
        self.stamp = Stamp(next.unwrap_or(NonZero::<u32>::MIN));
        let (tick, stamp) = (tick.max(self.now), self.stamp);
        self.link(Hung { tick, owner, stamp });
        self.len += 1;
        self.listed += 1;
        stamp
    }

    /// An owner that hangs in it no longer does, or has had its turn. It remains listed until then.
    #[inline]
    pub(crate) fn take_down(&mut self) {
        self.len = self.len.saturating_sub(1);
    }

    /// Drops from the lists who hangs there no more, once they are many: as `hangs` says.
    #[inline]
    pub(crate) fn sweep(&mut self, hangs: impl Fn(&Hung) -> bool) {
        if self.listed > 2 * self.len + KEPT {
            self.sweep_all(hangs);
        }
    }

    #[cold]
    fn sweep_all(&mut self, hangs: impl Fn(&Hung) -> bool) {
        self.due.retain(&hangs);
        self.listed = self.due.len();
        for (wheel, lists) in self.wheels.iter_mut().enumerate() {
            for digit in set_bits(lists.occupied) {
                let list = &mut lists.lists[digit];
                list.retain(&hangs);
                list.shrink_to(KEPT.max(2 * list.len()));
                self.listed += list.len();
                if list.is_empty() {
                    lists.occupied &= !(1 << digit);
                }
            }
            if lists.occupied == 0 {
                self.occupied &= !(1 << wheel);
            }
        }
    }

    /// The tick before which nothing is due. (Then it may turn out that nothing is due yet.)
    #[inline]
    pub(crate) fn next_tick(&self) -> Option<u64> {
        match (self.len, self.due.is_empty()) {
            (0, _) => None,
            (_, true) => self.first_list().map(|(_, _, start)| start),
            (_, false) => Some(self.now),
        }
    }

    /// How many others are listed for the tick of the one that was due last.
    #[inline]
    pub(crate) fn due_now(&self) -> usize {
        self.due.len()
    }

    /// Takes the first out of the lists that is due at `until` or before. If there is none, it is `until` now. It may
    /// have been taken down before.
    pub(crate) fn next_due(&mut self, until: u64) -> Option<Hung> {
        while self.due.is_empty() {
            let Some((wheel, digit, start)) = self.first_list() else {
                break;
            };
            if start > until {
                break;
            }
            self.now = start;
            let mut list = self.take_list(wheel, digit);
            match wheel {
                0 => self.due.extend(list.drain(..)),
                _ => list.drain(..).for_each(|hung| self.link(hung)),
            }
            if list.capacity() <= KEPT {
                self.wheels[wheel].lists[digit] = list;
            }
        }
        let hung = self.due.pop_front();
        match hung {
            Some(_) => self.listed -= 1,
            None => self.now = self.now.max(until),
        }
        hung
    }

    /// All that are listed, list by list in the order of their turns.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Hung> {
        let lists = set_bits(self.occupied.into()).flat_map(|wheel| {
            let lists = &self.wheels[wheel];
            set_bits(lists.occupied).map(|digit| &lists.lists[digit])
        });
        self.due.iter().chain(lists.flatten())
    }

    /// The list whose turn is next: its wheel, its digit, and its first tick.
    #[inline]
    fn first_list(&self) -> Option<(usize, usize, u64)> {
        // The lower the wheel, the more digits what hangs there shares with now.
        let wheel = self.occupied.trailing_zeros();
        let lists = self.wheels.get(wheel as usize)?;
        let digit = lists.occupied.trailing_zeros();
        let above = u64::MAX.checked_shl(DIGIT * (wheel + 1)).unwrap_or(0);
        let start = (self.now & above) | (u64::from(digit) << (DIGIT * wheel));
        Some((wheel as usize, digit as usize, start))
    }

    /// Where what is due at `tick` hangs.
    #[inline]
    fn place(&self, tick: u64) -> (usize, usize) {
        let differ = (tick ^ self.now) | 1;
        let wheel = (63 - differ.leading_zeros()) / DIGIT;
        (wheel as usize, ((tick >> (DIGIT * wheel)) & 63) as usize)
    }

    /// Puts an owner at the end of its list.
    #[inline]
    fn link(&mut self, hung: Hung) {
        let (wheel, digit) = self.place(hung.tick);
        let lists = &mut self.wheels[wheel];
        lists.lists[digit].push(hung);
        lists.occupied |= 1 << digit;
        self.occupied |= 1 << wheel;
    }

    fn take_list(&mut self, wheel: usize, digit: usize) -> Vec<Hung> {
        let lists = &mut self.wheels[wheel];
        lists.occupied &= !(1 << digit);
        if lists.occupied == 0 {
            self.occupied &= !(1 << wheel);
        }
        std::mem::take(&mut lists.lists[digit])
    }
}

#[cfg(test)]
mod tests;
