//! What an operator of windows goes by.

use std::time::Duration;

use millstream_engine::outbox::Outbox;
use millstream_engine::time::Timestamp;
use millstream_engine::why::{Until, Wait};

use crate::timer::TimeDomain;
use crate::window::pulses::phase;
use crate::window::{Panes, Trigger, Window, WindowAssigner};

/// Puts the windows of a time into a list, and says for which times they are the same.
type Assign = Box<dyn Fn(Timestamp, &mut Vec<Window>) -> Window + Send>;

/// What an operator of windows goes by.
pub(super) struct Rules {
    pub(super) assign: Assign,
    pub(super) merges: bool,
    pub(super) domain: TimeDomain,
    pub(super) trigger: Trigger,
    pub(super) panes: Panes,
    pub(super) lateness: Duration,
    pub(super) gives_late: bool,
}

impl Rules {
    /// Of these windows; with the default trigger, nothing late allowed, by the watermark.
    pub(super) fn of(windows: &impl WindowAssigner) -> Self {
        let windows = windows.clone();
        Rules {
            merges: windows.merges(),
            assign: Box::new(move |time, given| {
                given.clear();
                windows.assign(time, &mut |window| given.push(window));
                windows.slice(time)
            }),
            domain: TimeDomain::EventTime,
            trigger: Trigger::default(),
            panes: Panes::default(),
            lateness: Duration::ZERO,
            gives_late: false,
        }
    }

    /// When a record of this time gets here, by the windows' clock.
    pub(super) fn time_of(&self, time: Timestamp, out: &Outbox) -> Timestamp {
        match self.domain {
            TimeDomain::EventTime => time,
            TimeDomain::ProcessingTime => out.processing_time(),
        }
    }

    /// When a window speaks for the first time, or, if it has ended, for the last.
    pub(super) fn speaks_at(&self, window: Window, ended: bool) -> Timestamp {
        match ended {
            false => window.end,
            true => window.end + self.lateness,
        }
    }

    /// That a window waits for then.
    pub(super) fn end_of(&self, window: Window, ended: bool) -> Wait {
        let (at, told) = (self.speaks_at(window, ended), window.told());
        let until = match at {
            Timestamp::MAX => Until::InputEnd {
                input: 0,
                from: Vec::new(),
            },
            at => self.domain.until(at),
        };
        match ended {
            false => Wait::new(told, until),
            true => Wait::new(format!("{} pane of {told}", phase(true)), until),
        }
    }
}
