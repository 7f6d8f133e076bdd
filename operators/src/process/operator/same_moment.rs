//! A guard against timers of event time that are set for the moment at hand again and again.

use std::sync::Arc;

use millstream_engine::time::Timestamp;
use millstream_engine::{Error, Result};

use super::ending::FOLLOWING;

/// So many timers more than those of a moment are allowed for: one key may have a lot to say.
const BESIDES: u64 = 100;

/// How many timers may yet go off at a moment: time stands still meanwhile, and so does the task.
#[derive(Default)]
pub(super) struct SameMoment {
    tick: Option<u64>,
    left: u64,
}

impl SameMoment {
    /// Counts a timer that goes off at `time`, when so many others wait to.
    #[inline]
    pub(super) fn goes_off(
        &mut self,
        (tick, time): (u64, Timestamp),
        others: usize,
        vertex: &Arc<str>,
    ) -> Result<()> {
        if self.tick != Some(tick) {
            self.tick = Some(tick);
            self.left = (others as u64 + BESIDES) * FOLLOWING;
        }
        let left = self.left.checked_sub(1);
        self.left = left.ok_or_else(|| endless(vertex, time))?;
        Ok(())
    }
}

#[cold]
fn endless(vertex: &str, time: Timestamp) -> Error {
    Error::user(format!(
        "the timers of `{vertex}` that go off at {time} go on setting timers for that moment, or an earlier one: in \
         `on_timer`, set the next one for a later time"
    ))
}
