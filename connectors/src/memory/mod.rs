//! Sources and sinks within the program: iterators, futures' streams and sinks, channels, a `Vec`.
//!
//! | in | out |
//! |---|---|
//! | [`from_iter`]: an iterator | [`Collect`]: a `Vec`, as tests like it |
//! | [`from_stream`]: a [`futures::Stream`] | [`into_sink`]: a [`futures::Sink`] |
//! | [`from_channel`]: a [`flume::Receiver`] | [`into_channel`]: a [`flume::Sender`] |
//! | | [`for_each`]: a closure · [`discard`]: nothing |
//!
//! None of them needs a thread or a clock of its own: all run in a simulation.

mod channel;
mod collect;
mod for_each;
mod futures_sink;
mod iter;
mod stream;

pub use channel::{ChannelWriter, IntoChannel, from_channel, into_channel};
#[cfg(test)]
pub(crate) use collect::tests::batch_of;
pub use collect::{Collect, CollectSink, CollectWriter};
pub use for_each::{Discard, DiscardWriter, ForEach, ForEachWriter, discard, for_each};
pub use futures_sink::{FuturesSinkWriter, IntoSink, into_sink};
pub use iter::{FromIter, IterReader, from_iter};
pub use stream::{FromStream, StreamReader, from_stream};
