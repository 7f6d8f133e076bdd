//! A hierarchical timing wheel.

use hashbrown::HashTable;

/// Timers, each of an owner and at a tick.
///
/// A tick is a number of 11 digits to the base of 64, and there is a wheel of 64 lists for each digit. A timer hangs in
/// the wheel of the highest digit in which its tick differs from now, in the list of that digit. When time comes to a
/// list of a higher wheel, its timers move to lower ones, until those of the lowest wheel are due. So setting,
/// cancelling and firing cost the same however many timers there are, and stretches without timers are skipped, not
/// walked through. Timers of one tick are due in the order they were set.
///
/// A timer is 24 bytes and its place in the index, which finds it to be cancelled and holds that an owner has one timer
/// of a kind at a tick, however often it is set.
///
/// Source: Varghese and Lauck, *Hashed and Hierarchical Timing Wheels*, SOSP 1987 (their scheme 7).
pub(crate) struct Wheel {
    now: u64,
    wheels: [Lists; WHEELS],
    /// Which wheels have timers, a bit each.
    occupied: u32,
    nodes: Vec<Hung>,
    /// The first of the nodes that are free, each naming the next.
    free: Link,
    index: HashTable<u32>,
}

/// The node of a timer, as long as it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node(u32);

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The user set it.
    User,
    /// State of its owner expires.
    Expiry,
}

/// A timer that is set, or was and is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) owner: u32,
    pub(crate) tick: u64,
    pub(crate) kind: Kind,
}

/// A node's number, or none.
type Link = u32;
const NONE: Link = u32::MAX;

#[derive(Clone, Copy)]
struct Hung {
    tick: u64,
    owner: u32,
    next: Link,
    before: Link,
    /// What it is for; `None` while it is free.
    kind: Option<Kind>,
}

#[derive(Clone, Copy)]
struct List {
    first: Link,
    last: Link,
}

struct Lists {
    /// Which lists have timers, a bit each.
    occupied: u64,
    lists: [List; 64],
}

/// Bits of a digit.
const DIGIT: u32 = 6;
/// So many digits hold any tick.
const WHEELS: usize = 64_usize.div_ceil(DIGIT as usize);

impl Wheel {
    pub(crate) fn new() -> Self {
        const EMPTY: List = List {
            first: NONE,
            last: NONE,
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
            nodes: Vec::new(),
            free: NONE,
            index: HashTable::new(),
        }
    }

    /// How many timers are set.
    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Sets a timer; now, if its time has passed. Says whether it was not set already.
    pub(crate) fn set(&mut self, owner: u32, tick: u64, kind: Kind) -> (Node, bool) {
        let due = Due {
            owner,
            tick: tick.max(self.now),
            kind,
        };
        let (nodes, free) = (&mut self.nodes, &mut self.free);
        let same = |&node: &u32| is(nodes, node, due);
        let hashed = |&node: &u32| hash_of(nodes, node);
        let place = match self.index.entry(hash(due), same, hashed) {
            hashbrown::hash_table::Entry::Occupied(entry) => return (Node(*entry.get()), false),
            hashbrown::hash_table::Entry::Vacant(place) => place,
        };
        let hung = Hung {
            tick: due.tick,
            owner,
            next: NONE,
            before: NONE,
            kind: Some(kind),
        };
        let node = match nodes.get_mut(*free as usize) {
            Some(unused) => {
                let node = std::mem::replace(free, unused.next);
                *unused = hung;
                node
            }
            None => {
                nodes.push(hung);
                (nodes.len() - 1) as u32
            }
        };
        place.insert(node);
        self.hang(node);
        (Node(node), true)
    }

    /// Takes a timer back. Says whether it was set.
    pub(crate) fn cancel(&mut self, owner: u32, tick: u64, kind: Kind) -> bool {
        let due = Due { owner, tick, kind };
        let nodes = &self.nodes;
        let Ok(entry) = (self.index).find_entry(hash(due), |&node| is(nodes, node, due)) else {
            return false;
        };
        let (node, _) = entry.remove();
        self.unhang(node);
        self.release(node);
        true
    }

    /// The tick of a timer that is set.
    pub(crate) fn tick_of(&self, Node(node): Node) -> Option<u64> {
        self.nodes.get(node as usize).map(|hung| hung.tick)
    }

    /// The tick before which nothing is due. (In between it may turn out that nothing is due yet.)
    pub(crate) fn next_tick(&self) -> Option<u64> {
        self.first_list().map(|(_, _, start)| start)
    }

    /// Takes out the first timer that is due at `until` or before. If there is none, it is `until` now.
    pub(crate) fn next_due(&mut self, until: u64) -> Option<Due> {
        while let Some((wheel, digit, start)) = self.first_list() {
            if start > until {
                break;
            }
            self.now = start;
            let list = self.wheels[wheel].lists[digit];
            if wheel == 0 {
                self.unhang(list.first);
                return self.forget(list.first);
            }
            self.clear(wheel, digit);
            let mut link = list.first;
            while let Some(hung) = self.nodes.get(link as usize) {
                let next = hung.next;
                self.hang(link);
                link = next;
            }
        }
        self.now = self.now.max(until);
        None
    }

    /// All timers that are set, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Due> {
        self.nodes.iter().filter_map(|hung| {
            Some(Due {
                owner: hung.owner,
                tick: hung.tick,
                kind: hung.kind?,
            })
        })
    }

    /// The list whose turn is next: its wheel, its digit, and its first tick.
    #[inline]
    fn first_list(&self) -> Option<(usize, usize, u64)> {
        // The lower the wheel, the more digits its timers share with now.
        let wheel = self.occupied.trailing_zeros();
        let lists = self.wheels.get(wheel as usize)?;
        let digit = lists.occupied.trailing_zeros();
        let above = u64::MAX.checked_shl(DIGIT * (wheel + 1)).unwrap_or(0);
        let start = (self.now & above) | (u64::from(digit) << (DIGIT * wheel));
        Some((wheel as usize, digit as usize, start))
    }

    /// Where a timer at `tick` hangs.
    #[inline]
    fn place(&self, tick: u64) -> (usize, usize) {
        let differ = (tick ^ self.now) | 1;
        let wheel = (63 - differ.leading_zeros()) / DIGIT;
        (wheel as usize, ((tick >> (DIGIT * wheel)) & 63) as usize)
    }

    /// Hangs a node at the end of its list.
    fn hang(&mut self, node: Link) {
        let tick = self.nodes[node as usize].tick;
        let (wheel, digit) = self.place(tick);
        let lists = &mut self.wheels[wheel];
        let list = &mut lists.lists[digit];
        let before = std::mem::replace(&mut list.last, node);
        match self.nodes.get_mut(before as usize) {
            Some(before) => before.next = node,
            None => {
                list.first = node;
                lists.occupied |= 1 << digit;
                self.occupied |= 1 << wheel;
            }
        }
        let hung = &mut self.nodes[node as usize];
        (hung.before, hung.next) = (before, NONE);
    }

    /// Takes a node out of its list.
    fn unhang(&mut self, node: Link) {
        let Hung {
            tick, next, before, ..
        } = self.nodes[node as usize];
        let (wheel, digit) = self.place(tick);
        let list = &mut self.wheels[wheel].lists[digit];
        match self.nodes.get_mut(before as usize) {
            Some(before) => before.next = next,
            None => list.first = next,
        }
        match self.nodes.get_mut(next as usize) {
            Some(next) => next.before = before,
            None => list.last = before,
        }
        if list.first == NONE {
            self.clear(wheel, digit);
        }
    }

    fn clear(&mut self, wheel: usize, digit: usize) {
        let lists = &mut self.wheels[wheel];
        lists.lists[digit] = List {
            first: NONE,
            last: NONE,
        };
        lists.occupied &= !(1 << digit);
        if lists.occupied == 0 {
            self.occupied &= !(1 << wheel);
        }
    }

    /// Takes a node that hangs nowhere out of the index.
    fn forget(&mut self, node: Link) -> Option<Due> {
        let Hung {
            tick, owner, kind, ..
        } = self.nodes[node as usize];
        let due = Due {
            owner,
            tick,
            kind: kind?,
        };
        if let Ok(entry) = self.index.find_entry(hash(due), |&other| other == node) {
            entry.remove();
        }
        self.release(node);
        Some(due)
    }

    fn release(&mut self, node: Link) {
        let hung = &mut self.nodes[node as usize];
        hung.kind = None;
        hung.next = std::mem::replace(&mut self.free, node);
    }
}

fn is(nodes: &[Hung], node: u32, due: Due) -> bool {
    nodes.get(node as usize).is_some_and(|hung| {
        hung.tick == due.tick && hung.owner == due.owner && hung.kind == Some(due.kind)
    })
}

fn hash_of(nodes: &[Hung], node: u32) -> u64 {
    nodes.get(node as usize).map_or(0, |hung| {
        hash(Due {
            owner: hung.owner,
            tick: hung.tick,
            kind: hung.kind.unwrap_or(Kind::User),
        })
    })
}

/// A folded multiply, as for keys: both halves of the word are used by the table.
#[inline]
fn hash(due: Due) -> u64 {
    let word = due.tick ^ (u64::from(due.owner) << 32) ^ (due.kind as u64);
    let product = u128::from(word ^ u64::from(due.owner)) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
    let folded = (product as u64) ^ ((product >> 64) as u64);
    folded.wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

#[cfg(test)]
mod tests;
