//! Records by windows that merge: each key has its own.

use millstream_engine::Result;
use millstream_engine::key::KeyHash;
use millstream_engine::operator::Step;
use millstream_engine::outbox::Outbox;
use millstream_engine::runtime::Instant;
use millstream_engine::state::{StateReader, StateWriter};
use millstream_engine::time::Timestamp;
use millstream_engine::why::{Explanation, Until, Wait};
use serde::{Deserialize, Serialize};

use super::{Cursor, KeyInWindow, Place, Sides};
use crate::join::due_keys::DueKeys;
use crate::keyed::{AT_ONCE, Key};
use crate::reached;
use crate::window::{Window, WindowAssigner};

/// The open windows of an assigner whose windows merge, with what fell into them.
///
/// A record of any input joins the windows of its key that it overlaps: so a session of several streams lasts as long as
/// one of them goes on.
pub(in crate::join) struct Sessions<W, K, S> {
    windows: W,
    /// Each key's, in their order; no two overlap.
    keys: DueKeys<K, Vec<Session<S>>>,
    /// Windows that end here or before are closed.
    closed: Timestamp,
}

/// A window of a key.
#[derive(Serialize, Deserialize)]
struct Session<S> {
    window: Window,
    sides: S,
    /// How far its results have come.
    cursor: Cursor,
    /// When its first record arrived; not known of what was restored.
    #[serde(skip)]
    arrival: Option<Instant>,
}

/// How many buckets of deadlines a window's length is cut into.
const BUCKETS: i64 = 16;

impl<W: WindowAssigner, K: Key, S: Sides> Sessions<W, K, S> {
    pub(super) fn new(windows: W) -> Self {
        let length = match window_of(&windows, Timestamp::EPOCH) {
            Some(Window { start, end }) => end.as_micros().saturating_sub(start.as_micros()),
            None => 0,
        };
        Sessions {
            windows,
            keys: DueKeys::new(length / BUCKETS),
            closed: Timestamp::MIN,
        }
    }

    /// Opens a window for a record, which the windows of its key that it overlaps become part of; says which of the key's
    /// windows it is. The record is late if it overlaps none that is open, and its own would be closed.
    pub(super) fn open_for(
        &mut self,
        hash: KeyHash,
        key: &K,
        time: Timestamp,
        arrival: Instant,
    ) -> Place {
        let Some(window) = window_of(&self.windows, time) else {
            return Place::Nowhere;
        };
        let known = self.keys.find(hash, key);
        let sessions = known.and_then(|number| self.keys.get_mut(number));
        let sessions = sessions.map_or(&[][..], |(_, _, sessions)| sessions);
        let first = sessions.partition_point(|session| session.window.end <= window.start);
        let behind = sessions.partition_point(|session| session.window.start < window.end);
        if first == behind && window.end <= self.closed {
            return Place::Late;
        }
        let number = known.unwrap_or_else(|| self.keys.place(hash, key.clone()));
        self.keys.due_behind(number, window.last());
        if let Some((_, _, sessions)) = self.keys.get_mut(number) {
            let mut merged = Session {
                window,
                sides: S::default(),
                cursor: Cursor::default(),
                arrival: Some(arrival),
            };
            let mut others = sessions.drain(first..behind);
            if let Some(other) = others.next() {
                merged.sides = other.sides;
                merged.take_span(other.window, other.arrival);
            }
            for other in others {
                merged.sides.append(other.sides);
                merged.take_span(other.window, other.arrival);
            }
            sessions.insert(first, merged);
        }
        Place::In(first)
    }

    /// What a window of a key has.
    pub(super) fn sides(&mut self, place: usize, hash: KeyHash, key: &K) -> Option<&mut S> {
        let number = self.keys.find(hash, key)?;
        let (_, _, sessions) = self.keys.get_mut(number)?;
        Some(&mut sessions.get_mut(place)?.sides)
    }

    /// As those of windows that [do not merge](super::slices::Slices::fire).
    pub(super) fn fire(
        &mut self,
        watermark: Timestamp,
        out: &mut Outbox,
        mut give: impl FnMut(&mut Outbox, Window, KeyInWindow<'_, K, S>) -> Result<Step>,
    ) -> Result<Step> {
        self.closed = self.closed.max(watermark);
        for _ in 0..AT_ONCE {
            let Some(number) = self.keys.next_due(Some(self.closed)) else {
                return Ok(Step::Done);
            };
            let Some((hash, key, sessions)) = self.keys.get_mut(number) else {
                continue;
            };
            let ended = sessions.partition_point(|session| session.window.end <= self.closed);
            let (mut given, mut step) = (0, Step::Done);
            for session in sessions.iter_mut().take(ended) {
                if let Some(arrival) = session.arrival.take() {
                    out.note_held(arrival, 1);
                }
                let (sides, cursor) = (&[&session.sides], &mut session.cursor);
                let window = KeyInWindow {
                    hash,
                    key,
                    sides,
                    cursor,
                };
                step = give(out, session.window, window)?;
                if step == Step::More {
                    break;
                }
                given += 1;
                if out.is_full() {
                    step = Step::More;
                    break;
                }
            }
            sessions.drain(..given);
            match sessions.first().map(|first| first.window.last()) {
                Some(due) => self.keys.due_behind(number, due),
                None => self.keys.remove(number),
            }
            if step == Step::More {
                break;
            }
        }
        Ok(Step::More)
    }

    /// Tells when the next window ends.
    pub(super) fn explain(&self, why: &mut Explanation) {
        let end = |sessions: &Vec<Session<S>>| Some(sessions.first()?.window.end);
        if let Some(end) = self.keys.least(end) {
            let wait = Wait::new("a window that may still grow", Until::Watermark(end));
            why.waits(wait.first_of(self.keys.len()));
        }
    }

    pub(super) fn save(&self, state: &mut StateWriter) -> Result<()> {
        reached::save(state, self.closed)?;
        for (hash, key, sessions) in self.keys.iter() {
            state.put(hash, &(key, sessions))?;
        }
        Ok(())
    }

    pub(super) fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.closed = reached::restored(state)?;
        for value in state.values::<(K, Vec<Session<S>>)>() {
            let (key, saved) = value?;
            let due = saved.first().map(|first| first.window.last());
            let number = self.keys.place(KeyHash::of(&key), key);
            if let Some((_, _, sessions)) = self.keys.get_mut(number) {
                *sessions = saved;
            }
            if let Some(due) = due {
                self.keys.due_behind(number, due);
            }
        }
        Ok(())
    }
}

impl<S> Session<S> {
    fn take_span(&mut self, window: Window, arrival: Option<Instant>) {
        self.window = self.window.hull(window);
        self.arrival = self.arrival.into_iter().chain(arrival).min();
    }
}

/// All windows of a time in one: they have it in common, and so they merge.
fn window_of(windows: &impl WindowAssigner, time: Timestamp) -> Option<Window> {
    let mut all: Option<Window> = None;
    windows.assign(time, &mut |window| {
        all = Some(all.map_or(window, |all| all.hull(window)));
    });
    all
}
