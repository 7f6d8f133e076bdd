//! What comes too late: it is counted, and given where the user wants it.

use millstream_engine::Result;
use millstream_engine::batch::Record;
use millstream_engine::key::Keyed;
use millstream_engine::outbox::{Outbox, Port};

use crate::keyed::Key;

/// The output of late records, of every operator that gives them.
pub(crate) const LATE: usize = 1;

/// Sets a late record aside: out of the way of the others.
#[cold]
#[inline(never)]
pub(crate) fn set_aside<T>(late: &mut Vec<Record<T>>, record: Record<T>) {
    late.push(record);
}

/// Counts the late records of a batch and, if the operator gives them, puts out what `late_of` makes of each.
pub(crate) fn put_late<K: Key, T, U: Send + 'static>(
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
