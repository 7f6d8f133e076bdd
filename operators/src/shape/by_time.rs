//! Records that wait for the watermark, in the order of their times.

use std::collections::VecDeque;
use std::time::Duration;

use millstream_engine::runtime::Instant;
use millstream_engine::state::State;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::by_time::insert_by_time;
use crate::process::{KeyState, Timer, Turn};

/// Records by time; of equal times, in the order they came.
#[derive(Serialize, Deserialize)]
pub(super) struct ByTime<T>(VecDeque<Unsorted<T>>);

#[derive(Serialize, Deserialize)]
struct Unsorted<T> {
    time: Timestamp,
    record: T,
    /// Not known of what was restored.
    #[serde(skip)]
    arrival: Option<Instant>,
}

impl<T> Default for ByTime<T> {
    fn default() -> Self {
        ByTime(VecDeque::new())
    }
}

impl<T: State> KeyState for ByTime<T> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> ByTime<T> {
    /// Takes a record in, which is not late, to wait until the watermark has passed it.
    pub(super) fn take_in<K, U>(&mut self, record: T, turn: &mut Turn<'_, K, U>) {
        let time = turn.time();
        let unsorted = Unsorted {
            time,
            record,
            arrival: Some(turn.arrival()),
        };
        if insert_by_time(&mut self.0, unsorted, |unsorted| unsorted.time) == 0 {
            self.set_timer(turn);
        }
    }

    /// The time of the first one.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.0.front().map(|first| first.time)
    }

    /// The first one, if time has passed it when `timer` goes off.
    pub(super) fn release<K, U>(
        &mut self,
        timer: Timer,
        turn: &mut Turn<'_, K, U>,
    ) -> Option<(Timestamp, T)> {
        let is_due = |first: &mut Unsorted<T>| behind(first.time) <= timer.time();
        let Unsorted {
            time,
            record,
            arrival,
        } = self.0.pop_front_if(is_due)?;
        turn.note_held(arrival);
        Some((time, record))
    }

    /// Sees that the first one is released as soon as the watermark has passed it.
    pub(super) fn set_timer<K, U>(&self, turn: &mut Turn<'_, K, U>) {
        if let Some(time) = self.first() {
            turn.set_timer(Timer::EventTime(behind(time)));
        }
    }
}

/// A watermark at a record's own time has not passed it: another one with the same time may follow.
fn behind(time: Timestamp) -> Timestamp {
    time + Duration::from_micros(1)
}
