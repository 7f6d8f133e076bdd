//! The runtime of Millstream: time, edges, tasks, state, epochs, latency.
//!
//! Knows no operator and no connector. Users depend on the `millstream` crate, which re-exports what
//! they need of this one.

pub mod bad_record;
pub mod batch;
mod edge;
pub mod error;
pub mod execution;
pub mod harness;
pub mod key;
pub mod latency;
pub mod metrics;
pub mod operator;
pub mod outbox;
pub mod plan;
#[doc(hidden)]
pub mod random;
pub mod runtime;
pub mod sink;
pub mod source;
pub mod state;
mod task;
pub mod time;
pub mod why;

pub use error::{Error, ErrorKind, Result};
