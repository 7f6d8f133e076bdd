//! Millstream: a real-time stream-processing engine.
//!
//! You define a dataflow of typed operators in Rust; it runs as cooperating tasks on async-std, reads and writes
//! files, sockets and Kafka, and measures how long every record took.
//!
//! ```
//! use millstream::prelude::*;
//!
//! # fn main() -> millstream::Result<()> {
//! let words = Collect::new();
//! let out = words.clone();
//! let flow = Flow::new("words", move |flow| {
//!     flow.source("lines", from_iter(["to be or", "not to be"]))
//!         .flat_map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>())
//!         .key_by(|word| word.clone())
//!         .fold("count", 0, |count, _| {
//!             *count += 1;
//!             *count
//!         })
//!         .entries()
//!         .sink("counts", out.sink());
//! });
//! let report = flow.run_blocking()?;
//! assert!(words.take().contains(&("be".to_owned(), 2)));
//! println!("{}", report.latency());
//! # Ok(())
//! # }
//! ```
//!
//! Where to look: [`Flow`](prelude::Flow) and [`Stream`](prelude::Stream) are the language, [`connectors`] the
//! outside, [`latency`] the measurements, [`why`] what event time waits for, [`runtime`] what user code calls to sleep
//! or to be simulated, [`harness`] what tests an operator of your own. The prelude is small: less common windows,
//! triggers, aggregates, joins and state types are in [`operators`].

pub use millstream_connectors as connectors;
pub use millstream_engine::{
    Error, ErrorKind, Result, bad_record, batch, execution, harness, key, latency, metrics,
    operator, outbox, plan, runtime, sink, source, state, time, why,
};
pub use millstream_operators as operators;

/// What a program with a flow in it imports.
pub mod prelude {
    pub use crate::bad_record::{BadRecords, DeadLetter};
    #[cfg(feature = "kafka")]
    pub use crate::connectors::Kafka;
    pub use crate::connectors::codec::{ReadFormat, WriteFormat};
    pub use crate::connectors::memory::{Collect, discard, for_each, from_iter, from_stream};
    pub use crate::connectors::socket::{Tcp, Udp, Unix};
    pub use crate::connectors::stdio::{stdin, stdout};
    pub use crate::connectors::{File, Generator};
    pub use crate::execution::{Ended, Execution, Report};
    pub use crate::operators::{
        Aggregate, Either, Flow, Key, KeyedStream, Lateness, OneOf3, OneOf4, Ordered, Pane, Scope,
        Session, Sliding, Stream, Tumbling, Unordered, Window, WindowResult, count, max, mean, min,
        sum,
    };
    pub use crate::sink::Sink;
    pub use crate::source::Source;
    pub use crate::time::{Timestamp, days, hours, millis, minutes, seconds};
}

/// So that the code in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
