//! The language of Millstream: flows, streams, windows, joins, asynchronous calls.
//!
//! A [`Flow`] is built of [`Stream`]s. Record steps (`map`, `filter`…) fuse into one [`Pipe`]; every task edge
//! turns the pipe into one operator. Knows no connector.

mod aggregate;
mod asynchronous;
mod bits;
mod by_time;
mod event_time;
mod flow;
mod held;
mod join;
mod keyed;
mod late;
mod pipe;
mod process;
mod rate;
mod reached;
mod scope;
mod shape;
mod steps;
mod stream;
#[cfg(test)]
mod testing;
mod timer;
mod waits;
mod window;

pub use aggregate::{
    Aggregate, ApproxCountDistinct, ArgExtreme, CollectUpTo, Collected, Count, CountDistinct,
    Distinct, Extreme, Highest, LatestHighest, Lowest, Max, Mean, Min, Number, Quantiles, Retract,
    Sum, TopN, Variance, approx_count_distinct, arg_max, arg_min, collect_up_to, count,
    count_distinct, distinct, first_by, last_by, max, mean, min, quantiles, std_dev, sum, top_n,
    variance,
};
pub use asynchronous::{
    CallError, Calls, FailedCall, Once, Ordered, Repeated, Repeats, Retry, StateGuard, Unordered,
};
pub use event_time::{Ahead, Bounded, EventTime, Lateness, WatermarkStrategy, Watermarks};
pub use flow::Flow;
pub use join::{AsOf, BroadcastTable, Cogroup, Group, Interval, LookupCache, SameKey, TableLoad};
pub use keyed::{Key, KeyedStream};
pub use pipe::{Identity, Pipe};
pub use process::{
    Clocks, Expiry, KeyState, ListState, MapState, Process, Timer, Ttl, Turn, ValueState,
};
pub use rate::RateLimit;
pub use scope::Scope;
pub use stream::{Branches, Either, OneOf3, OneOf4, Stream};
pub use window::{
    CountWindowedStream, Every, Global, Pane, Panes, Session, Sliding, Timing, Trigger, Tumbling,
    TwoStageStream, Window, WindowAssigner, WindowResult, WindowResults, WindowedStream,
};
