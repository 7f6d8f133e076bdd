//! Joins: records of several streams that belong together.
//!
//! | join | what belongs together | what is kept, and for how long |
//! |---|---|---|
//! | [window](crate::KeyedStream::join) | equal keys, a common window | all records, until the watermark passes the last of their windows |
//! | [co-group](crate::KeyedStream::cogroup) | the same, of two to four streams | the same |
//! | [interval](crate::KeyedStream::interval_join) | equal keys, times near each other | a record, until the watermark rules out another partner |
//! | [as-of](crate::KeyedStream::as_of_join) | a record and its key's latest version | each key's versions from the watermark on, and the one before; by TTL |
//! | [table](crate::Stream::join_table) | a record and the latest of a small table | the table, in every replica, up to a number of keys; by TTL |
//! | [look-up](crate::Stream::lookup), also by [key](crate::KeyedStream::lookup) | a record and the answer of a service | answers in a cache of a fixed size; by TTL |
//!
//! The results of the first four do not depend on which input came first, as long as no record is late (and an as-of join
//! waits until its table has caught up). Late records
//! are in no result: they are counted, and given as a stream by the `…_with_late` of each. What waits for event time says so to
//! [`why`](millstream_engine::execution::ExecutionHandle::why).
//!
//! By duty: [`windowed`] is the operator of the first two; [`keyed`] that of the next two, each of which says how it
//! matches records; [`pairing`] says what becomes of them; [`due_keys`] and [`deadlines`] keep what has its turn in time.

mod as_of;
mod broadcast;
mod cogroup;
mod deadlines;
mod due_keys;
mod interval;
mod keyed;
mod lookup;
mod pairing;
#[cfg(test)]
mod testing;
mod window;
mod windowed;

pub use as_of::AsOf;
pub use broadcast::{BroadcastTable, TableLoad};
pub use cogroup::Cogroup;
pub use interval::Interval;
pub use lookup::LookupCache;
pub use windowed::Group;

use millstream_engine::key::Keyed;
use millstream_engine::outbox::PortMaker;
use millstream_engine::plan::OperatorVertex;

use crate::keyed::Key;
use crate::scope::Tail;

/// Holds for a key type and itself. (A bound of its own, so that the compiler names the mistake.)
#[diagnostic::on_unimplemented(
    message = "the two streams of a join have different keys: `{K}` and `{Self}`",
    note = "give both the same type of key in their `key_by`"
)]
pub trait SameKey<K>: Key {}

impl<K: Key> SameKey<K> for K {}

/// Puts the vertex of a join behind its inputs, and goes on with its first output.
fn through(first: Tail, others: &[Tail], vertex: OperatorVertex) -> Tail {
    let timed = first.timed && others.iter().all(|tail| tail.timed);
    let mut joined = first.through(vertex);
    for (other, input) in others.iter().zip(1..) {
        for (output, _) in &joined.from {
            other.connect(output.vertex, input);
        }
    }
    joined.timed = timed;
    joined
}

/// Puts the vertex of a join by event time behind its keyed inputs. Its results, `U`, leave by its first output; late
/// records, as `T`, by its second, if it gives them.
pub(crate) fn through_timed<K: Key, U: Send + 'static, T: Send + 'static>(
    name: &str,
    mut inputs: Vec<Tail>,
    vertex: OperatorVertex,
    gives_late: bool,
) -> Tail {
    let mut vertex = vertex.with_port(PortMaker::moving::<Keyed<K, U>>());
    if gives_late {
        vertex = vertex.with_port(PortMaker::moving::<Keyed<K, T>>());
    }
    let others = inputs.split_off(1);
    let joined = through(inputs.remove(0), &others, vertex);
    joined.must_be_timed(name);
    joined
}
