//! The records of these tests: few, but out of order within each of three partitions that are not equally far.

use std::collections::BTreeMap;

use millstream::operators::Watermarks;
use millstream::prelude::*;
use millstream_engine::random::SplitMix64;
use serde::{Deserialize, Serialize};

use super::lanes::Lanes;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Fact {
    pub(super) id: u64,
    /// All lanes have records of it.
    pub(super) key: u64,
    /// A single lane has: its records come in one order, whatever the schedule.
    pub(super) own: u64,
    /// In seconds.
    pub(super) at: i64,
    pub(super) value: i64,
}

pub(super) const LANES: u64 = 3;
const EACH: u64 = 9;
/// How far out of order they are, in seconds.
const SPREAD: i64 = 30;

fn fact(lane: u64, n: u64) -> Fact {
    let id = lane * 100 + n;
    let mut drawn = SplitMix64::new(id);
    Fact {
        id,
        key: drawn.below(4),
        own: lane * 10 + drawn.below(2),
        at: (n as i64) * 9 + lane as i64 * 5 - 20 - drawn.below(SPREAD as u64) as i64,
        value: drawn.below(21) as i64 - 10,
    }
}

/// Of one lane, in the order in which they come.
pub(super) fn of_lane(lane: u64) -> Vec<Fact> {
    (0..EACH).map(|n| fact(lane, n)).collect()
}

/// All, lane by lane.
pub(super) fn facts() -> Vec<Fact> {
    (0..LANES).flat_map(of_lane).collect()
}

/// All by their own keys, each key's in the order in which they come.
pub(super) fn by_own_key() -> BTreeMap<u64, Vec<Fact>> {
    let mut all = BTreeMap::<_, Vec<Fact>>::new();
    for fact in facts() {
        all.entry(fact.own).or_default().push(fact);
    }
    all
}

/// Of another three lanes, many: of 400 keys, a second apart in each lane; others for each `side`.
pub(super) fn many(side: u64) -> Vec<Vec<Fact>> {
    let fact = |lane: u64, n: u64| {
        let id = side * 10_000 + lane * 1_000 + n;
        let mut drawn = SplitMix64::new(id);
        let key = drawn.below(400);
        Fact {
            id,
            key,
            own: key,
            at: n as i64 - drawn.below(SPREAD as u64) as i64,
            value: drawn.below(21) as i64 - 10,
        }
    };
    let lane = |lane| (0..300).map(|n| fact(lane, n)).collect();
    (0..LANES).map(lane).collect()
}

/// A source of them.
pub(super) fn lanes() -> Lanes<Fact> {
    Lanes::new((0..LANES).map(of_lane).collect())
}

/// What is so late that nothing is.
pub(super) fn in_time() -> Lateness {
    Lateness::bounded(seconds(SPREAD as u64))
}

/// A stream of them whose watermarks promise too much: many of them are late.
pub(super) fn hastily_timed(flow: &Scope) -> Stream<Fact> {
    let hasty = Watermarks::by(|_: &Fact, time| Some(time + seconds(25)));
    flow.source("facts", lanes()).event_time(Fact::time, hasty)
}

impl Fact {
    pub(super) fn time(&self) -> Timestamp {
        Timestamp::from_secs(self.at)
    }
}

/// A stream of them with event time.
pub(super) fn timed(flow: &Scope) -> Stream<Fact> {
    flow.source("facts", lanes())
        .event_time(Fact::time, in_time())
}

/// A stretch of seconds.
pub(super) type Span = (i64, i64);

/// The window, in seconds.
pub(super) fn span(window: Window) -> Span {
    let seconds = |time: Timestamp| time.as_micros().div_euclid(1_000_000);
    (seconds(window.start), seconds(window.end))
}

/// The windows of this size that begin with every multiple of `slide`, as far as a time is in them.
pub(super) fn sliding(size: i64, slide: i64) -> impl Fn(i64) -> Vec<Span> {
    move |at| {
        let last = at.div_euclid(slide) * slide;
        let starts = (0..=size / slide).map(|back| last - back * slide);
        let spans = starts.map(|start| (start, start + size));
        spans
            .filter(|(start, end)| (*start..*end).contains(&at))
            .collect()
    }
}

/// The records by key and window, sorted by id.
pub(super) fn by_window(
    facts: &[Fact],
    key: impl Fn(&Fact) -> u64,
    windows: impl Fn(i64) -> Vec<Span>,
) -> BTreeMap<(u64, Span), Vec<Fact>> {
    let mut all = BTreeMap::<_, Vec<Fact>>::new();
    for fact in facts {
        for window in windows(fact.at) {
            all.entry((key(fact), window)).or_default().push(*fact);
        }
    }
    all
}

/// The sessions of each key, with a gap in seconds.
pub(super) fn by_session(facts: &[Fact], gap: i64) -> BTreeMap<(u64, Span), Vec<Fact>> {
    let mut sorted = facts.to_vec();
    sorted.sort_by_key(|fact| (fact.key, fact.at, fact.id));
    let same = |one: &Fact, next: &Fact| one.key == next.key && next.at - one.at < gap;
    let sessions = sorted.chunk_by(same).map(|session| {
        let (first, last) = (session[0], session[session.len() - 1]);
        let mut session = session.to_vec();
        session.sort();
        ((first.key, (first.at, last.at + gap)), session)
    });
    sessions.collect()
}
