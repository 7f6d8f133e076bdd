//! Processes with timers of both clocks, as whole flows.

use std::collections::BTreeSet;

use millstream::connectors::from_channel;
use millstream::operators::{MapState, Process, Timer, Ttl, Turn};
use millstream::prelude::*;
use millstream::runtime;

use crate::seeds::{EverySeed, every_seed};

/// Key, event time in seconds.
type Visit = (u64, i64);

/// Visits, out of order; one comes every ten seconds of processing time.
const VISITS: u64 = 300;

fn visit(n: u64) -> Visit {
    let at = n as i64;
    (n * n / 7 % 19, at * 3 - at * at % 30)
}

/// Says when a visitor was away for a minute of event time; once, twenty minutes after it was first seen by the wall
/// clock, that it is known (and how many visits that were, if it is to count them); and at the end, what is left.
#[derive(Clone)]
struct Watch {
    counts: bool,
}

/// Times that are not passed by the watermark, and when it was heard first.
type Seen = (BTreeSet<Timestamp>, Option<u64>);

impl Process<u64, Visit> for Watch {
    type State = Seen;
    type Out = String;

    fn on_record(&self, _: Visit, (times, heard): &mut Seen, turn: &mut Turn<'_, u64, String>) {
        times.insert(turn.time());
        turn.set_timer(Timer::EventTime(turn.time() + minutes(1)));
        if heard.is_none() {
            // Between two visits, whatever the schedule.
            let known = turn.processing_time() + minutes(20) + seconds(5);
            turn.set_timer(Timer::ProcessingTime(known));
        }
        *heard = Some(heard.unwrap_or(0) + 1);
    }

    fn on_timer(&self, timer: Timer, (times, heard): &mut Seen, turn: &mut Turn<'_, u64, String>) {
        match timer {
            Timer::EventTime(time) => {
                let minute = time - minutes(1)..=time;
                if times.range(minute.clone()).count() == 1 {
                    turn.emit(format!("away from {}", minute.start().as_millis() / 1000));
                }
                *times = times.split_off(minute.start());
                times.remove(minute.start());
            }
            Timer::ProcessingTime(_) => {
                let count = heard.filter(|_| self.counts);
                turn.emit(format!("known by {count:?}"));
            }
        }
    }

    fn on_end(&self, (times, heard): &mut Seen, turn: &mut Turn<'_, u64, String>) {
        turn.emit(format!("{heard:?} in all, {} left", times.len()));
    }
}

fn watched(counts: bool) -> EverySeed<(u64, String)> {
    every_seed(move |flow, out| {
        let visits = Generator::new(|n, _| visit(n)).with_count(VISITS);
        flow.source("visits", visits.with_rate(0.1))
            .event_time(
                |(_, at)| Timestamp::from_secs(*at),
                Lateness::bounded(seconds(40)),
            )
            .key_by(|(key, _)| *key)
            .process("watch", Watch { counts })
            .entries()
            .sink("out", out);
    })
}

/// The same, by going over all of it for each.
fn naive(counts: bool) -> Vec<(u64, String)> {
    let all: Vec<Visit> = (0..VISITS).map(visit).collect();
    let mut said = Vec::new();
    for key in 0..19 {
        let times: BTreeSet<i64> = (all.iter().filter(|v| v.0 == key)).map(|v| v.1).collect();
        for time in &times {
            if times.range(time + 1..=time + 60).count() == 0 {
                said.push((key, format!("away from {time}")));
            }
        }
        if let Some(first) = all.iter().position(|v| v.0 == key) {
            let known = all.iter().take(first + 121).filter(|v| v.0 == key).count();
            said.push((key, format!("known by {:?}", counts.then_some(known))));
            let count = all.iter().filter(|v| v.0 == key).count();
            said.push((key, format!("{:?} in all, 0 left", Some(count))));
        }
    }
    said.sort();
    said
}

#[test]
fn both_kinds_of_timers_go_off_alike_whatever_the_schedule() {
    let expected = naive(true);
    assert!(expected.len() > 80, "{}", expected.len());
    watched(true).without_a_stop().under(100).gives(expected);
}

/// How many visits there were by then is not asked: a stop takes time.
#[test]
fn timers_move_with_their_keys_to_another_parallelism() {
    let flow = watched(false).lasting(minutes(50)).always_stopped();
    flow.under(60).gives(naive(false));
}

/// Lets a word pass that was not heard for a minute.
#[derive(Clone)]
struct News(Ttl);

impl Process<(), (String, i64)> for News {
    type State = MapState<String, ()>;
    type Out = (String, i64);

    fn state(&self) -> Self::State {
        MapState::with_ttl(self.0)
    }

    fn on_record(
        &self,
        (word, at): (String, i64),
        heard: &mut Self::State,
        turn: &mut Turn<'_, (), Self::Out>,
    ) {
        if heard.get(&word, turn).is_none() {
            heard.insert(word.clone(), (), turn);
            turn.emit((word, at));
        }
    }
}

#[test]
fn a_map_forgets_what_it_has_not_heard_for_long() {
    let results = Collect::new();
    let out = results.clone();
    let flow = Flow::new("news", move |flow| {
        let words = [
            ("a", 0),
            ("b", 30),
            ("a", 59),
            ("a", 60),
            ("b", 61),
            ("b", 90),
            ("a", 119),
        ];
        flow.source("words", from_iter(words))
            .map(|(word, at)| (word.to_owned(), at))
            .event_time(|(_, at)| Timestamp::from_secs(*at), Lateness::none())
            .key_by(|_| ())
            .process("news", News(Ttl::event_time(minutes(1))))
            .values()
            .map(|(word, at)| format!("{word}{at}"))
            .sink("out", out.sink());
    });
    flow.simulate(1).unwrap();
    assert_eq!(results.take(), ["a0", "b30", "a60", "b90"]);
}

#[test]
fn timers_that_never_end_do_not_keep_a_flow_from_being_killed() {
    let (ask, asked) = flume::bounded(10);
    let (begin, begun) = flume::bounded(1);
    let flow = Flow::new("endless", move |flow| {
        let begin = begin.clone();
        flow.source("asked", from_channel(asked.clone()))
            .event_time(|at| Timestamp::from_secs(*at), Lateness::none())
            .key_by(|_| ())
            .process_fn(
                "endless",
                |_, _: &mut u64, turn| turn.set_timer(Timer::EventTime(turn.time())),
                move |timer, _, turn: &mut Turn<'_, (), ()>| {
                    _ = begin.try_send(());
                    turn.set_timer(timer);
                },
            )
            .values()
            .sink("out", discard());
    });
    // On the machine's threads: in a simulation no time passes that could be used up.
    runtime::block_on(async move {
        let running = flow.with_parallelism(1).start().await.unwrap();
        ask.send_async(1).await.unwrap();
        begun.recv_async().await.unwrap();
        running.handle().kill();
        running.join().await.unwrap();
    });
}
