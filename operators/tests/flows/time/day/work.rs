//! What the flow of the day does, and what must come of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use millstream::connectors::memory::for_each;
use millstream::operators::{Process, Session, Timer, Ttl, Turn, ValueState};
use millstream::prelude::*;

use super::partitions::Partitions;
use super::world::{Fate, LATENESS, Row, World};

/// Vertices that count what comes too late.
pub(super) const COUNT_LATE: [&str; 3] = ["per-minute", "visits", "pairs"];
const GAP: std::time::Duration = minutes(1);

/// All results.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    /// Records, by key and minute.
    per_minute: BTreeMap<(u64, Timestamp), u64>,
    /// Records, by key and session.
    visits: BTreeMap<(u64, Timestamp, Timestamp), u64>,
    /// Pairs of north and south, by key and minute.
    pairs: BTreeMap<(u64, Timestamp), u64>,
    /// In-time records of each key, told once it was silent for long; and how many came too late for that.
    gone: BTreeMap<u64, u64>,
    gone_late: u64,
    /// Records of each key, late ones too.
    known: BTreeMap<u64, u64>,
    first: BTreeSet<u64>,
}

pub(super) type Shared = Arc<Mutex<Results>>;

/// A result, of whichever kind.
enum Told {
    Minute(WindowResult<u64, u64>),
    Visit(WindowResult<u64, u64>),
    Pair(u64, Timestamp),
    Gone(u64, Option<u64>),
    Known(u64, u64),
    First(u64),
}

impl Results {
    /// Takes a result in; says whether it was the first of its kind.
    fn take(&mut self, told: Told) -> bool {
        match told {
            Told::Minute(row) => {
                let place = (row.key, row.window.start);
                self.per_minute.insert(place, row.value).is_none()
            }
            Told::Visit(row) => {
                let place = (row.key, row.window.start, row.window.end);
                self.visits.insert(place, row.value).is_none()
            }
            Told::Pair(key, minute) => {
                *self.pairs.entry((key, minute)).or_default() += 1;
                true
            }
            Told::Gone(key, Some(records)) => self.gone.insert(key, records).is_none(),
            Told::Gone(_, None) => {
                self.gone_late += 1;
                true
            }
            Told::Known(key, records) => self.known.insert(key, records) < Some(records),
            Told::First(key) => self.first.insert(key),
        }
    }
}

pub(super) fn flow(world: &World, results: &Shared) -> Flow {
    let (world, results) = (world.clone(), results.clone());
    Flow::new("day", move |flow| {
        let source = |source: &'static str| {
            let world = world.clone();
            let lateness = Lateness::bounded(LATENESS).with_max_ahead(hours(1));
            flow.source(source, Partitions { world, source })
                .event_time(|(_, time)| *time, lateness)
        };
        let (north, south) = (source("north"), source("south"));
        let all = || north.clone().union(south.clone());
        let by_key = |rows: Stream<Row>| rows.key_by(|(key, _)| *key);
        let all = by_key(all());
        let minute = Tumbling::of(minutes(1));
        let minutes = all.clone().window(minute).aggregate("per-minute", count());
        let visits = all
            .clone()
            .window(Session::gap(GAP))
            .aggregate("visits", count());
        let pairs = by_key(north).join("pairs", by_key(south), minute, move |_, north, _| {
            minute.window_of(north.1).start
        });
        let gone = all.clone().process("gone", Gone);
        let known = all.clone().process("known", Known);
        let first = all.dedup("first", Ttl::processing_time(hours(1)));
        let results = results.clone();
        minutes
            .map(|_, row| Told::Minute(row))
            .union(visits.map(|_, row| Told::Visit(row)))
            .union(pairs.map(Told::Pair))
            .union(gone.map(Told::Gone))
            .union(known.map(Told::Known))
            .union(first.map(|key, _| Told::First(key)))
            .sink(
                "out",
                for_each(move |told| {
                    assert!(results.lock().unwrap().take(told), "it comes twice");
                }),
            );
    })
}

/// What must come of what was given; and how many were late, and too far ahead.
pub(super) fn naive(given: &[(&'static str, Row, Fate)]) -> (Results, u64, u64) {
    let of = |fate| given.iter().filter(move |(.., its)| *its == fate);
    let minute = Tumbling::of(minutes(1));
    let mut all = Results::default();
    let mut times: BTreeMap<u64, Vec<Timestamp>> = BTreeMap::new();
    let mut sides: BTreeMap<(u64, Timestamp), [u64; 2]> = BTreeMap::new();
    for (source, (key, time), _) in of(Fate::InTime) {
        let place = (*key, minute.window_of(*time).start);
        *all.per_minute.entry(place).or_default() += 1;
        sides.entry(place).or_default()[usize::from(*source == "south")] += 1;
        *all.gone.entry(*key).or_default() += 1;
        times.entry(*key).or_default().push(*time);
    }
    for (place, [north, south]) in sides {
        if north * south > 0 {
            all.pairs.insert(place, north * south);
        }
    }
    for (key, mut times) in times {
        times.sort_unstable();
        for visit in times.chunk_by(|one, next| *next < *one + GAP) {
            let (first, last) = (visit[0], visit[visit.len() - 1]);
            all.visits
                .insert((key, first, last + GAP), visit.len() as u64);
        }
    }
    for (_, (key, _), _) in of(Fate::InTime).chain(of(Fate::Late)) {
        *all.known.entry(*key).or_default() += 1;
        all.first.insert(*key);
    }
    let late = of(Fate::Late).count() as u64;
    all.gone_late = late;
    (all, late, of(Fate::Ahead).count() as u64)
}

/// Tells how many records a key had, once it was silent for ten minutes.
#[derive(Clone)]
struct Gone;

impl Process<u64, Row> for Gone {
    type State = Option<(Timestamp, u64)>;
    type Out = Option<u64>;

    fn on_record(&self, _: Row, seen: &mut Self::State, turn: &mut Turn<'_, u64, Option<u64>>) {
        if turn
            .watermark()
            .is_some_and(|watermark| turn.time() < watermark)
        {
            turn.emit(None);
            return;
        }
        let (latest, records) = seen.unwrap_or((turn.time(), 0));
        turn.cancel_timer(Timer::EventTime(latest + minutes(10)));
        let latest = latest.max(turn.time());
        turn.set_timer(Timer::EventTime(latest + minutes(10)));
        *seen = Some((latest, records + 1));
    }

    fn on_timer(&self, _: Timer, seen: &mut Self::State, turn: &mut Turn<'_, u64, Option<u64>>) {
        turn.emit(seen.take().map(|(_, records)| records));
    }

    fn timer_name(&self) -> &str {
        "the farewell to a key"
    }
}

/// Tells with each record how many its key has had; forgets it after twenty minutes.
#[derive(Clone)]
struct Known;

impl Process<u64, Row> for Known {
    type State = ValueState<u64>;
    type Out = u64;

    fn state(&self) -> ValueState<u64> {
        ValueState::with_ttl(Ttl::event_time(minutes(20)))
    }

    fn on_record(&self, _: Row, seen: &mut ValueState<u64>, turn: &mut Turn<'_, u64, u64>) {
        let records = seen.get(turn).map_or(1, |records| records + 1);
        seen.set(records, turn);
        turn.emit(records);
    }
}
