//! The same by hand: one thread takes the sides by turns, a batch of each, and keeps a hash map.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::{NEAR_MICROS, Record, Results, WINDOW_MICROS, records};

/// Records of both sides by turns, with which side they are of.
fn by_turns(count: u64) -> impl Iterator<Item = (bool, Record)> {
    let (mut left, mut right) = (records(1, count), records(2, count));
    (0..count.div_ceil(1_000)).flat_map(move |_| {
        let lefts: Vec<_> = left.by_ref().take(1_000).collect();
        let rights: Vec<_> = right.by_ref().take(1_000).collect();
        let lefts = lefts.into_iter().map(|record| (true, record));
        lefts.chain(rights.into_iter().map(|record| (false, record)))
    })
}

/// A window is closed when both sides have left it.
pub(crate) fn window(count: u64) -> Results {
    type Window = HashMap<u64, (Vec<u64>, Vec<u64>)>;
    let mut results = Results::default();
    let close = |window: Window, results: &mut Results| {
        for (left, right) in window.into_values() {
            for l in &left {
                right.iter().for_each(|r| results.add(*l, *r));
            }
        }
    };
    let mut open: VecDeque<(i64, Window)> = VecDeque::new();
    for (is_left, (key, value, time)) in by_turns(count) {
        let start = time - time.rem_euclid(WINDOW_MICROS);
        // Both sides are within a batch of each other.
        while open.len() > 1
            && open
                .front()
                .is_some_and(|(first, _)| first + WINDOW_MICROS + 1_000 < time)
        {
            close(open.pop_front().expect("it is there").1, &mut results);
        }
        let place = match open.iter().position(|(its, _)| *its == start) {
            Some(place) => place,
            None => {
                open.push_back((start, Window::new()));
                open.len() - 1
            }
        };
        let sides = open[place].1.entry(key).or_default();
        if is_left {
            sides.0.push(value);
        } else {
            sides.1.push(value);
        }
    }
    for (_, window) in open {
        close(window, &mut results);
    }
    results
}

/// What is too old is let go of when its key comes again.
pub(crate) fn interval(count: u64) -> Results {
    type Side = VecDeque<(i64, u64)>;
    let mut results = Results::default();
    let mut kept: HashMap<u64, (Side, Side)> = HashMap::new();
    for (is_left, (key, value, time)) in by_turns(count) {
        let sides = kept.entry(key).or_default();
        // The other side may be a batch behind.
        let too_old = time - NEAR_MICROS - 1_000;
        for side in [&mut sides.0, &mut sides.1] {
            while side.front().is_some_and(|(its, _)| *its < too_old) {
                side.pop_front();
            }
        }
        let near = |its: i64| (its - time).abs() <= NEAR_MICROS;
        if is_left {
            for (_, other) in sides.1.iter().filter(|(its, _)| near(*its)) {
                results.add(value, *other);
            }
            sides.0.push_back((time, value));
        } else {
            for (_, other) in sides.0.iter().filter(|(its, _)| near(*its)) {
                results.add(*other, value);
            }
            sides.1.push_back((time, value));
        }
    }
    results
}
