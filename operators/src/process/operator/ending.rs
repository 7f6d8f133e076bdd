//! What a process still does once its input has ended.

use std::sync::Arc;

use millstream_engine::key::Keyed;
use millstream_engine::operator::Step;
use millstream_engine::outbox::{AnyPort, Outbox, Port};
use millstream_engine::time::Timestamp;
use millstream_engine::{Error, Result};

use super::{Kept, Processing};
use crate::keyed::{Entry, Key};
use crate::process::Process;
use crate::process::state::KeyState;
use crate::process::turn::{Phase, Turn};
use crate::timer::TimeDomain;

/// So many timers may each of those that are set at the end, or go off at one moment, lead to, on average.
pub(super) const FOLLOWING: u64 = 1_000;

/// How far the end has come.
pub(super) struct Ending<K, S> {
    /// How many timers may yet go off.
    left: Option<u64>,
    /// The keys that `on_end` is yet to be called for, once no timer is left.
    leaving: Option<Vec<Entry<K, Kept<S>>>>,
}

impl<K, S> Ending<K, S> {
    pub(super) fn not_yet() -> Self {
        Ending {
            left: None,
            leaving: None,
        }
    }

    /// Counts a timer that goes off: once the input has ended, they must not go on for ever.
    pub(super) fn goes_off(&mut self, vertex: &Arc<str>) -> Result<()> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or_else(|| endless(vertex))?;
        }
        Ok(())
    }

    /// Keys that are in the table no more.
    pub(super) fn leaving(&self) -> impl Iterator<Item = &Entry<K, Kept<S>>> {
        self.leaving.iter().flatten()
    }
}

#[cold]
fn endless(vertex: &str) -> Error {
    Error::user(format!(
        "the timers of `{vertex}` go on setting timers though the input has ended: in `on_timer`, ask \
         `turn.has_ended()` before setting the next one"
    ))
}

impl<K: Key, T: Send + 'static, P: Process<K, T>> Processing<K, T, P> {
    /// Lets all timers of event time go off, and then each key with state hear of the end.
    pub(super) fn end(&mut self, out: &mut Outbox) -> Result<Step> {
        let mut moment = self.moment(out);
        if self.ending.leaving.is_none() {
            let keys = &self.keys;
            self.ending.left.get_or_insert_with(|| {
                let set = |kept: &Kept<_>| kept.timers.iter(TimeDomain::EventTime).count() as u64;
                let set: u64 = keys.iter().map(|(_, entry)| set(&entry.state)).sum();
                (set + 1).saturating_mul(FOLLOWING)
            });
            moment.phase = Phase::Ending;
            let step = self.go_off(TimeDomain::EventTime, u64::MAX, moment, out)?;
            if step == Step::More {
                return Ok(step);
            }
            self.ending.leaving = Some(self.keys.take_all());
        }
        moment.phase = Phase::Over;
        moment.clocks.event_time = Timestamp::MAX;
        let port: &mut Port<Keyed<K, P::Out>> = out.port(0)?;
        while let Some(entry) = self.ending.leaving.as_mut().and_then(Vec::pop) {
            let Entry { hash, key, state } = entry;
            let Kept {
                mut state,
                mut timers,
            } = state;
            state.expire(&moment.clocks);
            if state.is_empty() {
                continue;
            }
            let mut turn = Turn {
                key: &key,
                hash,
                spare: None,
                port,
                timers: &mut timers,
                moment,
                noted: &mut self.noted,
            };
            self.process.on_end(&mut state, &mut turn);
            if port.is_full() {
                return Ok(Step::More);
            }
        }
        Ok(Step::Done)
    }
}
