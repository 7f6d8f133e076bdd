//! What an operator of windows goes by.

use std::time::Duration;

use millstream_engine::Result;
use millstream_engine::key::Keyed;
use millstream_engine::outbox::Outbox;
use millstream_engine::time::Timestamp;

use crate::keyed::Key;
use crate::late::LATE;
use crate::timer::TimeDomain;
use crate::window::{Panes, Trigger, Window, WindowAssigner};

/// Puts the windows of a time into a list, and says for which times they are the same.
type Assign = Box<dyn Fn(Timestamp, &mut Vec<Window>) -> Window + Send>;

/// What an operator of windows goes by.
pub(in crate::window) struct Rules {
    pub(in crate::window) assign: Assign,
    pub(in crate::window) merges: bool,
    pub(in crate::window) domain: TimeDomain,
    pub(in crate::window) trigger: Trigger,
    pub(in crate::window) panes: Panes,
    pub(in crate::window) lateness: Duration,
    pub(in crate::window) gives_late: bool,
}

impl Rules {
    /// Of these windows; with the default trigger, nothing late allowed, by the watermark.
    pub(in crate::window) fn of(windows: &impl WindowAssigner) -> Self {
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
    pub(in crate::window) fn time_of(&self, time: Timestamp, out: &Outbox) -> Timestamp {
        match self.domain {
            TimeDomain::EventTime => time,
            TimeDomain::ProcessingTime => out.processing_time(),
        }
    }

    /// Gives a late record, if they are given.
    pub(in crate::window) fn give_late<K: Key, T: Send + 'static>(
        &self,
        keyed: Keyed<K, T>,
        time: Timestamp,
        out: &mut Outbox,
    ) -> Result<()> {
        if self.gives_late {
            out.port(LATE)?.push_keyed(keyed.hash, keyed, time);
        }
        Ok(())
    }
}
