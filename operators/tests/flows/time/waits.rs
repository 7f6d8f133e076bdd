//! Whatever waits in a flow says for what, in the same few words.

use millstream::operators::{Every, Process, Session, Sliding, Timer, Trigger, Turn};
use millstream::prelude::*;

use super::why::{asked, only};
use super::{at, seconds_of};

/// A reminder a minute behind the first record of each key, and one on the wall clock.
#[derive(Clone)]
struct Remind;

impl Process<i64, i64> for Remind {
    type State = ();
    type Out = i64;

    fn on_record(&self, n: i64, (): &mut (), turn: &mut Turn<'_, i64, i64>) {
        turn.set_timer(Timer::EventTime(at(n) + minutes(1)));
        turn.set_timer(Timer::ProcessingTime(turn.processing_time() + hours(1)));
    }

    fn timer_name(&self) -> &str {
        "the reminder of a key"
    }
}

#[test]
fn whatever_waits_says_for_what() {
    let flow = Flow::new("all-kinds", |flow| {
        let numbers = seconds_of(flow, "numbers", 35, hours(1)).erase();
        let keyed = || numbers.clone().key_by(|n| n % 5);
        let hopping = Sliding::of(seconds(20), seconds(10));
        keyed().window(hopping).aggregate("hops", count()).discard();
        let gap = Session::gap(seconds(7));
        keyed().window(gap).aggregate("visits", count()).discard();
        let early = Trigger::at_watermark().early(Every::records(4).or(Every::time(seconds(15))));
        let minute = keyed().window(Tumbling::of(minutes(1))).trigger(early);
        minute.aggregate("early", count()).discard();
        let by_clock = keyed().window(Tumbling::of(minutes(1))).processing_time();
        by_clock.aggregate("by-clock", count()).discard();
        keyed()
            .count_window(10)
            .aggregate("tens", count())
            .discard();
        keyed().process("reminders", Remind).discard();
        keyed().sort("sorted").discard();
    });
    let why = asked(5, 30, flow.with_parallelism(1).with_idle_after(None));
    let told = |vertex| -> Vec<String> {
        let waits = only(&why, vertex).waits.iter();
        waits.map(ToString::to_string).collect()
    };
    assert_eq!(
        told("hops"),
        [
            "the window from 1970-01-01T00:00:20Z to 1970-01-01T00:00:40Z waits for the watermark 1970-01-01T00:00:40Z"
        ]
    );
    // Of the key whose last record is the earliest.
    assert_eq!(
        told("visits"),
        [
            "the window from 1970-01-01T00:00:00Z to 1970-01-01T00:00:37Z, the first of 5, waits for the watermark \
             1970-01-01T00:00:37Z"
        ]
    );
    let minute = "the window from 1970-01-01T00:00:00Z to 1970-01-01T00:01:00Z";
    assert_eq!(
        told("early"),
        [
            "an early pane of a window, the first of 4, waits for the watermark 1970-01-01T00:00:45Z".to_owned(),
            format!("{minute}, the first of 5, waits for the watermark 1970-01-01T00:01:00Z"),
            format!("an early pane of {minute} (with 0 of 4 records) waits for more records"),
        ]
    );
    assert_eq!(
        told("by-clock"),
        [
            "the window from 2020-01-01T00:00:00Z to 2020-01-01T00:01:00Z, the first of 5, waits for the wall clock to \
             come to 2020-01-01T00:01:00Z"
        ]
    );
    assert_eq!(
        told("tens"),
        ["the window of 10 records of a key, the first of 5, waits for more records"]
    );
    let reminders = told("reminders");
    assert_eq!(
        reminders[0],
        "the reminder of a key, the first of 5, waits for the watermark 1970-01-01T00:01:00Z"
    );
    let by_clock = "the reminder of a key, the first of 5, waits for the wall clock to come to 2020-01-01T01:00:00.1";
    assert!(reminders[1].starts_with(by_clock), "{reminders:?}");
    assert_eq!(
        told("sorted"),
        ["the first record to be sorted waits for the watermark 1970-01-01T00:00:34.000001Z"]
    );
    // Who holds the watermark is told to those that wait for it.
    let text = why.to_string();
    assert_eq!(
        text.matches("held back by `numbers.event_time`").count(),
        5,
        "{text}"
    );
}
