//! When the operators of a chain are to be called by themselves.

use std::time::Duration;

use super::Chain;
use super::work::Work;
use crate::runtime;
use crate::time::Timestamp;

impl Chain {
    /// When the first timer of a stage is due.
    pub(crate) fn next_timer(&self) -> Option<Timestamp> {
        let timers = self.stages.iter().map(|stage| stage.operator.next_timer());
        timers.flatten().min()
    }

    /// How long until then, for a task that has nothing else to do; for ever without a timer.
    pub(crate) fn until_timer(&self) -> Option<Duration> {
        let timer = self.next_timer()?;
        Some(timer.since(runtime::processing_time()))
    }

    /// Adds the timers that are due to the work: below all else, so that what came before them is done first.
    pub(super) fn take_up_timers(&mut self) {
        let Some(first) = self.next_timer() else {
            return;
        };
        let now = runtime::processing_time();
        if self.ended || first > now {
            return;
        }
        let stages = self.stages.iter().enumerate();
        let due =
            stages.filter(|(_, stage)| stage.operator.next_timer().is_some_and(|at| at <= now));
        let work = due.map(|(stage, _)| Work::Timer { stage });
        self.work.splice(0..0, work);
    }
}
