//! The operator under window joins and co-groups: gathers the records of several inputs by key and window.

mod gathered;
mod saved;
mod sessions;
mod sides;
mod slices;

pub use sides::Group;
use sides::Sides;

use millstream_engine::Result;
use millstream_engine::batch::AnyBatch;
use millstream_engine::key::{KeyHash, Keyed};
use millstream_engine::operator::{Operator, Step};
use millstream_engine::outbox::{Outbox, Port};
use millstream_engine::plan::{MakeOperator, OperatorVertex};
use millstream_engine::state::{State, StateKind, StateReader, StateWriter};
use millstream_engine::time::{Timestamp, Watermark};
use millstream_engine::why::Explanation;

use super::keyed::put;
use super::pairing::Pairing;
use super::through_timed;
use crate::keyed::Key;
use crate::scope::Tail;
use crate::window::{Window, WindowAssigner};
use gathered::Gathered;

/// How far the results of one key and window have come: the places of the next left and right record.
pub(super) type Cursor = (usize, usize);

/// Where a record goes.
enum Place {
    /// Into this slice, or this window of its key.
    In(usize),
    /// All its windows are closed.
    Late,
    /// It is in no window.
    Nowhere,
}

/// All that a key has in a window.
struct KeyInWindow<'a, K, S> {
    hash: KeyHash,
    key: &'a K,
    /// Slice by slice.
    sides: &'a [&'a S],
    /// Where to go on.
    cursor: &'a mut Cursor,
}

/// Gathers records, and has results made of them when the watermark passes the end of their window.
pub(super) struct Windowed<W, K, S, M> {
    gathered: Gathered<W, K, S>,
    make: M,
    gives_late: bool,
}

/// Makes the results of a key and window.
pub(super) trait MakeResults<K, S>: Clone + Send + 'static {
    /// The results.
    type Out: Send + 'static;

    /// Puts results out by `put`, which says whether to pause; and notes where to go on.
    fn make(
        &self,
        key: &K,
        window: Window,
        sides: &[&S],
        cursor: &mut Cursor,
        put: &mut impl FnMut(Self::Out) -> Step,
    ) -> Step;
}

impl<W: WindowAssigner, K: Key, S: Sides, M> Windowed<W, K, S, M> {
    pub(super) fn new(windows: W, make: M, gives_late: bool) -> Self {
        Windowed {
            gathered: Gathered::new(windows),
            make,
            gives_late,
        }
    }
}

impl<W, K, S, M> Operator for Windowed<W, K, S, M>
where
    W: WindowAssigner,
    K: Key,
    S: Sides,
    M: MakeResults<K, S>,
{
    fn on_batch(&mut self, input: usize, batch: &mut AnyBatch, out: &mut Outbox) -> Result<()> {
        S::take(&mut self.gathered, input, batch, self.gives_late, out)
    }

    fn on_watermark(&mut self, watermark: Watermark, out: &mut Outbox) -> Result<Step> {
        self.fire(watermark.time, out)
    }

    fn on_end(&mut self, out: &mut Outbox) -> Result<Step> {
        self.fire(Timestamp::MAX, out)
    }

    fn explain(&self, why: &mut Explanation) {
        self.gathered.explain(why);
    }

    fn snapshot(&mut self, state: &mut StateWriter) -> Result<()> {
        self.gathered.save(state)
    }

    fn restore(&mut self, state: &StateReader) -> Result<()> {
        self.gathered.restore(state)
    }
}

impl<W, K, S, M> Windowed<W, K, S, M>
where
    W: WindowAssigner,
    K: Key,
    S: Sides,
    M: MakeResults<K, S>,
{
    fn fire(&mut self, watermark: Timestamp, out: &mut Outbox) -> Result<Step> {
        let make = &self.make;
        self.gathered.fire(watermark, out, |out, window, given| {
            let KeyInWindow {
                hash,
                key,
                sides,
                cursor,
            } = given;
            let port: &mut Port<Keyed<K, M::Out>> = out.port(0)?;
            let put = &mut |value| put(port, hash, key, Some(value), window.last());
            Ok(make.make(key, window, sides, cursor, put))
        })
    }
}

/// The vertex that gathers its inputs by key and window.
pub(super) fn windowed<K, S, W, M>(
    name: &str,
    label: &str,
    inputs: Vec<Tail>,
    windows: W,
    make: M,
    gives_late: bool,
) -> Tail
where
    K: Key,
    S: Sides,
    W: WindowAssigner,
    M: MakeResults<K, S>,
{
    if let (Some(first), Some(what)) = (inputs.first(), windows.mistake()) {
        first.mistake(format!("the windows of `{name}` {what}"));
    }
    let kind = StateKind::of::<(K, S)>(&format!("{label} {}", windows.kind()), 2);
    let beat = windows.beat();
    let make: MakeOperator = Box::new(move |_| {
        let (windows, make) = (windows.clone(), make.clone());
        Box::new(Windowed::<W, K, S, M>::new(windows, make, gives_late))
    });
    let vertex = OperatorVertex::named(name, label, make)
        .with_state(kind)
        .with_beat(beat);
    through_timed::<K, M::Out, S::Late>(name, inputs, vertex, gives_late)
}

/// Every pair of a left and a right record, and those that have none as the join wants it.
#[derive(Clone)]
pub(super) struct Pairs<P>(pub(super) P);

impl<K, L, R, P> MakeResults<K, (Vec<L>, Vec<R>)> for Pairs<P>
where
    L: State,
    R: State,
    P: Pairing<K, L, R>,
{
    type Out = P::Out;

    fn make(
        &self,
        key: &K,
        _window: Window,
        sides: &[&(Vec<L>, Vec<R>)],
        cursor: &mut Cursor,
        put: &mut impl FnMut(P::Out) -> Step,
    ) -> Step {
        let left = Group::of(sides, |(left, _)| left);
        let right = Group::of(sides, |(_, right)| right);
        let alone = (right.is_empty() && P::LEFT) || (left.is_empty() && P::RIGHT);
        let mut give = |left: Option<&L>, right: Option<&R>| match self.0.pair(key, left, right) {
            Some(value) => put(value),
            None => Step::Done,
        };
        // Of two sides one of which is empty, one loop does nothing.
        if alone {
            for record in left.iter().skip(cursor.0) {
                cursor.0 += 1;
                if give(Some(record), None) == Step::More {
                    return Step::More;
                }
            }
            for record in right.iter().skip(cursor.1) {
                cursor.1 += 1;
                if give(None, Some(record)) == Step::More {
                    return Step::More;
                }
            }
            return Step::Done;
        }
        for first in left.iter().skip(cursor.0) {
            for second in right.iter().skip(cursor.1) {
                cursor.1 += 1;
                if give(Some(first), Some(second)) == Step::More {
                    return Step::More;
                }
            }
            *cursor = (cursor.0 + 1, 0);
        }
        Step::Done
    }
}

#[cfg(test)]
mod tests;
