//! The language of Millstream: flows, streams, windows, joins, asynchronous calls.
//!
//! A [`Flow`] is built of [`Stream`]s. Record steps (`map`, `filter`…) fuse into one [`Pipe`]; every task edge
//! turns the pipe into one operator. Knows no connector.

mod aggregate;
mod event_time;
mod flow;
mod keyed;
mod map_async;
mod pipe;
mod scope;
mod steps;
mod stream;
#[cfg(test)]
mod testing;
mod window;

pub use aggregate::{
    Aggregate, ApproxCountDistinct, ArgExtreme, CollectUpTo, Collected, Count, CountDistinct,
    Distinct, Max, Mean, Min, Number, Quantiles, Retract, Sum, TopN, Variance,
    approx_count_distinct, arg_max, arg_min, collect_up_to, count, count_distinct, distinct,
    first_by, last_by, max, mean, min, quantiles, std_dev, sum, top_n, variance,
};
pub use event_time::{EventTime, Lateness};
pub use flow::Flow;
pub use keyed::{Key, KeyedStream};
pub use map_async::{Concurrency, Ordered, Unordered};
pub use pipe::{Identity, Pipe};
pub use scope::Scope;
pub use stream::{Branches, Either, OneOf3, OneOf4, Stream};
pub use window::{
    Pane, SameKey, Sliding, Tumbling, Window, WindowAssigner, WindowResult, WindowResults,
    WindowedStream,
};
