//! Records that wait for the watermark, in the order of their times.

use std::collections::VecDeque;
use std::time::Duration;

use millstream_engine::state::State;
use millstream_engine::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::by_time::insert_by_time;
use crate::process::{KeyState, Timer, Turn};

/// Records by time; of equal times, in the order they came.
#[derive(Serialize, Deserialize)]
pub(super) struct ByTime<T>(VecDeque<(Timestamp, T)>);

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
    /// Takes a record in, to wait until the watermark has passed it; one that it has passed is counted as late.
    pub(super) fn take_in<K, U>(&mut self, record: T, turn: &mut Turn<'_, K, U>) {
        let time = turn.time();
        if turn.watermark().is_some_and(|watermark| time < watermark) {
            turn.count_late();
            return;
        }
        if insert_by_time(&mut self.0, (time, record), |(time, _)| *time) == 0 {
            self.set_timer(turn);
        }
    }

    /// The time of the first one.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.0.front().map(|(time, _)| *time)
    }

    /// The first one, if time has passed it when `timer` goes off.
    pub(super) fn release(&mut self, timer: Timer) -> Option<(Timestamp, T)> {
        self.0
            .pop_front_if(|(time, _)| behind(*time) <= timer.time())
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
