//! The outside of Millstream: files, sockets, Kafka and the rest; framing and codecs.
//!
//! Knows no operator. Users depend on the `millstream` crate, which re-exports what they need.

pub mod codec;
pub mod file;
mod frame_reader;
mod frame_writer;
pub mod framing;
pub mod generator;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod memory;
pub mod socket;
pub mod stdio;

pub use file::File;
pub use generator::Generator;
#[cfg(feature = "kafka")]
pub use kafka::Kafka;
pub use memory::{
    Collect, discard, for_each, from_channel, from_iter, from_stream, into_channel, into_sink,
};
pub use socket::{Tcp, Udp, Unix};
pub use stdio::{stdin, stdout};
