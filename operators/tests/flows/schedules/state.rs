//! A process with timers of both clocks, and with a value, a list and a map that live by each of them. A key's records
//! come from one partition, so in one order.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use millstream::operators::{ListState, MapState, Process, Timer, Ttl, Turn, ValueState};
use millstream::prelude::*;
use serde::{Deserialize, Serialize};

use super::facts::{Fact, by_own_key, facts, in_time, lanes};
use crate::seeds::{EverySeed, every_seed};

/// What of a key's records lives.
#[derive(Default, Serialize, Deserialize)]
struct Lives {
    last: ValueState<u64>,
    recent: ListState<u64>,
    by_value: MapState<i64, u64>,
}

millstream::operators::key_state!(Lives {
    last,
    recent,
    by_value
});

/// Says of each record what lived when it came.
#[derive(Clone)]
struct Recall(Ttl);

/// The record, the last one before, those before in order, and the last of each value.
type Recalled = (u64, Option<u64>, Vec<u64>, Vec<(i64, u64)>);

impl Process<u64, Fact> for Recall {
    type State = Lives;
    type Out = Recalled;

    fn state(&self) -> Lives {
        Lives {
            last: ValueState::with_ttl(self.0),
            recent: ListState::with_ttl(self.0),
            by_value: MapState::with_ttl(self.0),
        }
    }

    fn on_record(&self, fact: Fact, lives: &mut Lives, turn: &mut Turn<'_, u64, Recalled>) {
        let last = lives.last.get(turn).copied();
        let recent = lives.recent.iter(turn).copied().collect();
        let by_value = lives.by_value.iter(turn);
        let by_value = by_value.map(|(value, id)| (*value, *id)).collect();
        lives.last.set(fact.id, turn);
        lives.recent.push(fact.id, turn);
        lives.by_value.insert(fact.value % 3, fact.id, turn);
        turn.emit((fact.id, last, recent, by_value));
    }
}

/// Records come every 100 ms of each lane, beginning 7 ms one after the other.
fn due_millis(fact: &Fact) -> i64 {
    (5 + fact.id / 100 * 7 + fact.id % 100 * 100) as i64
}

fn due(fact: &Fact) -> Duration {
    millis(due_millis(fact).unsigned_abs())
}

/// How long all of them take.
const ALL: Duration = millis(900);

/// What each record recalls, if all lives for so long by the time that `time` says.
fn naive(time: fn(&Fact) -> i64, ttl: i64) -> Vec<Recalled> {
    let mut all = Vec::new();
    for facts in by_own_key().into_values() {
        // Each value, and the map's entries: until when they live.
        let mut last: Option<(u64, i64)> = None;
        let mut by_value = BTreeMap::<i64, (u64, i64)>::new();
        for (place, fact) in facts.iter().enumerate() {
            let now = time(fact);
            let recent = facts[..place].iter().filter(|old| now < time(old) + ttl);
            let living = by_value.iter().filter(|(_, (_, until))| now < *until);
            let living = living.map(|(value, (id, _))| (*value, *id)).collect();
            let lived = last.filter(|(_, until)| now < *until).map(|(id, _)| id);
            let recent = recent.map(|old| old.id).collect();
            all.push((fact.id, lived, recent, living));
            // An earlier record that comes later does not shorten a life.
            let until = |before: Option<(u64, i64)>| {
                before.map_or(now + ttl, |(_, until)| until.max(now + ttl))
            };
            last = Some((fact.id, until(last)));
            let before = by_value.get(&(fact.value % 3)).copied();
            by_value.insert(fact.value % 3, (fact.id, until(before)));
        }
    }
    all
}

fn recalling(ttl: Ttl) -> EverySeed<Recalled> {
    every_seed(move |flow, out| {
        flow.source("facts", lanes().due_at(due))
            .event_time(Fact::time, in_time())
            .key_by(|fact| fact.own)
            .process("recall", Recall(ttl))
            .values()
            .sink("out", out);
    })
    .lasting(ALL)
}

#[test]
fn what_lives_by_event_time() {
    recalling(Ttl::event_time(seconds(25))).gives(naive(|fact| fact.at, 25));
}

#[test]
fn what_lives_by_processing_time() {
    recalling(Ttl::processing_time(millis(250))).gives(naive(due_millis, 250));
}

/// Says of every record what had come by the wall clock 150 ms later, and of what event time it was 20 s later in event
/// time.
#[derive(Clone)]
struct Remind;

/// The records' times, and what came so far.
type Heard = (BTreeMap<Timestamp, BTreeSet<u64>>, Vec<u64>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reminder {
    /// Of these records of one time.
    OfTime(Timestamp, BTreeSet<u64>),
    /// After how many records it was.
    ByClock(u64, usize),
    AtTheEnd(u64, usize),
}

impl Process<u64, Fact> for Remind {
    type State = Heard;
    type Out = Reminder;

    fn on_record(&self, fact: Fact, heard: &mut Heard, turn: &mut Turn<'_, u64, Reminder>) {
        heard.0.entry(turn.time()).or_default().insert(fact.id);
        heard.1.push(fact.id);
        turn.set_timer(Timer::EventTime(turn.time() + seconds(20)));
        turn.set_timer(Timer::ProcessingTime(turn.processing_time() + millis(150)));
        let other = Timer::EventTime(turn.time() + millis(10_500));
        turn.set_timer(other);
        assert!(turn.cancel_timer(other));
    }

    fn on_timer(&self, timer: Timer, heard: &mut Heard, turn: &mut Turn<'_, u64, Reminder>) {
        turn.emit(match timer {
            Timer::EventTime(time) => {
                assert!(turn.has_ended() || turn.watermark() >= Some(time));
                let of = time - seconds(20);
                Reminder::OfTime(of, heard.0.remove(&of).unwrap())
            }
            Timer::ProcessingTime(time) => {
                assert!(turn.processing_time() >= time);
                Reminder::ByClock(*turn.key(), heard.1.len())
            }
        });
    }

    fn on_end(&self, heard: &mut Heard, turn: &mut Turn<'_, u64, Reminder>) {
        assert!(heard.0.is_empty(), "all timers of event time have gone off");
        turn.emit(Reminder::AtTheEnd(*turn.key(), heard.1.len()));
    }
}

#[test]
fn timers_of_both_clocks() {
    let mut expected = Vec::new();
    let end = facts().iter().map(due_millis).max().unwrap();
    for (key, facts) in by_own_key() {
        let mut of_time = BTreeMap::<Timestamp, BTreeSet<u64>>::new();
        for fact in &facts {
            of_time.entry(fact.time()).or_default().insert(fact.id);
        }
        let of_time = of_time.into_iter();
        expected.extend(of_time.map(|(time, ids)| Reminder::OfTime(time, ids)));
        for fact in &facts {
            let at = due_millis(fact) + 150;
            let came = facts.iter().filter(|other| due_millis(other) <= at).count();
            // Those that are due behind the end are dropped.
            if at < end {
                expected.push(Reminder::ByClock(key, came));
            }
        }
        expected.push(Reminder::AtTheEnd(key, facts.len()));
    }
    every_seed(move |flow, out| {
        flow.source("facts", lanes().due_at(due))
            .event_time(Fact::time, in_time())
            .key_by(|fact| fact.own)
            .process("remind", Remind)
            .values()
            .sink("out", out);
    })
    .lasting(ALL)
    .gives(expected);
}
