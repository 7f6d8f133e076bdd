//! What several inputs brought under one key.

use millstream_engine::batch::AnyBatch;
use millstream_engine::key::Keyed;
use millstream_engine::outbox::Outbox;
use millstream_engine::state::State;
use millstream_engine::{Error, Result};

use super::Place;
use super::gathered::Gathered;
use crate::keyed::Key;
use crate::late::{put_late_as, set_aside};
use crate::stream::{Either, OneOf3, OneOf4};
use crate::window::WindowAssigner;

/// The records of several inputs, each input's in the order they came: a tuple of vectors.
pub(crate) trait Sides: State + Default {
    /// A late record of any of them.
    type Late: Send + 'static;

    /// Takes the records of a batch in; those that are late it counts, and puts out if it `gives_late`.
    fn take<W: WindowAssigner, K: Key>(
        gathered: &mut Gathered<W, K, Self>,
        input: usize,
        batch: &mut AnyBatch,
        gives_late: bool,
        out: &mut Outbox,
    ) -> Result<()>;

    /// Adds those of `later` behind these.
    fn append(&mut self, later: Self);
}

/// Takes the records of a batch in, each where `keep` puts it; those that are late are given as what `late_of` makes
/// of them.
fn take<W: WindowAssigner, K: Key, S: Sides, T: Send + 'static>(
    gathered: &mut Gathered<W, K, S>,
    batch: &mut AnyBatch,
    keep: impl Fn(&mut S, T),
    late_of: Option<impl Fn(T) -> S::Late>,
    out: &mut Outbox,
) -> Result<()> {
    let mut late = Vec::new();
    let batch = batch.of::<Keyed<K, T>>()?;
    for record in batch.records.drain(..) {
        let Keyed { hash, key, .. } = &record.value;
        match gathered.place(*hash, key, record.time, batch.arrival) {
            Place::In(place) => {
                let Keyed { hash, key, value } = record.value;
                gathered.keep(place, hash, key, |sides| keep(sides, value));
            }
            Place::Late => set_aside(&mut late, record),
            Place::Nowhere => {}
        }
    }
    put_late_as(late, late_of, out)
}

/// Most keys have one record of an input in a window: room for four would be most of the state.
#[inline]
fn push<T>(records: &mut Vec<T>, record: T) {
    if records.is_empty() {
        records.reserve_exact(1);
    }
    records.push(record);
}

macro_rules! sides {
    ($late:ident: $($input:tt $type:ident $branch:ident),+) => {
        impl<$($type: State),+> Sides for ($(Vec<$type>,)+) {
            type Late = $late<$($type),+>;

            fn take<W: WindowAssigner, K: Key>(
                gathered: &mut Gathered<W, K, Self>,
                input: usize,
                batch: &mut AnyBatch,
                gives_late: bool,
                out: &mut Outbox,
            ) -> Result<()> {
                match input {
                    $($input => {
                        let keep = |sides: &mut Self, value: $type| push(&mut sides.$input, value);
                        take(gathered, batch, keep, gives_late.then_some($late::$branch), out)
                    })+
                    _ => Err(Error::internal(format!("a join without input {input}"))),
                }
            }

            fn append(&mut self, mut later: Self) {
                $(self.$input.append(&mut later.$input);)+
            }
        }
    };
}

sides!(Either: 0 A Left, 1 B Right);
sides!(OneOf3: 0 A First, 1 B Second, 2 C Third);
sides!(OneOf4: 0 A First, 1 B Second, 2 C Third, 3 D Fourth);

/// All records of one input under one key, in one window: what [`Cogroup`](crate::Cogroup) gives to its closure.
#[derive(Clone, Debug)]
pub struct Group<'a, T> {
    first: &'a [T],
    rest: Vec<&'a [T]>,
}

impl<'a, T> Group<'a, T> {
    pub(crate) fn of<S>(sides: &[&'a S], side: impl Fn(&'a S) -> &'a Vec<T>) -> Self {
        let mut slices = sides.iter().map(|sides| side(sides).as_slice());
        Group {
            first: slices.next().unwrap_or_default(),
            rest: slices.collect(),
        }
    }

    /// The records. In windows that neither overlap nor merge, in the order they came; else stretch by stretch of event time,
    /// and so within each.
    pub fn iter(&self) -> impl Iterator<Item = &'a T> + Clone + '_ {
        std::iter::once(&self.first)
            .chain(&self.rest)
            .flat_map(|slice| slice.iter())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.iter().map(|slice| slice.len()).sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
