//! The latency ledger: how long records waited and were worked on, always on.
//!
//! A [`Ledger`] hands every task a few recorders; each task notes once per batch, into histograms of
//! its own, and [`Ledger::report`] merges them whenever somebody looks. The [`LatencyReport`] prints
//! itself as a table, serializes to JSON, draws itself ([`LatencyReport::plot`]) and goes into the
//! standard HdrHistogram log ([`IntervalLog`]).
//!
//! # What the figures mean
//! 1. They are figures of **records**: a batch of 500 that waited 1 ms counts as 500 records that waited 1 ms.
//! 2. The clock starts when a record reaches this process and stops when the sink has handed it over; user
//!    code, queues and windows in between are all inside. A window's result counts from the arrival
//!    of the record that completed it, and what a timer sets free from when the timer was due; how long records were held
//!    back by design until then is a series of its own. So it is with all that waits by design: to be sorted, for a batch
//!    to be full, in a delay, in a throttle. **So "arrival → handed over" does not hold the time a record was held by
//!    design**: of one that lay 10 s in a throttle and was 1 ms on its way otherwise it says 1 ms, and the throttle's
//!    "held by design" says 10 s.
//! 3. **A figure is never understated.** A batch counts as its oldest record, a histogram's answer is the upper
//!    end of its bucket (at most 0.1 % above the truth), and a percentile too fine for the number
//!    of measurements behind it is not told at all. Only text is rounded, to three digits.
//! 4. Beside them stand the machine's own hiccups of the same run: what a thread that only sleeps
//!    overslept. A p99.99 that the machine made is not the engine's.
//!
//! # What it costs
//! About 15 ns per note, its uncontended lock included, and a few notes per batch. A series has three
//! significant digits and grows with its largest value: nothing before its first note, 16 KiB up to 2 µs,
//! 88 KiB up to 1 ms, 216 KiB up to a minute, never more than 432 KiB (292 years, where values saturate).
//!
//! Sources: Gil Tene's HdrHistogram and jHiccup.

mod distribution;
mod drawing;
mod hiccups;
mod interval_log;
mod ledger;
mod plot;
mod recorder;
mod report;
mod scale;
mod table;
mod text;

pub use distribution::Distribution;
pub use interval_log::IntervalLog;
pub use ledger::{LatencySettings, Ledger};
pub use plot::Plot;
pub use recorder::{AckLatency, SinkLatency, StageLatency};
pub use report::{LatencyReport, Measure, Series};
