//! What comes too late: counted, and given as a stream if that is asked for.

use millstream_engine::Result;
use millstream_engine::batch::Record;
use millstream_engine::key::Keyed;
use millstream_engine::outbox::{Outbox, Port};

use crate::keyed::{Key, KeyedStream};
use crate::scope::Tail;

/// The output of late records.
pub(crate) const LATE: usize = 1;

/// What becomes of records that the watermark has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LateRecords {
    /// They are taken like any other: nothing is late.
    Taken,
    /// They are counted and left out.
    Counted,
    /// The same, and they are given by an output of their own.
    Given,
}

/// Sets a late record aside: out of the way of the others.
#[cold]
#[inline(never)]
pub(crate) fn set_aside<T>(late: &mut Vec<Record<T>>, record: Record<T>) {
    late.push(record);
}

/// Counts the late records of a batch and, if the operator gives them, puts them out.
pub(crate) fn put_late<K: Key, T: Send + 'static>(
    late: Vec<Record<Keyed<K, T>>>,
    gives: bool,
    out: &mut Outbox,
) -> Result<()> {
    put_late_as(late, gives.then_some(|value| value), out)
}

/// Counts the late records of a batch and, if the operator gives them, puts out what `late_of` makes of each.
pub(crate) fn put_late_as<K: Key, T, U: Send + 'static>(
    late: Vec<Record<Keyed<K, T>>>,
    late_of: Option<impl Fn(T) -> U>,
    out: &mut Outbox,
) -> Result<()> {
    if late.is_empty() {
        return Ok(());
    }
    out.count_late(late.len() as u64);
    let Some(late_of) = late_of else {
        return Ok(());
    };
    let port: &mut Port<Keyed<K, U>> = out.port(LATE)?;
    for Record { time, value } in late {
        let Keyed { hash, key, value } = value;
        let value = late_of(value);
        port.push_keyed(hash, Keyed { hash, key, value }, time);
    }
    Ok(())
}

/// The results of an operator that gives its late records, and those.
pub(crate) fn with_late<K: Key, U: Send + 'static, T: Send + 'static>(
    results: Tail,
) -> (KeyedStream<K, U>, KeyedStream<K, T>) {
    let late = results.other_output(LATE);
    (KeyedStream::keyed(results), KeyedStream::keyed(late))
}
