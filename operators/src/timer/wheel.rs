//! A hierarchical timing wheel.

use std::num::NonZero;

/// Owners, each hung up until a tick.
///
/// A tick is a number of 11 digits to the base of 64, and there is a wheel of 64 lists for each digit. An owner hangs in
/// the wheel of the highest digit in which its tick differs from now, in the list of that digit. When time comes to a
/// list of a higher wheel, what hangs there moves to lower ones, until it is due in the lowest. So hanging up, taking
/// down and coming due cost the same however many there are, and stretches in which nothing is due are skipped, not
/// walked through. Those of one tick are due in the order they were hung up.
///
/// Source: Varghese and Lauck, *Hashed and Hierarchical Timing Wheels*, SOSP 1987 (their scheme 7).
pub(crate) struct Wheel {
    now: u64,
    wheels: [Lists; WHEELS],
    /// Which wheels have something, a bit each.
    occupied: u32,
    /// The first is never used: its number means none.
    hung: Vec<Hung>,
    /// The first of those that are free, each naming the next.
    free: Link,
    len: usize,
}

/// Where an owner hangs, until it is due or taken down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(NonZero<u32>);

/// A place in `hung`, or none.
type Link = u32;
const NONE: Link = 0;

#[derive(Clone, Copy)]
struct Hung {
    tick: u64,
    owner: u32,
    next: Link,
    before: Link,
}

#[derive(Clone, Copy)]
struct List {
    first: Link,
    last: Link,
}

struct Lists {
    /// Which lists have something, a bit each.
    occupied: u64,
    lists: [List; 64],
}

/// Bits of a digit.
const DIGIT: u32 = 6;
/// So many digits hold any tick.
const WHEELS: usize = 64_usize.div_ceil(DIGIT as usize);

const EMPTY: List = List {
    first: NONE,
    last: NONE,
};

impl Wheel {
    pub(crate) fn new() -> Self {
        let none = Hung {
            tick: 0,
            owner: 0,
            next: NONE,
            before: NONE,
        };
        Wheel {
            now: 0,
            wheels: [const {
                Lists {
                    occupied: 0,
                    lists: [EMPTY; 64],
                }
            }; WHEELS],
            occupied: 0,
            hung: vec![none],
            free: NONE,
            len: 0,
        }
    }

    /// How many hang in it.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Hangs an owner up until `tick`; until now, if that has passed.
    pub(crate) fn hang(&mut self, owner: u32, tick: u64) -> Node {
        let hung = Hung {
            tick: tick.max(self.now),
            owner,
            next: NONE,
            before: NONE,
        };
        let node = match self.free {
            NONE => {
                self.hung.push(hung);
                (self.hung.len() - 1) as u32
            }
            free => {
                let unused = &mut self.hung[free as usize];
                self.free = unused.next;
                *unused = hung;
                free
            }
        };
        self.len += 1;
        self.link(node);
        Node(NonZero::new(node).unwrap_or(NonZero::<u32>::MAX))
    }

    /// Takes one down before it is due.
    pub(crate) fn take_down(&mut self, Node(node): Node) {
        self.unlink(node.get());
        self.release(node.get());
    }

    /// Until when one hangs.
    #[inline]
    pub(crate) fn tick_of(&self, Node(node): Node) -> u64 {
        self.hung[node.get() as usize].tick
    }

    /// The tick before which nothing is due. (Then it may turn out that nothing is due yet.)
    #[inline]
    pub(crate) fn next_tick(&self) -> Option<u64> {
        self.first_list().map(|(_, _, start)| start)
    }

    /// Takes down the first that is due at `until` or before, and gives owner and tick. If there is none, it is `until`
    /// now.
    pub(crate) fn next_due(&mut self, until: u64) -> Option<(u32, u64)> {
        while let Some((wheel, digit, start)) = self.first_list() {
            if start > until {
                break;
            }
            self.now = start;
            let first = self.wheels[wheel].lists[digit].first;
            if wheel == 0 {
                let Hung { tick, owner, .. } = self.hung[first as usize];
                self.unlink(first);
                self.release(first);
                return Some((owner, tick));
            }
            self.clear(wheel, digit);
            let mut link = first;
            while link != NONE {
                let next = self.hung[link as usize].next;
                self.link(link);
                link = next;
            }
        }
        self.now = self.now.max(until);
        None
    }

    /// All that hang in it, list by list in the order of their turns.
    pub(crate) fn owners(&self) -> impl Iterator<Item = u32> {
        let lists = bits(self.occupied.into()).flat_map(|wheel| {
            let lists = &self.wheels[wheel];
            bits(lists.occupied).map(|digit| &lists.lists[digit])
        });
        let nodes = |list: &List| {
            let next = |node: &Link| Some(self.hung[*node as usize].next);
            std::iter::successors(Some(list.first), next).take_while(|node| *node != NONE)
        };
        let nodes = lists.flat_map(nodes);
        nodes.map(|node| self.hung[node as usize].owner)
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

    /// Puts a node at the end of its list.
    #[inline]
    fn link(&mut self, node: Link) {
        let (wheel, digit) = self.place(self.hung[node as usize].tick);
        let lists = &mut self.wheels[wheel];
        let list = &mut lists.lists[digit];
        let before = std::mem::replace(&mut list.last, node);
        if before == NONE {
            list.first = node;
            lists.occupied |= 1 << digit;
            self.occupied |= 1 << wheel;
        } else {
            self.hung[before as usize].next = node;
        }
        let hung = &mut self.hung[node as usize];
        (hung.before, hung.next) = (before, NONE);
    }

    /// Takes a node out of its list.
    fn unlink(&mut self, node: Link) {
        let Hung {
            tick, next, before, ..
        } = self.hung[node as usize];
        let (wheel, digit) = self.place(tick);
        let list = &mut self.wheels[wheel].lists[digit];
        match before {
            NONE => list.first = next,
            before => self.hung[before as usize].next = next,
        }
        match next {
            NONE => list.last = before,
            next => self.hung[next as usize].before = before,
        }
        if list.first == NONE {
            self.clear(wheel, digit);
        }
    }

    fn clear(&mut self, wheel: usize, digit: usize) {
        let lists = &mut self.wheels[wheel];
        lists.lists[digit] = EMPTY;
        lists.occupied &= !(1 << digit);
        if lists.occupied == 0 {
            self.occupied &= !(1 << wheel);
        }
    }

    fn release(&mut self, node: Link) {
        self.hung[node as usize].next = std::mem::replace(&mut self.free, node);
        self.len -= 1;
    }
}

/// The places of the bits that are set, lowest first.
fn bits(all: u64) -> impl Iterator<Item = usize> {
    let rest = |left: &u64| Some(left & (left - 1)).filter(|rest| *rest > 0);
    std::iter::successors(Some(all).filter(|all| *all > 0), rest)
        .map(|left| left.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests;
